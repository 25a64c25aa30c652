"""The compiled part of pursuit and evasion: one step of many games, and their layouts.

Everything that is compiled stands in this one file, because Numba's on-disk cache only notices changes of
the file that holds the called function.

Order of a step: both robots move at once by explicit Euler; the pursuer's clearance is measured where it
drove, *before* anything pushes it back; then both robots are pushed out of walls and obstacles; then come
distance, reward and observation. Games never touch each other, so a batch gives bitwise the same result as
the games one by one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True, error_model="numpy")
"""Without `fastmath`, which lets the compiler reorder sums: batch and single game shall agree bitwise."""

RANDOM, FLEE, GREEDY = range(3)
"""Codes of the evaders, in the order of :data:`~sb3_barriernet.envs.pursuit_settings.EVADERS`."""

SKIN = 1e-9
"""Distance that a push-out leaves to the surface [m], so that standing still there is no violation."""

STEER_REACH = 1.0
"""Distance at which a fleeing evader begins to turn along a wall or an obstacle [m]."""
STEER_GAIN = 4.0
"""Turn rate of a fleeing evader per heading error [1/s]."""
GREEDY_HORIZON = 1.0
"""How far a greedy evader looks ahead [s]."""
GREEDY_SAMPLES = 5
"""Turn rates that a greedy evader tries, and points of each path that it looks at."""
GREEDY_CLEARANCE = 0.1
"""Clearance below which a greedy evader avoids a path [m]."""


class World(NamedTuple):
    """Constants of the compiled step; see :class:`~sb3_barriernet.envs.pursuit_settings.PursuitSettings`."""

    half: float  # half side of the arena [m]
    diagonal: float  # [m]
    robot_radius: float  # [m]
    max_speed: float  # [m/s]
    evader_speed: float  # [m/s]
    max_turn_rate: float  # [rad/s]
    dt: float  # [s]
    max_steps: int
    capture_distance: float  # [m]
    evader: int  # one of RANDOM, FLEE, GREEDY
    observed_obstacles: int
    distance_scale: float
    capture_reward: float
    timeout_penalty: float


class Layout(NamedTuple):
    """What the beginning of an episode is drawn from."""

    obstacles: tuple[int, int]
    obstacle_radius: tuple[float, float]  # [m]
    obstacle_gap: float  # [m]
    initial_distance: tuple[float, float]  # [m]
    start_margin: float  # centre of a robot to walls and obstacles [m]


class Games(NamedTuple):
    """State and outcome of ``N`` games with up to ``D`` obstacles, one array each."""

    pursuer: np.ndarray  # (N, 3) x [m], y [m], heading in [-pi, pi] [rad]
    evader: np.ndarray  # (N, 3)
    pursuer_action: np.ndarray  # (N, 2) speed [m/s], turn rate [rad/s] of the last step
    evader_action: np.ndarray  # (N, 2)
    obstacles: np.ndarray  # (N, D, 3) x, y, radius [m], nearest to the pursuer first; unused: radius < 0
    evader_plan: np.ndarray  # (N, max_steps, 2) actions of a random evader in [0, 1); otherwise (N, 0, 2)
    elapsed: np.ndarray  # (N,) steps of the episode
    violation_steps: np.ndarray  # (N,) steps of the episode with a violation
    clearance: np.ndarray  # (N,) pursuer's edge to the nearest wall or obstacle [m], before the push-out
    violation: np.ndarray  # (N,)
    terminated: np.ndarray  # (N,)
    truncated: np.ndarray  # (N,)
    reward: np.ndarray  # (N,)
    observation: np.ndarray  # (N, 14 + 2 observed_obstacles) float32


@compiled
def step_games(games, actions, world):
    """Play one step of every game.

    :param games: state of the games, changed in place
    :param actions: speed [m/s] and turn rate [rad/s] of every pursuer, clipped to its limits, ``(N, 2)``
    :param world: constants
    """
    for i in range(actions.shape[0]):
        _step_game(games, i, actions[i, 0], actions[i, 1], world)


@compiled
def begin_game(games, i, uniforms, world, layout):
    """Lay out game ``i`` from numbers in [0, 1).

    :return: whether the numbers sufficed; if not, the game is unfinished and wants other numbers
    """
    obstacles = games.obstacles[i]
    least, greatest = layout.obstacles
    count = least + int(uniforms[0] * (greatest - least + 1))
    cursor = 1
    for k in range(obstacles.shape[0]):
        obstacles[k, 0], obstacles[k, 1], obstacles[k, 2] = 0.0, 0.0, -1.0
    for k in range(count):
        cursor = _place_obstacle(obstacles, k, uniforms, cursor, world, layout)
    margin = layout.start_margin
    cursor = _place_robot(games.pursuer[i], uniforms, cursor, world, obstacles, margin)
    near, far = layout.initial_distance
    while cursor + 3 <= uniforms.shape[0]:
        cursor = _place_robot(games.evader[i], uniforms, cursor, world, obstacles, margin)
        if near <= _distance(games, i) <= far:
            break
    if cursor + 3 > uniforms.shape[0]:
        return False
    _begin_clock(games, i)
    observe_game(games, i, world)
    return True


@compiled
def observe_game(games, i, world):
    """Bring order of obstacles, clearance and observation of game ``i`` up to date with its state."""
    pursuer, obstacles = games.pursuer[i], games.obstacles[i]
    _sort_obstacles(obstacles, pursuer[0], pursuer[1])
    games.clearance[i] = _room(pursuer[0], pursuer[1], obstacles, world.half) - world.robot_radius
    _observe(games, i, world)


@compiled
def _begin_clock(games, i):
    games.pursuer_action[i] = 0.0
    games.evader_action[i] = 0.0
    games.elapsed[i] = 0
    games.violation_steps[i] = 0
    games.violation[i] = False
    games.terminated[i] = False
    games.truncated[i] = False
    games.reward[i] = 0.0


@compiled
def _place_obstacle(obstacles, k, uniforms, cursor, world, layout):
    """Put obstacle ``k`` clear of walls and of the obstacles before it; return the numbers used so far."""
    smallest, largest = layout.obstacle_radius
    gap = layout.obstacle_gap
    while cursor + 3 <= uniforms.shape[0]:
        radius = smallest + uniforms[cursor] * (largest - smallest)
        reach = world.half - gap - radius
        x = (2.0 * uniforms[cursor + 1] - 1.0) * reach
        y = (2.0 * uniforms[cursor + 2] - 1.0) * reach
        cursor += 3
        if reach > 0.0 and _room(x, y, obstacles, world.half) >= radius + gap:
            obstacles[k, 0], obstacles[k, 1], obstacles[k, 2] = x, y, radius
            return cursor
    return uniforms.shape[0]


@compiled
def _place_robot(pose, uniforms, cursor, world, obstacles, margin):
    """Put a robot's centre ``margin`` clear of walls and obstacles; return the numbers used so far."""
    reach = world.half - margin
    while cursor + 3 <= uniforms.shape[0]:
        x = (2.0 * uniforms[cursor] - 1.0) * reach
        y = (2.0 * uniforms[cursor + 1] - 1.0) * reach
        heading = (2.0 * uniforms[cursor + 2] - 1.0) * math.pi
        cursor += 3
        if _room(x, y, obstacles, world.half) >= margin:
            pose[0], pose[1], pose[2] = x, y, heading
            return cursor
    return uniforms.shape[0]


@compiled
def _step_game(games, i, speed, turn, world):
    pursuer, evader, obstacles = games.pursuer[i], games.evader[i], games.obstacles[i]
    before = _distance(games, i)
    evader_speed, evader_turn = _evade(games, i, world)
    speed = min(max(speed, 0.0), world.max_speed)
    turn = min(max(turn, -world.max_turn_rate), world.max_turn_rate)
    _drive(pursuer, speed, turn, world.dt)
    _drive(evader, evader_speed, evader_turn, world.dt)
    games.pursuer_action[i, 0], games.pursuer_action[i, 1] = speed, turn
    games.evader_action[i, 0], games.evader_action[i, 1] = evader_speed, evader_turn

    clearance = _room(pursuer[0], pursuer[1], obstacles, world.half) - world.robot_radius
    violation = clearance < 0.0 or _distance(games, i) < 2.0 * world.robot_radius
    games.clearance[i], games.violation[i] = clearance, violation
    games.violation_steps[i] += violation

    _push_out(pursuer, obstacles, world)
    _push_out(evader, obstacles, world)
    _sort_obstacles(obstacles, pursuer[0], pursuer[1])
    _judge(games, i, before, world)
    _observe(games, i, world)


@compiled
def _judge(games, i, before, world):
    """Clock, end of the episode and reward."""
    after = _distance(games, i)
    games.elapsed[i] += 1
    captured = after <= world.capture_distance
    timeout = games.elapsed[i] >= world.max_steps and not captured
    reward = world.distance_scale * (before - after) / world.diagonal
    if captured:
        reward += world.capture_reward
    if timeout:
        reward -= world.timeout_penalty
    games.terminated[i], games.truncated[i], games.reward[i] = captured, timeout, reward


@compiled
def _drive(pose, speed, turn, dt):
    """Explicit Euler step of the unicycle; the heading is kept in [-pi, pi]."""
    pose[0] += dt * speed * math.cos(pose[2])
    pose[1] += dt * speed * math.sin(pose[2])
    pose[2] = _wrap(pose[2] + dt * turn)


@compiled
def _norm(x, y):
    """Length of a vector; unlike `hypot` it is a machine instruction, and arenas cannot overflow it."""
    return math.sqrt(x * x + y * y)


@compiled
def _wrap(angle):
    if angle > math.pi or angle < -math.pi:
        return angle - 2.0 * math.pi * math.floor(angle / (2.0 * math.pi) + 0.5)
    return angle


@compiled
def _distance(games, i):
    """Distance of the two centres [m]."""
    return _norm(games.evader[i, 0] - games.pursuer[i, 0], games.evader[i, 1] - games.pursuer[i, 1])


@compiled
def _surface_distance(x, y, obstacles, k):
    """Distance of a point to the edge of obstacle ``k`` [m], negative inside."""
    return _norm(x - obstacles[k, 0], y - obstacles[k, 1]) - obstacles[k, 2]


@compiled
def _room(x, y, obstacles, half):
    """Distance of a point to the nearest wall or obstacle [m]."""
    room = half - max(abs(x), abs(y))
    for k in range(obstacles.shape[0]):
        if obstacles[k, 2] < 0.0:
            break
        room = min(room, _surface_distance(x, y, obstacles, k))
    return room


@compiled
def _push_out(pose, obstacles, world):
    """Clamp a robot to the arena and out of obstacles; gaps are wider than a robot, so order is no matter."""
    reach = world.half - world.robot_radius - SKIN
    pose[0] = min(max(pose[0], -reach), reach)
    pose[1] = min(max(pose[1], -reach), reach)
    for k in range(obstacles.shape[0]):
        if obstacles[k, 2] < 0.0:
            break
        contact = obstacles[k, 2] + world.robot_radius
        dx, dy = pose[0] - obstacles[k, 0], pose[1] - obstacles[k, 1]
        distance = _norm(dx, dy)
        if distance < contact:
            if distance == 0.0:  # no way out is nearer than any other
                dx, distance = 1.0, 1.0
            pose[0] = obstacles[k, 0] + dx / distance * (contact + SKIN)
            pose[1] = obstacles[k, 1] + dy / distance * (contact + SKIN)


@compiled
def _sort_obstacles(obstacles, x, y):
    """Insertion sort by distance of the surface; almost always one pass, as order seldom changes."""
    for k in range(1, obstacles.shape[0]):
        if obstacles[k, 2] < 0.0:
            break
        moving_x, moving_y, moving_radius = obstacles[k, 0], obstacles[k, 1], obstacles[k, 2]
        key = _surface_distance(x, y, obstacles, k)
        place = k
        while place > 0 and _surface_distance(x, y, obstacles, place - 1) > key:
            for column in range(3):
                obstacles[place, column] = obstacles[place - 1, column]
            place -= 1
        obstacles[place, 0], obstacles[place, 1], obstacles[place, 2] = moving_x, moving_y, moving_radius


@compiled
def _observe(games, i, world):
    pursuer, evader, obstacles = games.pursuer[i], games.evader[i], games.obstacles[i]
    out = games.observation[i]
    fastest = max(world.max_speed, world.evader_speed)
    _observe_robot(out[:6], pursuer, games.pursuer_action[i], world.half, fastest, world.max_turn_rate)
    _observe_robot(out[6:12], evader, games.evader_action[i], world.half, fastest, world.max_turn_rate)
    out[12] = min(_distance(games, i) / world.diagonal, 1.0)
    out[13] = _bearing(pursuer, evader[0], evader[1])
    for k in range(world.observed_obstacles):
        out[14 + 2 * k], out[15 + 2 * k] = 1.0, 0.0
        if k < obstacles.shape[0] and obstacles[k, 2] >= 0.0:
            distance = _surface_distance(pursuer[0], pursuer[1], obstacles, k)
            out[14 + 2 * k] = min(distance / world.diagonal, 1.0)
            out[15 + 2 * k] = _bearing(pursuer, obstacles[k, 0], obstacles[k, 1])


@compiled
def _observe_robot(out, pose, action, half, fastest, max_turn_rate):
    out[0], out[1] = pose[0] / half, pose[1] / half
    out[2], out[3] = math.cos(pose[2]), math.sin(pose[2])
    out[4], out[5] = action[0] / fastest, action[1] / max_turn_rate


@compiled
def _bearing(pose, x, y):
    """Direction of a point as the robot sees it, in half turns, [-1, 1]."""
    return _wrap(math.atan2(y - pose[1], x - pose[0]) - pose[2]) / math.pi


@compiled
def _evade(games, i, world):
    """Speed [m/s] and turn rate [rad/s] of the evader, decided on the state that both robots see."""
    if world.evader == RANDOM:
        # Games may be played past their end; what lies behind a plan in memory is none.
        plan = games.evader_plan[i, games.elapsed[i] % world.max_steps]
        return plan[0] * world.evader_speed, (2.0 * plan[1] - 1.0) * world.max_turn_rate
    if world.evader == FLEE:
        return _flee(games.pursuer[i], games.evader[i], games.obstacles[i], world)
    return _flee_greedily(games.pursuer[i], games.evader[i], games.obstacles[i], world)


@compiled
def _flee(pursuer, evader, obstacles, world):
    """Steer along a potential field: away from the pursuer, along surfaces, sideways out of corners."""
    away_x, away_y = evader[0] - pursuer[0], evader[1] - pursuer[1]
    length = max(_norm(away_x, away_y), 1e-9)
    away_x, away_y = away_x / length, away_y / length
    x, y = away_x, away_y
    edge = world.half - world.robot_radius
    x, y = _slide(x, y, -1.0, 0.0, edge - evader[0])
    x, y = _slide(x, y, 1.0, 0.0, edge + evader[0])
    x, y = _slide(x, y, 0.0, -1.0, edge - evader[1])
    x, y = _slide(x, y, 0.0, 1.0, edge + evader[1])
    for k in range(obstacles.shape[0]):
        if obstacles[k, 2] < 0.0:
            break
        dx, dy = evader[0] - obstacles[k, 0], evader[1] - obstacles[k, 1]
        centre = max(_norm(dx, dy), 1e-9)
        gap = centre - obstacles[k, 2] - world.robot_radius
        x, y = _slide(x, y, dx / centre, dy / centre, gap)
    # What the surfaces took from the flight is spent sideways, to the side where the arena is wider.
    lost = max(1.0 - _norm(x, y), 0.0)
    side = 1.0 if away_y * evader[0] - away_x * evader[1] >= 0.0 else -1.0
    x, y = x - side * lost * away_y, y + side * lost * away_x
    error = _wrap(math.atan2(y, x) - evader[2])
    turn = min(max(STEER_GAIN * error, -world.max_turn_rate), world.max_turn_rate)
    return world.evader_speed * max(math.cos(error), 0.25), turn


@compiled
def _slide(x, y, normal_x, normal_y, gap):
    """Take from a direction what leads into a near surface, all of it at contact, and push off a little."""
    if gap >= STEER_REACH:
        return x, y
    nearness = 1.0 - max(gap, 0.0) / STEER_REACH
    push = nearness * max(-(x * normal_x + y * normal_y), 0.0) + 0.5 * nearness**3
    return x + push * normal_x, y + push * normal_y


@compiled
def _flee_greedily(pursuer, evader, obstacles, world):
    """The full-speed arc that ends farthest from the pursuer; arcs that come too near something lose."""
    best_turn, best_score = 0.0, -np.inf
    period = GREEDY_HORIZON / GREEDY_SAMPLES
    for k in range(GREEDY_SAMPLES):
        turn = world.max_turn_rate * (2.0 * k / (GREEDY_SAMPLES - 1) - 1.0)
        x, y, heading = evader[0], evader[1], evader[2]
        tightest = np.inf
        for _ in range(GREEDY_SAMPLES):
            # The middle heading of each piece, so that five pieces follow the arc closely.
            x += period * world.evader_speed * math.cos(heading + 0.5 * period * turn)
            y += period * world.evader_speed * math.sin(heading + 0.5 * period * turn)
            heading += period * turn
            tightest = min(tightest, _room(x, y, obstacles, world.half))
        crash = min(tightest - world.robot_radius - GREEDY_CLEARANCE, 0.0)
        score = _norm(x - pursuer[0], y - pursuer[1]) + 2.0 * world.half * crash
        if score > best_score:
            best_turn, best_score = turn, score
    return world.evader_speed, best_turn
