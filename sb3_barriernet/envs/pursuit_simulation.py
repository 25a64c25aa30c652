"""Many games of pursuit and evasion as arrays; one environment is a batch of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_barriernet.envs.pursuit_kernels import Games, Layout, World, begin_game, observe_game, step_games
from sb3_barriernet.envs.pursuit_settings import EVADERS, PursuitSettings
from sb3_barriernet.errors import ConfigurationError, InvalidActionError

UNIFORMS_PER_LAYOUT = 1024
"""Random numbers drawn at once for a layout; a crowded arena may need another such draw."""

MAX_LAYOUTS = 200
"""Layouts tried before the settings are declared too crowded."""


class PursuitSimulation:
    """``num_envs`` games of pursuit and evasion, stepped by one compiled call.

    Both robots are unicycles, integrated by explicit Euler:
    ``x += dt v cos(theta)``, ``y += dt v sin(theta)``, ``theta += dt omega``.

    The arrays below are the state itself, not copies: they change with every step. ``N`` is the number of
    games, ``D`` the greatest number of obstacles.

    - ``pursuer``, ``evader`` ``(N, 3)``: x [m], y [m], heading in [-pi, pi] [rad]
    - ``pursuer_action``, ``evader_action`` ``(N, 2)``: speed [m/s] and turn rate [rad/s] of the last step
    - ``obstacles`` ``(N, D, 3)``: x, y, radius [m], nearest to the pursuer (by surface) first; entries that
      an episode does not use come last and have a negative radius
    - ``elapsed`` ``(N,)``: steps of the episode; ``violation_steps`` ``(N,)``: those with a violation
    - ``clearance`` ``(N,)``: distance of the pursuer's edge to the nearest wall or obstacle [m], taken where
      the step led and before any push-out, so it is negative when the robot drove into something
    - ``violation`` ``(N,)`` bool: negative clearance, or the two robots overlap
    - ``terminated``, ``truncated`` ``(N,)`` bool: captured; out of time without a capture
    - ``reward`` ``(N,)`` float64, ``observation`` ``(N, 14 + 2 observed_obstacles)`` float32

    After the violation was judged, robots that drove into a wall or an obstacle are pushed out of it.

    :param num_envs: number of games
    :param settings: constants of the task
    """

    def __init__(self, num_envs: int, settings: PursuitSettings) -> None:
        if num_envs < 1:
            raise ConfigurationError(f"Found num_envs={num_envs}; a simulation holds at least one game.")
        self.settings = settings
        self._world, self._layout = _world(settings), _layout(settings)
        self._adopt(_empty_games(num_envs, settings))

    def _adopt(self, games: Games) -> None:
        self._games = games
        self.pursuer = games.pursuer
        self.evader = games.evader
        self.pursuer_action = games.pursuer_action
        self.evader_action = games.evader_action
        self.obstacles = games.obstacles
        self.elapsed = games.elapsed
        self.violation_steps = games.violation_steps
        self.clearance = games.clearance
        self.violation = games.violation
        self.terminated = games.terminated
        self.truncated = games.truncated
        self.reward = games.reward
        self.observation = games.observation

    @property
    def num_envs(self) -> int:
        """Number of games."""
        return len(self.elapsed)

    @property
    def is_success(self) -> np.ndarray:
        """Whether the evader is caught, ``(N,)`` bool: the only way in which a game terminates."""
        return self.terminated

    def step(self, actions: np.ndarray) -> None:
        """Play one step of every game.

        :param actions: speed [m/s] and turn rate [rad/s] of every pursuer, ``(N, 2)``; values beyond the
            limits are clipped to them
        :raises InvalidActionError: for another shape, NaN or infinity; no game has moved then
        """
        actions = np.ascontiguousarray(actions, dtype=np.float64)
        if actions.shape != (self.num_envs, 2) or not np.isfinite(actions).all():
            raise _invalid(actions, self.num_envs)
        step_games(self._games, actions, self._world)

    def reset(self, i: int, rng: np.random.Generator) -> None:
        """Begin a new episode of game ``i``.

        Everything random of the episode is drawn here and from ``rng`` alone, so a game does not depend on
        the batch that it is played in.

        :raises ConfigurationError: if the arena is too crowded to lay out
        """
        for _ in range(MAX_LAYOUTS):
            uniforms = rng.random(UNIFORMS_PER_LAYOUT)
            if begin_game(self._games, i, uniforms, self._world, self._layout):
                break
        else:
            raise _too_crowded(self.settings)
        rng.random(out=self._games.evader_plan[i])

    def place(
        self,
        i: int,
        *,
        pursuer: Any = None,
        evader: Any = None,
        obstacles: Any = None,
        elapsed: int | None = None,
    ) -> None:
        """Put things of game ``i`` where they are wanted, and bring its observation up to date.

        :param pursuer: x [m], y [m], heading [rad]
        :param evader: x [m], y [m], heading [rad]
        :param obstacles: x, y, radius [m] of each, ``(n, 3)`` with ``n`` up to the settings' greatest number
        :param elapsed: steps since the beginning of the episode
        """
        if pursuer is not None:
            self.pursuer[i] = pursuer
        if evader is not None:
            self.evader[i] = evader
        if obstacles is not None:
            self._place_obstacles(i, np.asarray(obstacles, dtype=np.float64).reshape(-1, 3))
        if elapsed is not None:
            self.elapsed[i] = elapsed
        observe_game(self._games, i, self._world)

    def _place_obstacles(self, i: int, obstacles: np.ndarray) -> None:
        room = self.obstacles.shape[1]
        if len(obstacles) > room:
            raise ConfigurationError(
                f"Found {len(obstacles)} obstacles; these settings have room for {room}. "
                f"Make the task with `obstacles=({len(obstacles)}, {len(obstacles)})`."
            )
        self.obstacles[i] = (0.0, 0.0, -1.0)
        self.obstacles[i, : len(obstacles)] = obstacles

    def view(self, i: int) -> PursuitSimulation:
        """Game ``i`` as a simulation of its own that shares this one's memory."""
        return PursuitView(self, i)

    def copy_game(self, i: int, source: PursuitSimulation) -> None:
        """Continue in game ``i`` what ``source``, a simulation of one game, has played so far."""
        for mine, theirs in zip(self._games, source._games, strict=True):
            mine[i] = theirs[0]

    def infos(self) -> list[dict[str, Any]]:
        """What every game reports about its last step; new dictionaries of plain Python values."""
        columns = (self.violation, self.clearance, self.is_success, self.violation_steps)
        return [
            {"violation": violation, "clearance": clearance, "is_success": success, "violation_steps": steps}
            for violation, clearance, success, steps in zip(*(c.tolist() for c in columns), strict=True)
        ]


class PursuitView(PursuitSimulation):
    """One game of a simulation; copied and pickled with it, since an array forgets whose memory it shares.

    :param whole: simulation that the game is part of
    :param i: its index there
    """

    def __init__(self, whole: PursuitSimulation, i: int) -> None:
        self._place = whole, i
        self.settings, self._world, self._layout = whole.settings, whole._world, whole._layout
        self._adopt(Games(*(array[i : i + 1] for array in whole._games)))

    def __reduce__(self) -> tuple[type[PursuitView], tuple[PursuitSimulation, int]]:
        return PursuitView, self._place


def _world(s: PursuitSettings) -> World:
    return World(
        half=float(s.arena_size) / 2.0,
        diagonal=float(s.diagonal),
        robot_radius=float(s.robot_radius),
        max_speed=float(s.max_speed),
        evader_speed=float(s.evader_speed),
        max_turn_rate=float(s.max_turn_rate),
        dt=float(s.dt),
        max_steps=int(s.max_steps),
        capture_distance=float(s.capture_distance),
        evader=EVADERS.index(s.evader),
        observed_obstacles=int(s.observed_obstacles),
        distance_scale=float(s.distance_scale),
        capture_reward=float(s.capture_reward),
        timeout_penalty=float(s.timeout_penalty),
    )


def _layout(s: PursuitSettings) -> Layout:
    return Layout(
        obstacles=(int(s.obstacles[0]), int(s.obstacles[1])),
        obstacle_radius=(float(s.obstacle_radius[0]), float(s.obstacle_radius[1])),
        obstacle_gap=float(s.obstacle_gap),
        initial_distance=(float(s.initial_distance[0]), float(s.initial_distance[1])),
        start_margin=float(s.robot_radius + s.start_clearance),
    )


def _empty_games(n: int, s: PursuitSettings) -> Games:
    return Games(
        pursuer=np.zeros((n, 3)),
        evader=np.zeros((n, 3)),
        pursuer_action=np.zeros((n, 2)),
        evader_action=np.zeros((n, 2)),
        obstacles=np.full((n, s.max_obstacles, 3), -1.0),
        evader_plan=np.zeros((n, s.max_steps if s.evader == "random" else 0, 2)),
        elapsed=np.zeros(n, dtype=np.int64),
        violation_steps=np.zeros(n, dtype=np.int64),
        clearance=np.zeros(n),
        violation=np.zeros(n, dtype=np.bool_),
        terminated=np.zeros(n, dtype=np.bool_),
        truncated=np.zeros(n, dtype=np.bool_),
        reward=np.zeros(n),
        observation=np.zeros((n, 14 + 2 * s.observed_obstacles), dtype=np.float32),
    )


def _too_crowded(s: PursuitSettings) -> ConfigurationError:
    return ConfigurationError(
        f"Found no layout in {MAX_LAYOUTS} attempts for an arena of {s.arena_size} m with up to "
        f"{s.max_obstacles} obstacles of up to {s.obstacle_radius[1]} m and robots "
        f"{s.initial_distance[0]} to {s.initial_distance[1]} m apart; expected room for all of them. "
        "Use a larger arena, fewer or smaller obstacles, or a shorter initial distance."
    )


def _invalid(actions: np.ndarray, num_envs: int) -> InvalidActionError:
    if actions.shape != (num_envs, 2):
        return InvalidActionError(
            f"Found actions of shape {actions.shape}; expected ({num_envs}, 2): speed [m/s] and turn rate "
            "[rad/s] of every pursuer."
        )
    game = int(np.flatnonzero(~np.isfinite(actions).all(axis=1))[0])
    return InvalidActionError(
        f"Found the action {actions[game]} for game {game}; expected finite numbers. A policy that returns "
        "NaN has usually diverged: lower the learning rate, or check rewards and observations for NaN."
    )
