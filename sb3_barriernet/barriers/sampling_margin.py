r"""What sampling costs a continuous-time barrier.

Between two samples the action is held, and ``psi`` follows a smooth curve. Let ``rho`` be its guaranteed rate,
``L_f psi + L_g psi u`` less what a disturbance can take away. If ``rho' >= -c`` while ``psi >= 0``, and the row
held with a margin at the sample, ``rho(0) >= -alpha psi(0) + c dt / 2``, then by integrating twice

.. math:: \psi(t) \ge (1 - \alpha t)\,\psi(0) + \tfrac12 c\,t\,(dt - t) \ge 0, \qquad 0 \le t \le dt,\;
          \alpha\,dt \le 1 \tag{4}

at every instant, not only at the samples. Hence ``margin = c dt / 2``, in the units of the rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import sympy as sp

from sb3_barriernet.barriers.certified_bound import lower_bound
from sb3_barriernet.barriers.chain import Chain, Rates, derivative
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.systems.control_affine import Bounds, ControlAffineSystem


def check_margin(margin: float) -> float:
    """Return a margin that a user gave.

    :raises ConfigurationError: unless it is finite and not negative
    """
    if not 0.0 <= margin < math.inf:
        raise ConfigurationError(
            f"Found the margin {margin}; expected a number >= 0, in units of the rate of the last psi, that covers "
            "what sampling costs. 0 means continuous time."
        )
    return float(margin)


def certified_margin(
    chain: Chain,
    rate: sp.Expr,
    system: ControlAffineSystem,
    parameter_rates: Rates,
    disturbance: Mapping[sp.Symbol, sp.Expr],
    bounds: Bounds,
) -> float:
    """The margin ``c dt / 2`` of (4), with ``c`` certified by interval arithmetic over the bounded state set.

    :param rate: ``rho``, an expression in states, parameters and actions
    :param disturbance: bound of the unknown part of each symbol's rate, or of what is added to an action
    :param bounds: ranges of states and parameters, which must contain everything visited, between samples too
    :raises ConfigurationError: if the simulator does not follow the flow, or no bound was found
    """
    _refuse_other_integrators(system)
    limits = dict(zip(system.actions, zip(system.action_low, system.action_high, strict=True), strict=True))
    unknown = {symbol: sp.Dummy(f"d_{symbol}", real=True) for symbol in disturbance}
    flow = dict(zip(system.states, system.f + system.g * sp.Matrix(system.actions), strict=True)) | dict(
        parameter_rates
    )
    added = {symbol: disturbance[symbol] * unknown[symbol] for symbol in disturbance}
    pushed = {u: u + added[u] for u in system.actions if u in added}
    noisy = {symbol: value.xreplace(pushed) + added.get(symbol, 0) for symbol, value in flow.items()}
    curvature = derivative(rate, noisy)
    box = dict.fromkeys(flow, (-math.inf, math.inf)) | dict(bounds) | limits
    box |= dict.fromkeys(unknown.values(), (-1.0, 1.0))
    least = lower_bound(curvature, box, chain.psi)
    if math.isinf(least):
        _explain(chain, least, curvature, box)
    return max(0.0, -least) * system.dt / 2.0


def _refuse_other_integrators(system: ControlAffineSystem) -> None:
    if system.integrator != "rk4":
        raise ConfigurationError(
            f"Found the integrator {system.integrator!r} of {system.name}; the certified margin is about the flow "
            "itself. Use `OneStepBarrier(system.one_step(), h)`, which is exact for this simulator, or give the "
            "margin as a number."
        )


def _explain(chain: Chain, least: float, curvature: sp.Expr, box: Mapping[sp.Symbol, tuple[float, float]]) -> None:
    if least > 0.0:
        raise ConfigurationError(
            f"Found no state within the bounds {dict(box)} that satisfies h = {chain.psi[0]} >= 0 and its chain; the "
            "safe set is empty. Check the signs of h and the bounds."
        )
    endless = sorted(str(s) for s in curvature.free_symbols if not all(map(math.isfinite, box[s])))
    cause = f"its rate is unbounded in {endless}" if endless else "it has a singularity in the bounded set"
    raise ConfigurationError(
        f"Found no bound on the second derivative of h = {chain.psi[0]}: {cause}. Give `bounds={{symbol: (low, high)}}`"
        " that hold for everything visited, or the margin as a number (rate units; 0 means continuous time)."
    )
