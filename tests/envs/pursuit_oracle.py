"""Pursuit and evasion once more, slowly and obviously, from the words of the task alone."""

from __future__ import annotations

import math

from sb3_barriernet.envs.pursuit_settings import PursuitSettings

Disc = tuple[float, float, float]
Pose = tuple[float, float, float]


def after_euler_step(pose: Pose, speed: float, turn: float, dt: float) -> Pose:
    x, y, heading = pose
    heading_after = math.remainder(heading + dt * turn, 2 * math.pi)
    return x + dt * speed * math.cos(heading), y + dt * speed * math.sin(heading), heading_after


def clipped(action: tuple[float, float], s: PursuitSettings) -> tuple[float, float]:
    speed, turn = action
    return sorted((0.0, speed, s.max_speed))[1], sorted((-s.max_turn_rate, turn, s.max_turn_rate))[1]


def clearance(x: float, y: float, discs: list[Disc], s: PursuitSettings) -> float:
    """Distance of a robot's edge to the nearest wall or disc."""
    half = s.arena_size / 2
    gaps = [half - x, half + x, half - y, half + y]
    gaps += [math.dist((x, y), disc[:2]) - disc[2] for disc in discs]
    return min(gaps) - s.robot_radius


def violates(pursuer: Pose, evader: Pose, discs: list[Disc], s: PursuitSettings) -> bool:
    """The three conditions of the task, each by itself."""
    x, y, _ = pursuer
    disc_hit = any(math.dist((x, y), disc[:2]) < disc[2] + s.robot_radius for disc in discs)
    wall_hit = max(abs(x), abs(y)) > s.arena_size / 2 - s.robot_radius
    robot_hit = math.dist((x, y), evader[:2]) < 2 * s.robot_radius
    return disc_hit or wall_hit or robot_hit


def pushed_out(pose: Pose, discs: list[Disc], s: PursuitSettings) -> Pose:
    """The nearest place where the robot touches nothing."""
    x, y, heading = pose
    reach = s.arena_size / 2 - s.robot_radius
    x, y = sorted((-reach, x, reach))[1], sorted((-reach, y, reach))[1]
    for disc_x, disc_y, radius in discs:
        contact, distance = radius + s.robot_radius, math.dist((x, y), (disc_x, disc_y))
        if distance < contact:
            x, y = (
                disc_x + (x - disc_x) * contact / distance,
                disc_y + (y - disc_y) * contact / distance,
            )
    return x, y, heading


def observation(
    pursuer: Pose,
    evader: Pose,
    actions: tuple[tuple[float, float], tuple[float, float]],
    discs: list[Disc],
    s: PursuitSettings,
) -> list[float]:
    half, diagonal = s.arena_size / 2, s.arena_size * math.sqrt(2)
    fastest = max(s.max_speed, s.evader_speed)
    numbers: list[float] = []
    for (x, y, heading), (speed, turn) in zip((pursuer, evader), actions, strict=True):
        numbers += [x / half, y / half, math.cos(heading), math.sin(heading)]
        numbers += [speed / fastest, turn / s.max_turn_rate]
    numbers += [math.dist(pursuer[:2], evader[:2]) / diagonal, bearing(pursuer, evader[:2])]
    nearest = sorted(discs, key=lambda disc: math.dist(pursuer[:2], disc[:2]) - disc[2])
    for disc in nearest[: s.observed_obstacles]:
        numbers += [(math.dist(pursuer[:2], disc[:2]) - disc[2]) / diagonal, bearing(pursuer, disc[:2])]
    numbers += [1.0, 0.0] * (s.observed_obstacles - len(nearest))
    return numbers


def bearing(pose: Pose, point: tuple[float, ...]) -> float:
    """Direction of a point seen from a robot, in half turns."""
    direction = math.atan2(point[1] - pose[1], point[0] - pose[0])
    return math.remainder(direction - pose[2], 2 * math.pi) / math.pi
