"""Searches for safe states in which the action has no say and the row does not hold by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp

from sb3_barriernet.barriers.sampling import box_of, draw
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.systems.control_affine import Bounds
from sb3_barriernet.systems.expressions import SymbolicArray

NUM_SAMPLES = 4096
NUM_STARTS = 128
ITERATIONS = 40
FOUND = 1e-5
DIFFERENCE = 1e-6


def refuse_singular(
    h: sp.Expr,
    authority: Sequence[sp.Expr],
    rest: sp.Expr,
    psi: Sequence[sp.Expr],
    symbols: Sequence[sp.Symbol],
    bounds: Bounds,
) -> None:
    """Refuse a barrier whose relative degree breaks down where it matters.

    Searched is a point of the bounded set with ``a = 0``, all ``psi >= 0`` and ``rest <= 0``. Where ``a = 0`` but
    ``rest > 0`` the row holds whatever the action does, as in the middle of a disc to stay inside of. The search
    samples and descends (Levenberg-Marquardt), so it may miss a point; what it reports is one.

    :param authority: ``a``, the coefficients of the actions
    :param rest: drift plus restoring term
    :raises ConfigurationError: names a state that was found
    """
    point = find_singular(authority, rest, psi, symbols, bounds)
    if point is None:
        return
    state = ", ".join(f"{symbol} = {value:.4g}" for symbol, value in zip(symbols, point, strict=True))
    raise ConfigurationError(
        f"Found no uniform relative degree {len(psi)} for h = {h}: at {state} the action drops out of the row (its "
        f"coefficients {list(authority)} vanish) and the row does not hold by itself. Leave such states out with "
        "`bounds`, look at a point that every action moves (ahead of a wheeled robot's centre, say), or pass "
        "`allow_singular=True` and try to break it with `assert_invariant`."
    )


def find_singular(
    authority: Sequence[sp.Expr],
    rest: sp.Expr,
    psi: Sequence[sp.Expr],
    symbols: Sequence[sp.Symbol],
    bounds: Bounds,
) -> np.ndarray | None:
    """A point ``(n,)`` without authority, or None."""
    if any(entry.is_number and entry != 0 for entry in authority):
        return None
    values = SymbolicArray(sp.Matrix([*authority, rest, *psi]), (tuple(symbols),))
    points = draw(symbols, bounds, NUM_SAMPLES)
    low, high = box_of(symbols, bounds)
    scale = _typical(values(points)[..., 0])
    residual = _Residual(values, len(authority), scale)
    cost = np.nan_to_num((residual(points) ** 2).sum(axis=-1), nan=np.inf)
    points = points[np.argsort(cost)[:NUM_STARTS]]
    points = _descend(residual, points, low, high)
    miss = np.nan_to_num(np.abs(residual(points)).max(axis=-1), nan=np.inf)
    best = int(miss.argmin())
    return points[best] if miss[best] <= FOUND else None


class _Residual:
    """Zero exactly at the points searched: ``[a, max(rest, 0), min(psi, 0)]``, each over its typical size."""

    def __init__(self, values: SymbolicArray, num_actions: int, scale: np.ndarray):
        self.values, self.num_actions, self.scale = values, num_actions, scale

    def __call__(self, points: np.ndarray) -> np.ndarray:
        residual = self.values(points)[..., 0] / self.scale
        rest = self.num_actions
        residual[..., rest] = np.maximum(residual[..., rest], 0.0)
        residual[..., rest + 1 :] = np.minimum(residual[..., rest + 1 :], 0.0)
        return residual


def _typical(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        size = np.nanmedian(np.abs(np.where(np.isfinite(values), values, np.nan)), axis=0)
    return np.where(size > 0.0, size, 1.0)


def _descend(residual: _Residual, points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    damping = np.full(len(points), 1e-3)
    current = residual(points)
    for _ in range(ITERATIONS):
        jacobian = _jacobian(residual, points, high - low)
        normal = np.swapaxes(jacobian, -1, -2) @ jacobian
        gradient = np.swapaxes(jacobian, -1, -2) @ np.nan_to_num(current)[..., None]
        size = 1.0 + np.trace(normal, axis1=-2, axis2=-1)
        damped = normal + (damping * size)[:, None, None] * np.eye(points.shape[-1])
        # Coordinates in units of the box, so that one damping suits all.
        move = np.linalg.solve(damped, gradient)[..., 0] * (high - low)
        trial = np.clip(points - move, low, high)
        after = residual(trial)
        better = (after**2).sum(axis=-1) < (current**2).sum(axis=-1)
        points, current = np.where(better[:, None], trial, points), np.where(better[:, None], after, current)
        damping = np.where(better, 0.3 * damping, 10.0 * damping).clip(1e-10, 1e8)
    return points


def _jacobian(residual: _Residual, points: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Central differences ``(P, R, n)`` in units of the box; nothing where a function ends."""
    steps = np.eye(points.shape[-1]) * DIFFERENCE * width
    ahead, behind = residual(points[:, None] + steps), residual(points[:, None] - steps)
    slopes = np.swapaxes((ahead - behind) / (2.0 * DIFFERENCE), -1, -2)
    return np.where(np.abs(slopes) < 1e100, slopes, 0.0)
