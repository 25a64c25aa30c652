"""The map that a simulator applies in one step, as symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from sb3_barriernet.errors import ConfigurationError, RowShapeError
from sb3_barriernet.systems.expressions import SymbolicArray, vanishes


class OneStepMap:
    """``x+ = F(x) + G(x) u``: what one call of ``env.step`` does to the state.

    Copy the lines of the simulator. Whether a step is affine in the action depends on the simulator, not on the
    physics; where it is, a barrier can speak about the next state itself and needs no margin.

    :param states: symbols of the state ``x (N,)``
    :param actions: symbols of the action ``u (M,)``
    :param step: ``N`` expressions for the next state
    :param action_box: ``(low, high)``, each a number or ``(M,)``; needed only where a barrier is curved
    :param bounds: limits of states that the task keeps, in their units
    :raises ConfigurationError: if the step is not affine in the actions or a symbol is unknown
    """

    def __init__(
        self,
        states: Sequence[sp.Symbol],
        actions: Sequence[sp.Symbol],
        step: Sequence[sp.Expr],
        *,
        action_box: tuple[ArrayLike, ArrayLike] | None = None,
        bounds: Mapping[sp.Symbol, tuple[float, float]] | None = None,
    ):
        self.states, self.actions = tuple(states), tuple(actions)
        self.expressions = sp.ImmutableMatrix([sp.sympify(entry) for entry in step])
        self.action_box = None if action_box is None else _as_box(action_box, len(self.actions))
        self.bounds = dict(bounds or {})
        self._check()
        self._step = SymbolicArray(self.expressions, (self.states, self.actions))

    @property
    def action_dim(self) -> int:
        """``M``."""
        return len(self.actions)

    def __call__(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Next states ``(..., N)`` from states ``(..., N)`` and actions ``(..., M)``."""
        return self._step(x, u)[..., 0]

    def compose(self, h: sp.Expr) -> sp.Expr:
        """``h(x+)`` as an expression in states and actions."""
        return h.xreplace(dict(zip(self.states, self.expressions, strict=True)))

    def _check(self) -> None:
        if self.expressions.shape != (len(self.states), 1):
            raise RowShapeError(
                f"Found {len(self.expressions)} next states for {len(self.states)} states {list(self.states)}; "
                "expected one expression for each, in the same order."
            )
        curved = [
            state
            for state, entry in zip(self.states, self.expressions, strict=True)
            if not is_affine(entry, self.actions)
        ]
        if curved:
            raise ConfigurationError(
                f"Found next states {curved} that are not affine in the actions {list(self.actions)}; expected "
                "x+ = F(x) + G(x) u. Filter in variables that enter linearly and map back (`ActionMap`), "
                "or use the continuous `SymbolicBarrier`."
            )


def is_affine(expression: sp.Expr, symbols: Sequence[sp.Symbol]) -> bool:
    """Whether every second derivative with respect to ``symbols`` is identically zero."""
    slopes = [sp.diff(expression, symbol) for symbol in symbols]
    curvatures = [sp.diff(slope, symbol) for slope in slopes for symbol in symbols if slope.has(symbol)]
    return all(vanishes(curvature) for curvature in curvatures)


def _as_box(box: tuple[ArrayLike, ArrayLike], size: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = (np.broadcast_to(np.asarray(corner, dtype=np.float64), (size,)).copy() for corner in box)
    return low, high
