"""A certified lower bound of an expression over a box, by branch and bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
        self.width = np.where(np.isfinite(width) & (width > 0.0), width, np.inf)
        self.attained = np.inf

    def run(self, low: np.ndarray, high: np.ndarray) -> float:
        low, high, bound = self._bound(low, high)
        looked_at = 1
        while len(bound) and looked_at < MAX_BOXES and not self._is_tight(bound.min()):
            worst = np.argsort(bound)[:SPLIT_AT_ONCE]
            halves = self._split(low[worst], high[worst])
            if halves is None:
                break
            new_low, new_high, new_bound = self._bound(*halves)
            looked_at += len(halves[0])
            keep = np.ones(len(bound), dtype=bool)
            keep[worst] = False
            low, high = np.concatenate([low[keep], new_low]), np.concatenate([high[keep], new_high])
            bound = np.concatenate([bound[keep], new_bound])
        return float(bound.min()) if len(bound) else np.inf

    def _is_tight(self, bound: float) -> bool:
        return self.attained - bound <= RELATIVE_GAP * abs(self.attained)

    def _bound(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The boxes that can hold an admissible point, and their bounds."""
        for constraint in self.constraints:
            possible = np.broadcast_to(self._evaluate(constraint, low, high)[1] >= 0.0, len(low))
            low, high = low[possible], high[possible]
        bound = np.broadcast_to(self._evaluate(self.expression, low, high)[0], len(low))
        self._try_middles(low, high)
        return low, high, bound

    def _try_middles(self, low: np.ndarray, high: np.ndarray) -> None:
        middle = np.where(np.isfinite(self.width), 0.5 * (low + high), np.clip(0.0, low, high))
        admissible = np.ones(len(low), dtype=bool)
        for constraint in self.constraints:
            admissible &= self._evaluate(constraint, middle, middle)[0] >= 0.0
        value = np.broadcast_to(self._evaluate(self.expression, middle, middle)[1], len(low))
        if admissible.any():
            self.attained = min(self.attained, float(value[admissible].min()))

    def _split(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        relative = (high - low) / self.width
        relative[:, ~np.isfinite(self.width)] = 0.0
        if not relative.size or relative.max() <= 0.0:
            return None
        axis = relative.argmax(axis=1)
        rows = np.arange(len(low))
        middle = 0.5 * (low[rows, axis] + high[rows, axis])
        left_high, right_low = high.copy(), low.copy()
        left_high[rows, axis] = middle
        right_low[rows, axis] = middle
        return np.concatenate([low, right_low]), np.concatenate([left_high, high])

    def _evaluate(self, expression: sp.Expr, low: np.ndarray, high: np.ndarray) -> Interval:
        return evaluate(expression, {s: (low[:, i], high[:, i]) for i, s in enumerate(self.symbols)})
