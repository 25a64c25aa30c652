"""SymPy expressions as batched functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import sympy as sp

from sb3_barriernet.errors import ConfigurationError

SymbolGroup = tuple[sp.Symbol, ...]

OFF_THE_KINK = {"DiracDelta": lambda x, *order: 0.0 * x}
"""Twice differentiated absolute values hold impulses, which are zero wherever the value has a derivative."""

NUM_TRIALS = 8
CLEARLY_NOT_ZERO = 1e-6


class SymbolicArray:
    """A matrix of expressions that is evaluated over leading dimensions.

    The expressions are the truth: they print, they pickle into worker processes, and every process
    compiles them when it first needs numbers, common subexpressions once.

    :param expressions: matrix ``(R, C)``
    :param groups: the arguments; each is a tuple of symbols, passed as one array ``(..., len(group))``
    """

    def __init__(self, expressions: sp.Matrix, groups: Sequence[SymbolGroup]):
        self.expressions = sp.ImmutableMatrix(expressions)
        self.groups = tuple(tuple(group) for group in groups)
        self.shape: tuple[int, int] = self.expressions.shape
        _refuse_unknown(self.expressions, self.groups)

    def __call__(self, *arguments: np.ndarray) -> np.ndarray:
        """Values ``(..., R, C)`` at arguments ``(..., len(group))`` whose leading dimensions broadcast.

        Outside the domain of an expression (a division by zero, say) the value is NaN or infinite.
        """
        arrays = [np.asarray(argument, dtype=np.float64) for argument in arguments]
        self._check_widths(arrays)
        with np.errstate(divide="ignore", invalid="ignore"):
            entries = self._function(*[array[..., i] for array in arrays for i in range(array.shape[-1])])
        if all(array.ndim == 1 for array in arrays):
            return np.array(entries, dtype=np.float64).reshape(self.shape)
        values = np.empty((*np.broadcast_shapes(*(array.shape[:-1] for array in arrays)), len(entries)))
        for i, entry in enumerate(entries):
            values[..., i] = entry
        return values.reshape(*values.shape[:-1], *self.shape)

    def torch(self, *arguments: Any) -> Any:
        """The same for torch tensors, differentiable."""
        import torch

        self._check_widths(arguments)
        columns = [argument[..., i] for argument in arguments for i in range(argument.shape[-1])]
        entries = [torch.as_tensor(entry, dtype=columns[0].dtype) for entry in self._torch_function(*columns)]
        values = torch.stack(torch.broadcast_tensors(columns[0], *entries)[1:], dim=-1)
        return values.reshape(*values.shape[:-1], *self.shape)

    @cached_property
    def _function(self) -> Callable[..., list[Any]]:
        return _compile(self.expressions, self.groups, "numpy")

    @cached_property
    def _torch_function(self) -> Callable[..., list[Any]]:
        # SymPy prints a maximum as torch.max, which takes no number beside a tensor; a case distinction does.
        cases = self.expressions.replace(sp.Max, _cases(sp.Max)).replace(sp.Min, _cases(sp.Min))
        return _compile(cases, self.groups, "torch")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.endswith("_function")}

    def _check_widths(self, arrays: Sequence[Any]) -> None:
        widths = [array.shape[-1] if array.ndim else 0 for array in arrays]
        expected = [len(group) for group in self.groups]
        if widths != expected:
            raise ConfigurationError(
                f"Found arguments of width {widths}; expected {expected}, for "
                f"{[list(group) for group in self.groups]}. Return one array for each of these lists, in this order, "
                "from what reads the state, say `lambda env: ([env.x, env.v],)`; a number alone has width 0."
            )


def vanishes(expression: sp.Expr) -> bool:
    """Whether an expression is zero everywhere: random numbers deny it fast, algebra confirms it."""
    symbols = tuple(sorted(expression.free_symbols, key=str))
    if symbols:
        rng = np.random.default_rng(0)
        points = rng.uniform(0.1, 2.0, size=(2 * NUM_TRIALS, len(symbols)))
        points[NUM_TRIALS:] *= rng.choice([-1.0, 1.0], size=(NUM_TRIALS, len(symbols)))
        values = np.abs(SymbolicArray(sp.Matrix([expression]), (symbols,))(points))
        if (values[np.isfinite(values)] > CLEARLY_NOT_ZERO).any():
            return False
    # Decimal numbers as fractions: 0.1 + 0.2 - 0.3 is zero on paper.
    return sp.simplify(sp.nsimplify(expression, rational=True)) == 0


@lru_cache(maxsize=256)
def _compile(
    expressions: sp.ImmutableMatrix, groups: tuple[SymbolGroup, ...], backend: str
) -> Callable[..., list[Any]]:
    arguments = [symbol for group in groups for symbol in group]
    return sp.lambdify(arguments, list(expressions), modules=[OFF_THE_KINK, backend], cse=True)


def _cases(largest_or_smallest: type[sp.Max] | type[sp.Min]) -> Callable[..., sp.Expr]:
    return lambda *arguments: largest_or_smallest(*arguments).rewrite(sp.Piecewise)


def _refuse_unknown(expressions: sp.ImmutableMatrix, groups: tuple[SymbolGroup, ...]) -> None:
    unknown = expressions.free_symbols - {symbol for group in groups for symbol in group}
    if unknown:
        raise ConfigurationError(
            f"Found the symbols {sorted(map(str, unknown))} without a value; known are {[list(g) for g in groups]}. "
            "Use the system's own symbols (SymPy tells symbols apart by name and assumptions), "
            "insert numbers for constants, or declare parameters."
        )
