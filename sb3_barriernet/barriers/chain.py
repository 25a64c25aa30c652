r"""From a barrier function to one row, through as many derivatives as the action needs.

With relative degree ``r`` the action shows up in the ``r``-th derivative of ``h`` only. The chain

.. math:: \psi_0 = h, \qquad \psi_i = \dot\psi_{i-1} + \alpha_i \psi_{i-1} \quad (i < r) \tag{1}

ends in a function of the state, and the row asks the last one to obey

.. math:: L_g \psi_{r-1}\,u + L_f \psi_{r-1} + \kappa\,\alpha_r \psi_{r-1} \ge 0. \tag{2}

Every ``kappa > 0`` keeps ``{psi_{r-1} >= 0}`` invariant, and with it, one after the other, the sets of all
earlier ``psi`` (Xiao & Belta 2019, theorem 5). Scaling an inner gain would not: its time derivative would be
missing from (1). In discrete time, where ``x+`` is the next state, the chain reads

.. math:: \psi_i(x) = \psi_{i-1}(x^+) - (1 - \gamma_i)\,\psi_{i-1}(x), \qquad 0 < \gamma_i \le 1. \tag{3}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from sb3_barriernet.errors import ConfigurationError, GainError
from sb3_barriernet.systems.control_affine import ControlAffineSystem
from sb3_barriernet.systems.expressions import vanishes
from sb3_barriernet.systems.one_step import OneStepMap

Gains = float | Sequence[float]
Rates = Mapping[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class Chain:
    """The chain of one barrier function."""

    psi: tuple[sp.Expr, ...]
    """``psi_0 .. psi_{r-1}``; all must be ``>= 0`` at the start."""
    change: sp.Expr
    """Derivative of the last ``psi`` along the flow, or its change in one step; holds the actions."""
    gain: float
    """``alpha_r`` or ``gamma_r``."""

    @property
    def degree(self) -> int:
        """The relative degree ``r``."""
        return len(self.psi)

    @property
    def restoring(self) -> sp.Expr:
        """``alpha_r psi_{r-1}``."""
        return self.gain * self.psi[-1]


def as_functions(h: sp.Expr | Sequence[sp.Expr]) -> list[sp.Expr]:
    """One function or several, also as a matrix or an array, as a flat list.

    :raises ConfigurationError: if one is no expression, such as an inequality
    """
    return [_as_expression(entry) for entry in (h if hasattr(h, "__len__") else [h])]


def continuous_chain(h: sp.Expr, system: ControlAffineSystem, gains: Gains, parameter_rates: Rates) -> Chain:
    """The chain (1) of ``h`` along ``x' = f + g u`` and known rates of its parameters.

    :raises ConfigurationError: if ``h`` ignores the state, or the action never shows up
    :raises GainError: if the number of gains is not the relative degree
    """
    rates = system.f + system.g * sp.Matrix(system.actions)
    flow = {**dict(zip(system.states, rates, strict=True)), **parameter_rates}
    _refuse_constant(h, system.states)
    return _unroll(h, lambda psi: derivative(psi, flow), system.actions, gains, max_degree=len(flow))


def discrete_chain(h: sp.Expr, one_step: OneStepMap, gains: Gains) -> Chain:
    """The chain (3) of ``h`` along ``x+ = F + G u``; errors as :func:`continuous_chain`."""
    _refuse_constant(h, one_step.states)
    max_degree = len(one_step.states)
    return _unroll(h, lambda psi: one_step.compose(psi) - psi, one_step.actions, gains, max_degree)


def derivative(expression: sp.Expr, flow: Rates) -> sp.Expr:
    """Time derivative along ``symbol' = flow[symbol]``."""
    return sp.Add(*(sp.diff(expression, symbol) * rate for symbol, rate in flow.items()))


def _unroll(
    h: sp.Expr, advance: Callable[[sp.Expr], sp.Expr], actions: Sequence[sp.Symbol], gains: Gains, max_degree: int
) -> Chain:
    psi = [h]
    for degree in range(1, max_degree + 1):
        change = _without_idle(advance(psi[-1]), actions)
        gain = _gain(gains, degree, last=change.has(*actions))
        if change.has(*actions):
            return Chain(tuple(psi), change, gain)
        psi.append(change + gain * psi[-1])
    raise ConfigurationError(
        f"Found no derivative of h = {h} up to order {max_degree} that depends on the actions {list(actions)}; "
        "the barrier has no relative degree. State a barrier on something that the actuators can move."
    )


def _without_idle(expression: sp.Expr, actions: Sequence[sp.Symbol]) -> sp.Expr:
    idle = {u: sp.S.Zero for u in actions if expression.has(u) and vanishes(sp.diff(expression, u))}
    return expression.xreplace(idle)


def _gain(gains: Gains, degree: int, *, last: bool) -> float:
    if isinstance(gains, int | float):
        return float(gains)
    if len(gains) < degree or (last and len(gains) > degree):
        found = f"{degree}" if last else f"more than {len(gains)}"
        raise GainError(
            f"Found {len(gains)} gains {list(gains)}; the relative degree is {found}, and each derivative needs one. "
            "Give as many as that, or one number for all."
        )
    return float(gains[degree - 1])


def _as_expression(entry: Any) -> sp.Expr:
    try:
        expression = sp.sympify(entry)
    except sp.SympifyError:
        expression = None
    if not isinstance(expression, sp.Expr):
        raise ConfigurationError(
            f"Found h = {entry}, which is a {type(entry).__name__}; expected a SymPy expression that is >= 0 where the "
            "state is safe. Write `limit - x` for `x <= limit`; a network or a Python function of tensors goes into "
            "`AutogradBarrier`."
        )
    return expression


def _refuse_constant(h: sp.Expr, states: Sequence[sp.Symbol]) -> None:
    if not h.has(*states):
        raise ConfigurationError(
            f"Found h = {h}, which holds none of the states {list(states)}; expected a function of the state. "
            "Use the symbols of the system itself: SymPy tells symbols apart by name and assumptions."
        )
