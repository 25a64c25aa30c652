r"""Barriers of a unicycle among walls and static discs, through its virtual point.

For one Euler step of length ``dt`` and a distance ``h(q)`` to a wall or a disc, with unit
gradient ``n``, the virtual point obeys

.. math:: h(q^+) \ge h(q) + dt\,(n \cdot G u - c\,|\omega|),

because ``h`` is convex (a distance to a disc) or affine (to a wall) and the step of ``q``
leaves its tangent by at most ``dt c |omega|`` (:attr:`Unicycle.turn_curvature`). Requiring

.. math:: n \cdot G u - c\,|\omega| + \alpha \max(h, 0) \ge 0, \qquad \alpha\,dt \le 1

keeps ``h >= 0`` at every sample. The absolute value splits into **two rows linear in u**, and
``u = 0`` satisfies all of them, so the projection is always feasible.

*From the virtual point to the body.* Let ``d`` be the look-ahead, ``r`` the disc radius plus
the body radius, and protect ``|q - o| >= sqrt(r^2 + d^2)``. If also ``|p - o| >= r`` for the
centre ``p``, every point ``p + s e`` with ``0 <= s <= d`` satisfies
``|p + s e - o|^2 >= (1 - s/d) |p - o|^2 + (s/d) r^2 + s^2 >= r^2``. An Euler step moves the
centre along exactly this segment by ``v dt``, so ``v >= 0`` and ``v dt <= d`` keep the centre
outside ``r``. Walls bound a convex set, so no inflation is needed there.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numba import njit

from sb3_barriernet.barriers.gains import check_gain, largest_kappa
from sb3_barriernet.errors import ConfigurationError, RowShapeError
from sb3_barriernet.systems.unicycle import Unicycle

ROUND_OFF_ALLOWANCE = 1e-5
"""Inflation of every radius and wall, m.

The float32 cast of an action moves the virtual point by at most 5e-9 m a step, which the
``max(h, 0)`` of the rows never gives back: 1e-5 m covers 2000 steps of one sign.
"""

NUM_WALLS = 4
ROWS_PER_DISTANCE = 2


class VirtualPointBarrier:
    """Rows that keep a unicycle inside a square arena and outside discs.

    :param unicycle: the system; its look-ahead must be at least one step of travel
    :param half_extent: the arena is ``[-half_extent, half_extent]^2``, m
    :param body_radius: radius of the robot's disc, m
    :param max_discs: fixed maximum number of discs ``D``
    :param alpha: class-K gain, 1/s, with ``alpha * dt <= 1``
    :raises GainError: if ``alpha`` cannot be honoured at this ``dt``
    :raises ConfigurationError: if one step is longer than the look-ahead
    """

    def __init__(
        self,
        unicycle: Unicycle,
        *,
        half_extent: float,
        body_radius: float,
        max_discs: int,
        alpha: float = 2.0,
    ):
        self.alpha = check_gain(alpha, unicycle.dt)
        self.unicycle = unicycle
        self.half_extent = float(half_extent)
        self.body_radius = float(body_radius)
        self.max_discs = int(max_discs)
        _check_look_ahead(unicycle)

    @property
    def action_dim(self) -> int:
        return self.unicycle.action_dim

    @property
    def action_box(self) -> tuple[np.ndarray, np.ndarray]:
        """The actions for which the proof bounds one step."""
        return self.unicycle.action_low, self.unicycle.action_high

    @property
    def num_rows(self) -> int:
        """``K``: two rows for each wall and each disc."""
        return ROWS_PER_DISTANCE * (NUM_WALLS + self.max_discs)

    @property
    def max_kappa(self) -> float:
        """Largest permissible scale of the restoring terms, ``1 / (alpha dt)``."""
        return largest_kappa(self.alpha, self.unicycle.dt)

    def rows(self, pose: np.ndarray, discs: np.ndarray) -> np.ndarray:
        """Barrier rows ``(..., K, 4)``, walls first; discs of negative radius become padding.

        :param pose: ``(..., 3)``: x, y, heading in m, m, rad
        :param discs: ``(..., D, 3)``: centre x, y and radius, m
        """
        poses, disc_batch = self._as_batch(pose, discs)
        rows = np.empty((len(poses), self.num_rows, self.action_dim + 2))
        _write_rows(poses, disc_batch, *self._constants, rows)
        return rows.reshape(pose.shape[:-1] + rows.shape[1:])

    def values(self, pose: np.ndarray, discs: np.ndarray) -> np.ndarray:
        """Barrier values ``h (..., 4 + D)`` in m, safe where all are ``>= 0``; ``inf`` for unused discs.

        The last ``D`` belong to the discs. The set ``{h >= 0}`` speaks about the virtual point;
        :meth:`start_values` adds what an initial state needs besides.
        """
        point = self.unicycle.virtual_point(pose)
        walls = self._wall_limit - np.concatenate([point, -point], axis=-1)
        distance = np.linalg.norm(point[..., None, :] - discs[..., :2], axis=-1)
        clear = distance - np.hypot(discs[..., 2] + self._disc_inflation, self.unicycle.look_ahead)
        return np.concatenate([walls, np.where(discs[..., 2] < 0.0, np.inf, clear)], axis=-1)

    def start_values(self, pose: np.ndarray, discs: np.ndarray) -> np.ndarray:
        """:meth:`values` of the virtual point, then the clearances of the centre ``(..., 2 (4 + D))``, m."""
        centre = pose[..., :2]
        walls = self._wall_limit - np.concatenate([centre, -centre], axis=-1)
        distance = np.linalg.norm(centre[..., None, :] - discs[..., :2], axis=-1)
        clear = np.where(discs[..., 2] < 0.0, np.inf, distance - discs[..., 2] - self.body_radius)
        return np.concatenate([self.values(pose, discs), walls, clear], axis=-1)

    @property
    def _wall_limit(self) -> float:
        return self.half_extent - self.body_radius - ROUND_OFF_ALLOWANCE

    @property
    def _disc_inflation(self) -> float:
        return self.body_radius + ROUND_OFF_ALLOWANCE

    @cached_property
    def _constants(self) -> tuple[float, float, float, float, float]:
        unicycle = self.unicycle
        return (
            self._wall_limit,
            self._disc_inflation,
            unicycle.look_ahead,
            unicycle.turn_curvature,
            self.alpha,
        )

    def _as_batch(self, pose: np.ndarray, discs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if pose.shape[-1] != 3 or discs.shape[-2:] != (self.max_discs, 3) or pose.shape[:-1] != discs.shape[:-2]:
            raise RowShapeError(
                f"Found poses of shape {pose.shape} and discs of shape {discs.shape}; expected (..., 3) and "
                f"(..., {self.max_discs}, 3) with the same leading dimensions. Pad missing discs with radius -1."
            )
        return pose.reshape(-1, 3), discs.reshape(-1, self.max_discs, 3)


def _check_look_ahead(unicycle: Unicycle) -> None:
    travel = unicycle.max_speed * unicycle.dt
    if travel > unicycle.look_ahead:
        raise ConfigurationError(
            f"Found a look-ahead of {unicycle.look_ahead} m and a step of up to {travel:.4g} m; the proof needs "
            "look_ahead >= max_speed * dt. Look further ahead, drive slower or sample faster."
        )


@njit(cache=True, nogil=True, error_model="numpy")
def _write_rows(poses, discs, wall_limit, disc_inflation, look_ahead, curvature, alpha, rows):
    for b in range(poses.shape[0]):
        cos, sin = np.cos(poses[b, 2]), np.sin(poses[b, 2])
        x = poses[b, 0] + look_ahead * cos
        y = poses[b, 1] + look_ahead * sin
        heading = (cos, sin, look_ahead, curvature, alpha)
        _write_pair(rows[b], 0, -1.0, 0.0, wall_limit - x, heading)
        _write_pair(rows[b], 2, 0.0, -1.0, wall_limit - y, heading)
        _write_pair(rows[b], 4, 1.0, 0.0, wall_limit + x, heading)
        _write_pair(rows[b], 6, 0.0, 1.0, wall_limit + y, heading)
        for j in range(discs.shape[1]):
            k = 8 + 2 * j
            if discs[b, j, 2] < 0.0:
                _write_padding(rows[b], k)
                continue
            dx, dy = x - discs[b, j, 0], y - discs[b, j, 1]
            distance = np.sqrt(dx * dx + dy * dy)
            radius = discs[b, j, 2] + disc_inflation
            h = distance - np.sqrt(radius * radius + look_ahead * look_ahead)
            _write_pair(rows[b], k, dx / distance, dy / distance, h, heading)


@njit(cache=True, nogil=True, error_model="numpy")
def _write_pair(rows, k, nx, ny, h, heading):
    """The two rows ``n . G u -+ c omega + alpha max(h, 0) >= 0``."""
    cos, sin, look_ahead, curvature, alpha = heading
    along = nx * cos + ny * sin
    across = look_ahead * (ny * cos - nx * sin)
    restoring = alpha * max(h, 0.0)
    for side in range(2):
        rows[k + side, 0] = along
        rows[k + side, 1] = across + (2 * side - 1) * curvature
        rows[k + side, 2] = 0.0
        rows[k + side, 3] = restoring


@njit(cache=True, nogil=True, error_model="numpy")
def _write_padding(rows, k):
    for side in range(2):
        rows[k + side, 0] = 0.0
        rows[k + side, 1] = 0.0
        rows[k + side, 2] = 1.0
        rows[k + side, 3] = 0.0
