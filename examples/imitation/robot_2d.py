"""A robot in the plane on its way past a disc, steering and accelerating."""

from __future__ import annotations

import numpy as np

from examples.imitation.task import ImitationTask
from sb3_barriernet.envs.literature.barriernet_robot import (
    MAX_ACCELERATION,
    MAX_STEPS,
    MAX_TURN_RATE,
    OBSTACLE,
    START,
    DiscAheadBarrier,
    move,
)

TRAINED_RADIUS = 6.0  # m
UNSEEN_RADII = (7.0, 8.0, 9.0, 10.0)  # m
GOAL_X = 75.0  # m; farther than an episode gets
GOAL_OFFSETS = 10.0  # m: the goal lies up to so far beside the obstacle's axis
PUBLISHED_OFFSET = 0.1  # m, of the paper's test
GAMMA = 0.05
"""Share of the distance that one step may use up, as much as the brakes can follow; fixed, see ``Robot2D``."""

TURN_GAIN, SPEED_GAIN = 1.0, 0.4  # 1/s
CRUISING_SPEED = 4.5  # m/s


class Robot2D(ImitationTask):
    """State ``[x, y, theta, v, d]`` in m, m, rad, m/s, m; action ``[omega, a]`` in rad/s, m/s^2.

    ``d`` is where the goal lies, ``(75, 15 + d)``, and stays. Step and rows are those of ``BarrierNetRobot-v0``: see
    :class:`~sb3_barriernet.envs.literature.barriernet_robot.DiscAheadBarrier`. The chain's first share is fixed, its
    last is the network's to choose. The limits of the speed, rows too, keep a gain of 1: with a small one they would
    forbid the braking that satisfies every other row.

    The expert goes the shortest way round the disc: along its tangent as long as it is in the way, straight to the goal
    otherwise. How far it keeps away is what its rows ask for.

    :param radius: of the disc, m
    """

    name = "2D robot"
    num_steps = MAX_STEPS
    learning_steps = 4000
    high = np.array([MAX_TURN_RATE, MAX_ACCELERATION])
    low = -high
    num_rows = 4
    expert_kappa = 0.2
    hidden = (128, 32)

    def __init__(self, radius: float = TRAINED_RADIUS):
        self.radius = radius
        self.barrier = DiscAheadBarrier(radius, (GAMMA, 1.0))

    @property
    def published_start(self) -> np.ndarray:
        return np.array([*START, PUBLISHED_OFFSET])

    def starts(self, num: int, rng: np.random.Generator) -> np.ndarray:
        """Every other one is the paper's, with another goal; goals are mostly near the axis, where sides are chosen."""
        spread = np.array([2.0, 0.5, 0.1, 1.0])  # m, m, rad, m/s
        beside = rng.uniform(-spread, spread, size=(num, 4)) * (np.arange(num)[:, None] % 2)
        offset = rng.uniform(-1.0, 1.0, size=(num, 1))
        return np.concatenate([START + beside, GOAL_OFFSETS * offset * np.abs(offset)], axis=1)

    def step(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return np.concatenate([move(x[..., :4], u), x[..., 4:]], axis=-1)

    def rows(self, x: np.ndarray) -> np.ndarray:
        rows = self.barrier.rows(x[..., :4])
        rows[..., 2:, -2] += rows[..., 2:, -1]
        rows[..., 2:, -1] = 0.0
        return rows

    def intention(self, x: np.ndarray) -> np.ndarray:
        turn = TURN_GAIN * _wrap(self._tangent(x) - x[..., 2])
        return np.stack([turn, SPEED_GAIN * (CRUISING_SPEED - x[..., 3])], axis=-1)

    def clearance(self, x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[..., :2] - OBSTACLE, axis=-1) - self.radius

    def published_measure(self, x: np.ndarray) -> float:
        """Least clearance, m."""
        return float(self.clearance(x).min())

    def _tangent(self, x: np.ndarray) -> np.ndarray:
        """Direction of the shortest way to the goal, rad."""
        to_disc = OBSTACLE - x[..., :2]
        disc = np.arctan2(to_disc[..., 1], to_disc[..., 0])
        goal = np.arctan2(OBSTACLE[1] + x[..., 4] - x[..., 1], GOAL_X - x[..., 0])
        beside = _wrap(goal - disc)
        in_the_way = np.arcsin(np.minimum(self.radius / np.linalg.norm(to_disc, axis=-1), 1.0))
        side = np.where(beside >= 0.0, 1.0, -1.0)
        return disc + side * np.maximum(np.abs(beside), in_the_way)


class Robot2DAsPublished(Robot2D):
    """The same task with the paper's own row, which holds in continuous time and has no actuator limits.

    With ``b = |p - o|^2 - R^2`` and gains ``p1``, ``p2`` that the network chooses,

    .. math:: L_g L_f b\\, u + L_f^2 b + (p_1 + p_2)\\,\\dot b + p_1 p_2\\, b \\ge 0,

    although with ``p1`` changing its rate belongs into the row. Columns here: ``[LgLf b (2) | Lf^2 b | b' | b]``.
    """

    high = np.full(2, np.inf)
    low = -high

    def rows(self, x: np.ndarray) -> np.ndarray:
        q, v = x[..., :2] - OBSTACLE, x[..., 3]
        heading = np.stack([np.cos(x[..., 2]), np.sin(x[..., 2])], axis=-1)
        along = (q * heading).sum(axis=-1)
        across = q[..., 1] * heading[..., 0] - q[..., 0] * heading[..., 1]
        b = (q**2).sum(axis=-1) - self.radius**2
        return np.stack([2.0 * v * across, 2.0 * along, 2.0 * v**2, 2.0 * v * along, b], axis=-1)[..., None, :]


def _wrap(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi
