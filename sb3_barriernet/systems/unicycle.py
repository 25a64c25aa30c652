"""The unicycle with velocity inputs, driven by explicit Euler steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Unicycle:
    """Control-affine unicycle ``x' = v cos(theta), y' = v sin(theta), theta' = omega``.

    State ``[x, y, theta]`` in ``[m, m, rad]``, action ``[v, omega]`` in ``[m/s, rad/s]``.
    A barrier on the position alone has no turn rate in its first derivative, so barriers look
    at the *virtual point* ``q = p + look_ahead * (cos theta, sin theta)``, whose velocity is
    ``G(theta) [v, omega]`` with an invertible ``G`` (Cortez & Dimarogonas 2019; the point
    offset is the classic feedback linearisation of the unicycle).

    :param max_speed: ``v`` lies in ``[0, max_speed]``, m/s
    :param max_turn_rate: ``omega`` lies in ``[-max_turn_rate, max_turn_rate]``, rad/s
    :param dt: sampling period of the zero-order hold, s
    :param look_ahead: distance of the virtual point ahead of the centre, m
    """

    max_speed: float = 1.0
    max_turn_rate: float = 2.84
    dt: float = 0.05
    look_ahead: float = 0.1

    state_dim = 3
    action_dim = 2

    @property
    def action_low(self) -> np.ndarray:
        """Lower corner of the action box, ``(2,)`` in ``[m/s, rad/s]``."""
        return np.array([0.0, -self.max_turn_rate])

    @property
    def action_high(self) -> np.ndarray:
        """Upper corner of the action box, ``(2,)`` in ``[m/s, rad/s]``."""
        return np.array([self.max_speed, self.max_turn_rate])

    def step(self, pose: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Pose ``(..., 3)`` after one explicit Euler step with ``action (..., 2)``."""
        v, omega, theta = action[..., 0], action[..., 1], pose[..., 2]
        velocity = np.stack([v * np.cos(theta), v * np.sin(theta), omega], axis=-1)
        return pose + self.dt * velocity

    def virtual_point(self, pose: np.ndarray) -> np.ndarray:
        """Virtual point ``(..., 2)`` of the poses ``(..., 3)``, m."""
        heading = np.stack([np.cos(pose[..., 2]), np.sin(pose[..., 2])], axis=-1)
        return pose[..., :2] + self.look_ahead * heading

    @property
    def turn_curvature(self) -> float:
        """``c`` with ``|q(t + dt) - q(t) - dt G u| <= dt * c * |omega|`` for one Euler step, m/rad.

        The centre moves exactly by ``dt v e(theta)``; the offset turns by ``omega dt`` on a circle
        of radius ``look_ahead``, whose chord leaves the tangent by at most
        ``look_ahead (omega dt)^2 / 2``. Hence ``c = look_ahead * max_turn_rate * dt / 2``.
        """
        return 0.5 * self.look_ahead * self.max_turn_rate * self.dt
