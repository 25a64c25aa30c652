"""Rows from expressions: what continuous and one-step barriers share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp

from sb3_barriernet.barriers.chain import Chain
from sb3_barriernet.errors import ConfigurationError, RowShapeError
from sb3_barriernet.rows import EXTRA_COLUMNS, padding_rows
from sb3_barriernet.systems.expressions import SymbolicArray


class CompiledBarrier:
    """Barrier rows compiled from SymPy, for one state or a batch.

    A barrier with parameters is stated ``copies`` times, once for each set of parameters, such as each obstacle of
    an episode. A set of NaN is an obstacle that is not there: its rows are padding.

    :param rows: matrix ``(H, M + 2)`` of expressions, one row ``[a | drift | restoring]`` for each barrier function
    :param chains: the chain of each barrier function
    :param states: symbols of the state ``(N,)``
    :param parameters: symbols of the parameters ``(P,)``
    :param copies: ``D``, how often the barrier is stated
    """

    def __init__(
        self,
        rows: sp.Matrix,
        chains: Sequence[Chain],
        states: Sequence[sp.Symbol],
        parameters: Sequence[sp.Symbol] = (),
        copies: int = 1,
    ):
        groups = (tuple(states), tuple(parameters)) if parameters else (tuple(states),)
        self.chains = tuple(chains)
        self.parameters = tuple(parameters)
        self.copies = _check_copies(copies, self.parameters)
        self._rows = SymbolicArray(rows, groups)
        self._start = SymbolicArray(sp.Matrix([psi for chain in chains for psi in chain.psi]), groups)

    @property
    def action_dim(self) -> int:
        """``M``."""
        return self._rows.shape[1] - EXTRA_COLUMNS

    @property
    def num_rows(self) -> int:
        """``K = D H``: one row for each barrier function of each copy."""
        return self.copies * self._rows.shape[0]

    def rows(self, x: np.ndarray, parameters: np.ndarray | None = None) -> np.ndarray:
        """Barrier rows ``(..., K, M + 2)``.

        :param x: states ``(..., N)``
        :param parameters: ``(..., D, P)``, for a barrier that has parameters
        """
        if not self.parameters:
            return self._rows(x)
        values, unused = self._per_copy(self._rows, x, parameters)
        values = np.where(unused[..., None, None], padding_rows(1, self.action_dim), values)
        return values.reshape(*values.shape[:-3], self.num_rows, values.shape[-1])

    def start_values(self, x: np.ndarray, parameters: np.ndarray | None = None) -> np.ndarray:
        """All ``psi_i`` of all copies, flat ``(..., S)``; infinite for unused copies."""
        if not self.parameters:
            return self._start(x)[..., 0]
        values, unused = self._per_copy(self._start, x, parameters)
        values = np.where(unused[..., None], np.inf, values[..., 0])
        return values.reshape(*values.shape[:-2], -1)

    def values(self, x: np.ndarray, parameters: np.ndarray | None = None) -> np.ndarray:
        """The barrier functions ``h`` themselves, ``(..., D H)``, safe where all are ``>= 0``."""
        start = self.start_values(x, parameters)
        start = start.reshape(*start.shape[:-1], self.copies, -1)
        first = np.cumsum([0, *(chain.degree for chain in self.chains[:-1])])
        return start[..., first].reshape(*start.shape[:-2], -1)

    @property
    def degrees(self) -> tuple[int, ...]:
        """Relative degree of each barrier function."""
        return tuple(chain.degree for chain in self.chains)

    def __str__(self) -> str:
        return "\n".join(
            f"h = {chain.psi[0]}  (degree {chain.degree}): {sp.simplify(self._inequality(i))} >= 0"
            for i, chain in enumerate(self.chains)
        )

    def latex(self) -> str:
        """The barrier functions and their rows in LaTeX, lines of an ``align`` environment."""
        lines = []
        for i, chain in enumerate(self.chains):
            lines.append(rf"h_{{{i + 1}}} &= {sp.latex(chain.psi[0])}")
            lines.append(rf"0 &\le {sp.latex(sp.simplify(self._inequality(i)))}")
        return " \\\\\n".join(lines)

    def _inequality(self, index: int) -> sp.Expr:
        *a, drift, restoring = self._rows.expressions.row(index)
        actions = self._action_symbols()
        return sp.Add(*(coefficient * u for coefficient, u in zip(a, actions, strict=True)), drift, restoring)

    def _action_symbols(self) -> Sequence[sp.Symbol]:
        return sp.symbols(f"u1:{self.action_dim + 1}")

    def _per_copy(
        self, array: SymbolicArray, x: np.ndarray, parameters: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values ``(..., D, R, C)`` and which copies are unused ``(..., D)``."""
        found = None if parameters is None else np.shape(parameters)
        expected = (self.copies, len(self.parameters))
        if parameters is None or found is None or found[-2:] != expected:
            raise RowShapeError(
                f"Found parameters of shape {found}; expected (..., {expected[0]}, {expected[1]}): {expected[0]} "
                f"copies of {list(self.parameters)}. Fill copies that are not there with NaN."
            )
        values = array(np.asarray(x)[..., None, :], parameters)
        return values, np.isnan(parameters).all(axis=-1)


def _check_copies(copies: int, parameters: Sequence[sp.Symbol]) -> int:
    if copies < 1 or (copies > 1 and not parameters):
        raise ConfigurationError(
            f"Found {copies} copies of a barrier with {len(parameters)} parameters; expected at least one, and more "
            "than one only with `parameters` that tell them apart."
        )
    return int(copies)
