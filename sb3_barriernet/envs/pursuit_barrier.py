"""Barrier rows for the pursuit-evasion tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import gymnasium as gym
import numpy as np

from sb3_barriernet.barriers.virtual_point import VirtualPointBarrier
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.pursuit_settings import PursuitSettings
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.systems.unicycle import Unicycle

if TYPE_CHECKING:
    from sb3_barriernet.envs.pursuit_evasion import PursuitEvasionEnv


def read_pursuer(env: gym.Env) -> tuple[np.ndarray, np.ndarray]:
    """Pose ``(3,)`` of the pursuer and the obstacles ``(D, 3)`` around it."""
    simulation = cast("PursuitEvasionEnv", env).simulation
    return simulation.pursuer[0], simulation.obstacles[0]


class PursuitEvasionBarrier(BarrierObservation):
    """Keeps the pursuer clear of walls and obstacles; the evader is no obstacle, it is the goal.

    A row between the robots would contradict the task: at the evader's worst-case speed it
    forbids coming nearer than 2 m, and capture is at 0.5 m.

    :param env: a pursuit-evasion environment
    :param alpha: class-K gain, 1/s
    :param look_ahead: distance of the virtual point ahead of the pursuer's centre, m
    :raises ConfigurationError: for any other environment, or (a subclass) if alpha or look-ahead cannot work
    """

    def __init__(self, env: gym.Env, alpha: float = 2.0, look_ahead: float = 0.1):
        settings = getattr(env.unwrapped, "settings", None)
        if not isinstance(settings, PursuitSettings):
            raise ConfigurationError(
                f"Found the environment {env.unwrapped}; this wrapper knows the pursuit-evasion tasks only. "
                "Wrap others with `BarrierObservation(env, barrier, state)`."
            )
        unicycle = Unicycle(
            max_speed=settings.max_speed,
            max_turn_rate=settings.max_turn_rate,
            dt=settings.dt,
            look_ahead=look_ahead,
        )
        barrier = VirtualPointBarrier(
            unicycle,
            half_extent=settings.arena_size / 2.0,
            body_radius=settings.robot_radius,
            max_discs=settings.max_obstacles,
            alpha=alpha,
        )
        super().__init__(env, barrier, read_pursuer)
