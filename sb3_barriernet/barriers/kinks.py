"""Searches for safe states in which a barrier function has no derivative."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import sympy as sp

from sb3_barriernet.barriers.authority import find_singular
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.systems.control_affine import Bounds


def refuse_kinks(psi: Sequence[sp.Expr], symbols: Sequence[sp.Symbol], bounds: Bounds) -> None:
    """Refuse a chain whose absolute values, minima or maxima switch inside the safe set.

    Beyond a kink the slopes are those of another function: ``psi_1`` of ``1 - |x|`` jumps where ``x`` changes sign, to
    a negative value if ``x`` is fast enough, and nothing keeps ``h >= 0`` any more. A kink where some ``psi < 0``,
    such as that of a distance at its centre, is never visited.

    :param psi: ``psi_0 .. psi_{r-1}``
    :raises ConfigurationError: names a state that was found
    """
    for switch in _switches(psi[0]):
        point = find_singular([switch], sp.Integer(-1), psi, symbols, bounds)
        if point is not None:
            state = ", ".join(f"{symbol} = {value:.4g}" for symbol, value in zip(symbols, point, strict=True))
            raise ConfigurationError(
                f"Found h = {psi[0]}, which has no derivative at the safe state {state}. State its smooth parts as "
                "separate functions, `[limit - x, limit + x]` instead of `limit - Abs(x)`; each becomes a row."
            )


def _switches(h: sp.Expr) -> Iterator[sp.Expr]:
    """Expressions in the symbols at whose zeros ``h`` has a kink."""
    for absolute in h.atoms(sp.Abs):
        yield absolute.args[0]
    for extreme in h.atoms(sp.Min, sp.Max):
        for one, other in combinations(extreme.args, 2):
            yield one - other
