"""A car that merges behind another and wants to drive faster than that."""

from __future__ import annotations

import numpy as np
import sympy as sp

from examples.imitation.task import ImitationTask
from sb3_barriernet import OneStepBarrier, OneStepMap

START = np.array([58.57, 23.28, 0.0, 27.0])  # m, m/s, m, m/s
HEADWAY = 1.8  # s
DESIRED_SPEED = 30.0  # m/s, of both cars
LEAD_GAIN, SPEED_GAIN = 0.25, 0.35  # 1/s
BRAKE, THROTTLE = 5.886, 3.924  # m/s^2


class Merging(ImitationTask):
    """State ``[x_lead, v_lead, x, v]`` in m, m/s; action: acceleration in m/s^2.

    Protected is a headway of 1.8 s, ``b = x_lead - x - 1.8 v >= 0``. One Euler step changes it by
    ``dt (v_lead - v - 1.8 u)``, whatever the car ahead does, so the exact row is the paper's, ``1.8 u <= v_lead - v + p
    b``, with ``p = kappa / dt``: here sampling costs nothing but ``p <= 1 / dt``.

    The expert approaches its desired speed.
    """

    name = "merging"
    num_steps = 141
    learning_steps = 2000
    low, high = np.array([-BRAKE]), np.array([THROTTLE])
    num_rows = 1
    expert_kappa = 0.1
    hidden = (72, 24)

    def __init__(self) -> None:
        x_lead, v_lead, x, v, u = sp.symbols("x_lead v_lead x v u", real=True)
        faster = v_lead + self.dt * LEAD_GAIN * (DESIRED_SPEED - v_lead)
        moved = [x_lead + self.dt * v_lead, faster, x + self.dt * v, v + self.dt * u]
        self.one_step = OneStepMap([x_lead, v_lead, x, v], [u], moved)
        self.barrier = OneStepBarrier(self.one_step, x_lead - x - HEADWAY * v, gamma=1.0)

    @property
    def published_start(self) -> np.ndarray:
        return START

    def starts(self, num: int, rng: np.random.Generator) -> np.ndarray:
        spread = np.array([5.0, 1.5, 0.0, 1.0])
        return START + rng.uniform(-spread, spread, size=(num, 4))

    def step(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return self.one_step(x, u)

    def rows(self, x: np.ndarray) -> np.ndarray:
        return self.barrier.rows(x)

    def intention(self, x: np.ndarray) -> np.ndarray:
        return SPEED_GAIN * (DESIRED_SPEED - x[..., 3:])

    def clearance(self, x: np.ndarray) -> np.ndarray:
        return x[..., 0] - x[..., 2] - HEADWAY * x[..., 3]

    def published_measure(self, x: np.ndarray) -> float:
        """Least headway, s."""
        return float(((x[:, 0] - x[:, 2]) / x[:, 3]).min())
