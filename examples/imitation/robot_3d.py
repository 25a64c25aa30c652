"""A robot in space on its way past a rounded cube, accelerating along three axes."""

from __future__ import annotations

import numpy as np

from examples.imitation.task import ImitationTask
from sb3_barriernet import OneStepBarrier
from sb3_barriernet.barriers.geometry import outside_ellipse
from sb3_barriernet.systems import double_integrator

START = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])  # m, m/s
GOAL = np.array([16.0, 20.0, 21.0])  # m
OBSTACLE, HALF_WIDTH = np.array([10.0, 10.0, 9.0]), 7.0  # m
MAX_ACCELERATION = 1.0  # m/s^2
GAMMA = 0.05
"""Share of the distance that one step may use up; the brakes follow it up to 2 m/s along each axis."""

APPROACH_GAIN, SPEED_GAIN = 0.2, 0.3  # 1/s
CRUISING_SPEED = 1.5  # m/s


class Robot3D(ImitationTask):
    """State ``[q (3) | v (3)]`` in m, m/s; action: acceleration ``(3,)`` in m/s^2.

    Protected is ``sum (q - o)^4 >= 7^4``, as in the paper, in metres: ``h = |q - o|_4 - 7``. A norm is convex, so its
    tangent after two Euler steps is a row that needs no margin, and braking along the way satisfies it.

    The expert heads for the goal at a speed that falls as it nears.
    """

    name = "3D robot"
    num_steps = 331
    learning_steps = 1000
    high = np.full(3, MAX_ACCELERATION)
    low = -high
    num_rows = 1
    expert_kappa = 0.2
    hidden = (512, 128)

    def __init__(self) -> None:
        self.system = double_integrator(3, max_acceleration=MAX_ACCELERATION, dt=self.dt, integrator="euler")
        q, v = self.system.states[:3], self.system.states[3:]
        h = HALF_WIDTH * outside_ellipse(q, tuple(OBSTACLE), (HALF_WIDTH,) * 3, power=4)
        bounds = {**dict.fromkeys(q, (-5.0, 30.0)), **dict.fromkeys(v, (-2.0, 2.0))}
        self.barrier = OneStepBarrier(self.system.one_step(), h, gamma=(GAMMA, 1.0), bounds=bounds)

    @property
    def published_start(self) -> np.ndarray:
        return START

    def starts(self, num: int, rng: np.random.Generator) -> np.ndarray:
        spread = np.array([1.0, 1.0, 1.0, 0.1, 0.1, 0.1])
        return START + rng.uniform(-spread, spread, size=(num, 6))

    def step(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return self.system.step(x, u)

    def rows(self, x: np.ndarray) -> np.ndarray:
        return self.barrier.rows(x)

    def intention(self, x: np.ndarray) -> np.ndarray:
        way = GOAL - x[..., :3]
        distance = np.linalg.norm(way, axis=-1, keepdims=True)
        speed = np.minimum(CRUISING_SPEED, APPROACH_GAIN * distance)
        return SPEED_GAIN * (speed * way / distance - x[..., 3:])

    def clearance(self, x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[..., :3] - OBSTACLE, ord=4, axis=-1) - HALF_WIDTH

    def published_measure(self, x: np.ndarray) -> float:
        """Least ``sum (q - o)^4 - 7^4``, m^4."""
        return float(((x[:, :3] - OBSTACLE) ** 4).sum(axis=-1).min() - HALF_WIDTH**4)
