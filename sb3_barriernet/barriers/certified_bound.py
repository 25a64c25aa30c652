"""A certified lower bound of an expression over a box, by branch and bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import sympy as sp

from sb3_barriernet.barriers.interval import Interval, evaluate

MAX_BOXES = 60_000
SPLIT_AT_ONCE = 1024
RELATIVE_GAP = 0.01

Box = Mapping[sp.Symbol, tuple[float, float]]


def lower_bound(expression: sp.Expr, box: Box, constraints: Sequence[sp.Expr] = ()) -> float:
    """A number that the expression does not fall below where all constraints are ``>= 0``.

    The box is split, worst parts first, and parts where a constraint surely fails are dropped, until the bound is
    within 1 % of a value that is attained, or :data:`MAX_BOXES` boxes have been looked at: then the bound still
    holds and is only less tight. Endless ranges are not split.

    :return: the bound; minus infinity if there is none to be found, infinity if the constraints exclude everything
    """
    return _lower_bound(expression, tuple(sorted(box.items(), key=str)), tuple(constraints))


@lru_cache(maxsize=256)
def _lower_bound(
    expression: sp.Expr, limits: tuple[tuple[sp.Symbol, tuple[float, float]], ...], constraints: tuple[sp.Expr, ...]
) -> float:
    box = dict(limits)
    symbols = sorted(expression.free_symbols.union(*(c.free_symbols for c in constraints)), key=str)
    low = np.array([[box[s][0] for s in symbols]], dtype=np.float64)
    high = np.array([[box[s][1] for s in symbols]], dtype=np.float64)
    search = _Search(expression, constraints, symbols, high[0] - low[0])
    return search.run(low, high)


class _Search:
    def __init__(
        self, expression: sp.Expr, constraints: Sequence[sp.Expr], symbols: Sequence[sp.Symbol], width: np.ndarray
    ):
        self.expression, self.constraints, self.symbols = expression, constraints, symbols
        singular = _symbols_of_denominators(expression)
        self.splittable = np.isfinite(width) & (width > 0.0)
        self.singular = self.splittable & np.array([s in singular for s in symbols], dtype=bool)
        self.width = np.where(self.splittable, width, 1.0)
        self.attained = np.inf
        self.round = 0

    def run(self, low: np.ndarray, high: np.ndarray) -> float:
        low, high, bound = self._bound(low, high)
        looked_at = 1
        while len(bound) and looked_at < MAX_BOXES and not self._is_tight(bound.min()) and self.splittable.any():
            worst = np.argsort(bound)[:SPLIT_AT_ONCE]
            new_low, new_high = self._split(low[worst], high[worst], bound[worst])
            looked_at += len(new_low)
            new_low, new_high, new_bound = self._bound(new_low, new_high)
            low, high = (
                np.concatenate([np.delete(old, worst, axis=0), new]) for old, new in ((low, new_low), (high, new_high))
            )
            bound = np.concatenate([np.delete(bound, worst), new_bound])
        return float(bound.min()) if len(bound) else np.inf

    def _is_tight(self, bound: float) -> bool:
        return bool(np.isfinite(self.attained)) and self.attained - bound <= RELATIVE_GAP * abs(self.attained)

    def _bound(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The boxes that can hold an admissible point, and their bounds."""
        for constraint in self.constraints:
            possible = self._evaluate(constraint, low, high)[1] >= 0.0
            low, high = low[possible], high[possible]
        self._try_middles(low, high)
        return low, high, self._evaluate(self.expression, low, high)[0]

    def _try_middles(self, low: np.ndarray, high: np.ndarray) -> None:
        middle = np.where(self.splittable, 0.5 * (low + np.where(self.splittable, high, low)), np.clip(0.0, low, high))
        admissible = np.ones(len(low), dtype=bool)
        for constraint in self.constraints:
            admissible &= self._evaluate(constraint, middle, middle)[0] >= 0.0
        value = self._evaluate(self.expression, middle, middle)[1]
        if admissible.any():
            self.attained = min(self.attained, float(value[admissible].min()))

    def _split(self, low: np.ndarray, high: np.ndarray, bound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.round += 1
        # The best axis is greedy; taking the widest in turn makes every box shrink in all directions.
        finite = self._best_axis(low, high) if self.round % 2 else self._widest(low, high, self.splittable)
        axis = np.where(np.isneginf(bound), self._widest(low, high, self.singular), finite)
        left, right = _halve(low, high, axis)
        return np.concatenate([left[0], right[0]]), np.concatenate([left[1], right[1]])

    def _best_axis(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The axis whose two halves are left with the least uncertainty."""
        spread = np.full((len(self.symbols), len(low)), np.inf)
        for axis in np.flatnonzero(self.splittable):
            halves = [self._evaluate(self.expression, *half) for half in _halve(low, high, np.full(len(low), axis))]
            spread[axis] = sum(np.maximum(upper - lower, 0.0) for lower, upper in halves)
        return np.where(np.isinf(spread.min(axis=0)), self._widest(low, high, self.splittable), spread.argmin(axis=0))

    def _widest(self, low: np.ndarray, high: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        allowed = allowed if allowed.any() else self.splittable
        relative = np.full(low.shape, -np.inf)
        relative[:, allowed] = (high[:, allowed] - low[:, allowed]) / self.width[allowed]
        return relative.argmax(axis=1)

    def _evaluate(self, expression: sp.Expr, low: np.ndarray, high: np.ndarray) -> Interval:
        boxes = {s: (low[:, i], high[:, i]) for i, s in enumerate(self.symbols)}
        lower, upper = evaluate(expression, boxes)
        return np.broadcast_to(lower, len(low)), np.broadcast_to(upper, len(low))


def _halve(low: np.ndarray, high: np.ndarray, axis: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Both halves of every box along its axis."""
    each = np.arange(len(low))
    middle = 0.5 * (low[each, axis] + high[each, axis])
    left_high, right_low = high.copy(), low.copy()
    left_high[each, axis] = middle
    right_low[each, axis] = middle
    return (low, left_high), (right_low, high)


def _symbols_of_denominators(expression: sp.Expr) -> set[sp.Symbol]:
    """Symbols under a negative power: where the expression can be infinite."""
    powers = (power for power in expression.atoms(sp.Pow) if power.exp.is_number and power.exp.is_negative)
    return set().union(*(power.base.free_symbols for power in powers))
