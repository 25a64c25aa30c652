"""Random states of a bounded set, for searches and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp

UNBOUNDED_REACH = 10.0
"""An unbounded coordinate is searched this far from zero, in its own unit."""


def box_of(symbols: Sequence[sp.Symbol], bounds: Mapping[sp.Symbol, tuple[float, float]]) -> tuple[np.ndarray, ...]:
    """Finite corners ``low (n,)`` and ``high (n,)`` of the set to search."""
    endless = (-UNBOUNDED_REACH, UNBOUNDED_REACH)
    corners = np.array([bounds.get(s, (0.0, UNBOUNDED_REACH) if s.is_nonnegative else endless) for s in symbols])
    corners = np.clip(corners.reshape(-1, 2), -1e6, 1e6)
    return corners[:, 0], corners[:, 1]


def draw(
    symbols: Sequence[sp.Symbol], bounds: Mapping[sp.Symbol, tuple[float, float]], num: int, seed: int = 0
) -> np.ndarray:
    """Uniform points ``(num, n)`` of that set; the same ones every time."""
    low, high = box_of(symbols, bounds)
    return np.random.default_rng(seed).uniform(low, high, size=(num, len(low)))
