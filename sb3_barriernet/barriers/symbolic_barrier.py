"""Barriers in continuous time: the user writes ``h``, the derivatives are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import sympy as sp

from sb3_barriernet.barriers.authority import refuse_singular
from sb3_barriernet.barriers.chain import Chain, Gains, as_functions, continuous_chain
from sb3_barriernet.barriers.compiled_barrier import CompiledBarrier
from sb3_barriernet.barriers.gains import check_gain, largest_kappa
from sb3_barriernet.barriers.kinks import refuse_kinks
from sb3_barriernet.barriers.sampling_margin import certified_margin, check_margin
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.systems.control_affine import Bounds, ControlAffineSystem
from sb3_barriernet.systems.expressions import vanishes

Margin = float | Literal["certified"]


class SymbolicBarrier(CompiledBarrier):
    r"""Rows that keep ``h(x) >= 0`` for a control-affine system, of any relative degree.

    The relative degree is found by differentiating until the action shows up, and the row comes from the chain of
    :mod:`~sb3_barriernet.barriers.chain`, equation (2). With a disturbance ``x_j' = f_j + g_j u + d_j``,
    ``|d_j| <= D_j``, the row gives up what it can take at most (robust barriers, Jankovic 2018), which serves an
    obstacle of unknown velocity too:

    .. math:: \sum_j \left|\frac{\partial\psi_{r-1}}{\partial x_j}\right| D_j \tag{6}

    :param system: the dynamics; barriers are stated in ``system.states``
    :param h: one or several functions of the state, and of parameters, safe where ``>= 0``
    :param alpha: class-K gains, 1/s: one for all, or one for each derivative; the last needs ``alpha * dt <= 1``
    :param parameters: further symbols of ``h``, such as an obstacle's position, given with every state
    :param parameter_rates: how parameters move, an expression in parameters for each that does; 0 otherwise
    :param copies: how many sets of parameters there are at most; NaN marks those that are not there
    :param bounds: ranges of states and parameters, over those of the system; they must contain everything visited
    :param margin: what sampling costs, in units of the rate of the last ``psi``: ``"certified"`` proves a bound
        over ``bounds`` (equation (4) of :mod:`~sb3_barriernet.barriers.sampling_margin`), a number is taken as it is
    :param disturbance: ``{symbol: D}``, bound of the unknown part of the rate of a state or parameter, or of what
        is added to an action
    :param allow_singular: accept safe states in which the action has no authority
    :raises GainError: if a gain is not positive or too large for ``dt``, or their number is wrong
    :raises ConfigurationError: if ``h`` has no uniform relative degree or a kink, or no margin can be certified
    """

    def __init__(
        self,
        system: ControlAffineSystem,
        h: sp.Expr | Sequence[sp.Expr],
        alpha: Gains = 2.0,
        *,
        parameters: Sequence[sp.Symbol] = (),
        parameter_rates: Mapping[sp.Symbol, sp.Expr] | None = None,
        copies: int = 1,
        bounds: Bounds | None = None,
        margin: Margin = "certified",
        disturbance: Mapping[sp.Symbol, sp.Expr | float] | None = None,
        allow_singular: bool = False,
    ):
        self.system = system
        self.bounds = {**system.bounds, **(bounds or {})}
        self.rates = {p: sp.sympify((parameter_rates or {}).get(p, 0)) for p in parameters}
        self.disturbance = {s: sp.sympify(size) for s, size in (disturbance or {}).items()}
        _check_gains(alpha)
        symbols = (*system.states, *parameters)
        chains = [continuous_chain(entry, system, alpha, self.rates) for entry in as_functions(h)]
        for chain in chains:
            check_gain(chain.gain, system.dt)
            refuse_kinks(chain.psi, symbols, self.bounds)
        _check_disturbance(chains, self.disturbance, (*system.states, *system.actions, *parameters))
        self._is_certified = margin == "certified"
        self.margins = tuple(self._margin(chain, margin) for chain in chains)
        rows = sp.Matrix([self._row(chain, lost) for chain, lost in zip(chains, self.margins, strict=True)])
        if not allow_singular:
            for chain, row in zip(chains, rows.tolist(), strict=True):
                *a, drift, restoring = row
                refuse_singular(chain.psi[0], a, drift + restoring, chain.psi, symbols, self.bounds)
        super().__init__(rows, chains, system.states, parameters, copies)

    @property
    def action_box(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The actions that a certified margin covers; None where the user answers for it."""
        return (self.system.action_low, self.system.action_high) if self._is_certified else None

    @property
    def max_kappa(self) -> float:
        """Largest permissible scale of the restoring terms, ``1 / (alpha dt)`` with the greatest last gain."""
        return min(largest_kappa(chain.gain, self.system.dt) for chain in self.chains)

    def _margin(self, chain: Chain, margin: Margin) -> float:
        if margin != "certified":
            return check_margin(margin)
        rate = chain.change - self._robust_term(chain)
        return certified_margin(chain, rate, self.system, self.rates, self.disturbance, self.bounds)

    def _row(self, chain: Chain, margin: float) -> list[sp.Expr]:
        actions = self.system.actions
        a = [sp.diff(chain.change, u) for u in actions]
        drift = chain.change.xreplace(dict.fromkeys(actions, sp.S.Zero))
        return [*a, drift - self._robust_term(chain) - margin, chain.restoring]

    def _robust_term(self, chain: Chain) -> sp.Expr:
        lost = []
        for symbol, size in self.disturbance.items():
            enters = chain.change if symbol in self.system.actions else chain.psi[-1]
            lost.append(sp.Abs(sp.diff(enters, symbol)) * size)
        return sp.Add(*lost)

    def _action_symbols(self) -> Sequence[sp.Symbol]:
        return self.system.actions


def _check_gains(alpha: Gains) -> None:
    """All are positive. Sampling limits only the last: the others act on functions of the state, in continuous time."""
    for gain in [alpha] if isinstance(alpha, int | float) else alpha:
        check_gain(gain, 0.0)


def _check_disturbance(
    chains: Sequence[Chain], disturbance: Mapping[sp.Symbol, sp.Expr], known: Sequence[sp.Symbol]
) -> None:
    for symbol in disturbance:
        if symbol not in known or not symbol.is_real:
            raise ConfigurationError(
                f"Found a disturbance of {symbol!r}; expected one of {list(known)}, declared `real=True` so that "
                "an absolute value can be differentiated."
            )
        for chain in chains:
            if not all(vanishes(sp.diff(psi, symbol)) for psi in chain.psi[:-1]):
                raise ConfigurationError(
                    f"Found a disturbance of {symbol}, which enters the chain of h = {chain.psi[0]} before the action "
                    f"does (relative degree {chain.degree}); no row can make up for it later. Tighten h by what it "
                    "can do, or state a barrier of degree 1."
                )
