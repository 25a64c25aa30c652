"""A row that no task here uses: the one that an earlier project put between the robots, for the feasibility doctor."""

from __future__ import annotations

from typing import cast

import gymnasium as gym
import numpy as np

from sb3_barriernet.barriers.gains import check_gain
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.pursuit_evasion import PursuitEvasionEnv
from sb3_barriernet.envs.pursuit_settings import PursuitSettings


class RobotRowBarrier:
    r"""Keeps the pursuer clear of an evader that may come at it with full speed.

    In the pursuer's frame its virtual point ``q = (l, 0)`` moves with ``(v, l omega)``, and an evader at ``e`` can
    take at most its own speed from the distance. With ``n`` the unit vector from ``e`` to ``q``

    .. math:: n_x v + n_y l\,\omega - v_e + \alpha (|q - e| - \sqrt{(2 r)^2 + l^2}) \ge 0.

    :param settings: of the game
    :param alpha: class-K gain, 1/s; the earlier project took 1
    :param look_ahead: ``l``, m
    """

    action_dim = 2
    num_rows = 1

    def __init__(self, settings: PursuitSettings, alpha: float = 1.0, look_ahead: float = 0.1):
        self.alpha = check_gain(alpha, settings.dt)
        self.look_ahead = look_ahead
        self.evader_speed = settings.evader_speed
        self.radius = float(np.hypot(2.0 * settings.robot_radius, look_ahead))

    def rows(self, evader: np.ndarray) -> np.ndarray:
        """Row ``(..., 1, 4)`` for an evader at ``(..., 2)`` in the pursuer's frame (ahead, to the left), m."""
        gap, distance = self._gap(evader)
        normal = gap / distance[..., None]
        columns = [
            normal[..., 0],
            self.look_ahead * normal[..., 1],
            np.full_like(distance, -self.evader_speed),
            self.alpha * (distance - self.radius),
        ]
        return np.stack(columns, axis=-1)[..., None, :]

    def start_values(self, evader: np.ndarray) -> np.ndarray:
        """Clearance of the virtual point ``(..., 1)``, m."""
        return self._gap(evader)[1][..., None] - self.radius

    def _gap(self, evader: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = np.array([self.look_ahead, 0.0]) - evader
        return gap, np.linalg.norm(gap, axis=-1)


class RobotRow(BarrierObservation):
    """Publishes nothing but the row between the robots; see docs/make-your-environment-safe.md, section 7.

    :param env: a pursuit-evasion environment
    :param alpha: class-K gain, 1/s
    """

    def __init__(self, env: gym.Env, alpha: float = 1.0):
        settings = cast(PursuitEvasionEnv, env.unwrapped).settings
        super().__init__(env, RobotRowBarrier(settings, alpha), read_evader)


def read_evader(env: gym.Env) -> tuple[np.ndarray]:
    """Position ``(2,)`` of the evader in the pursuer's frame, m."""
    simulation = cast(PursuitEvasionEnv, env).simulation
    x, y, theta = simulation.pursuer[0]
    dx, dy = simulation.evader[0, :2] - (x, y)
    cos, sin = np.cos(theta), np.sin(theta)
    return (np.array([cos * dx + sin * dy, cos * dy - sin * dx]),)
