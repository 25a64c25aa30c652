"""Barriers about the next state itself: exact where a simulator's step is affine in the action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp

from sb3_barriernet.barriers.authority import refuse_singular
from sb3_barriernet.barriers.chain import Chain, Gains, as_functions, discrete_chain
from sb3_barriernet.barriers.compiled_barrier import CompiledBarrier
from sb3_barriernet.barriers.gains import check_share
from sb3_barriernet.barriers.kinks import refuse_kinks
from sb3_barriernet.barriers.sampling import draw
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.systems.control_affine import Bounds
from sb3_barriernet.systems.expressions import SymbolicArray
from sb3_barriernet.systems.one_step import OneStepMap, is_affine

SHRINK = 1e-6
"""Taken off every ``h``, in its own unit, for round-off: the float32 cast of an action costs about 1e-8."""

NUM_CURVATURE_CHECKS = 4096


class OneStepBarrier(CompiledBarrier):
    r"""Rows that keep ``h(x) >= 0`` at every step of a simulator ``x+ = F(x) + G(x) u``.

    .. math:: \psi_{r-1}(x^+) - \psi_{r-1}(x) + \kappa\,\gamma_r \psi_{r-1}(x) \ge 0, \qquad
              0 < \kappa\,\gamma_r \le 1 \tag{5}

    speaks about the next state itself, so it needs no margin for sampling (discrete barriers, Agrawal & Sreenath
    2017; for ``r > 1`` the chain (3) of :mod:`~sb3_barriernet.barriers.chain`). Where ``psi(x+)`` is affine in the
    action the row is exact; where it is convex, as the distance to a disc is, its tangent at the middle of the
    action box is a lower bound and the row is safe; anything else is refused. Convexity is tested at random states
    and actions, not proven.

    :param one_step: the simulator's step, see :class:`~sb3_barriernet.systems.one_step.OneStepMap`
    :param h: one or several functions of the state, and of parameters, safe where ``>= 0``
    :param gamma: share of ``h`` that one step may use up, ``0 < gamma <= 1``: one for all, or one for each step
        until the action shows up
    :param parameters: further symbols of ``h`` that stay put, given with every state
    :param copies: how many sets of parameters there are at most; NaN marks those that are not there
    :param bounds: ranges of states and parameters to search for mistakes, over those of the map
    :param shrink: taken off every ``h`` for round-off, in its unit
    :param allow_singular: accept safe states in which the action has no authority
    :raises GainError: if a gain is not in (0, 1], or their number is wrong
    :raises ConfigurationError: if ``h`` has no uniform relative degree, a kink, or bends the wrong way
    """

    def __init__(
        self,
        one_step: OneStepMap,
        h: sp.Expr | Sequence[sp.Expr],
        gamma: Gains = 0.5,
        *,
        parameters: Sequence[sp.Symbol] = (),
        copies: int = 1,
        bounds: Bounds | None = None,
        shrink: float = SHRINK,
        allow_singular: bool = False,
    ):
        self.one_step = one_step
        self.bounds = {**one_step.bounds, **(bounds or {})}
        for gain in [gamma] if isinstance(gamma, int | float) else gamma:
            check_share(gain)
        symbols = (*one_step.states, *parameters)
        chains = [discrete_chain(entry - shrink, one_step, gamma) for entry in as_functions(h)]
        rows = [self._row(chain, symbols) for chain in chains]
        if not allow_singular:
            for chain, (*a, drift, restoring) in zip(chains, rows, strict=True):
                refuse_singular(chain.psi[0], a, drift + restoring, chain.psi, symbols, self.bounds)
        super().__init__(sp.Matrix(rows), chains, one_step.states, parameters, copies)

    @property
    def action_box(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The actions among which a curved row was linearised."""
        return self.one_step.action_box

    @property
    def max_kappa(self) -> float:
        """Largest permissible scale of the restoring terms, ``1 / gamma`` with the greatest last gain."""
        return 1.0 / max(chain.gain for chain in self.chains)

    def _row(self, chain: Chain, symbols: Sequence[sp.Symbol]) -> list[sp.Expr]:
        actions = self.one_step.actions
        if is_affine(chain.change, actions):
            middle = [0.0] * len(actions)
        else:
            middle = self._middle(chain)
            refuse_kinks(chain.psi, symbols, self.bounds)
            self._refuse_concave(chain, symbols, middle)
        at_middle = dict(zip(actions, middle, strict=True))
        a = [sp.diff(chain.change, u).subs(at_middle) for u in actions]
        offset = sp.Add(*(slope * value for slope, value in zip(a, middle, strict=True)))
        return [*a, chain.change.subs(at_middle) - offset, chain.restoring]

    def _middle(self, chain: Chain) -> list[float]:
        if self.one_step.action_box is None:
            raise ConfigurationError(
                f"Found h = {chain.psi[0]}, which the action reaches at step {chain.degree} and bends; expected the "
                "action box, over whose middle the row is linearised. Pass `action_box=(low, high)` to `OneStepMap`, "
                "or look ahead, with an h such as `limit - (x + lead * speed)` that the next action moves in a line."
            )
        low, high = self.one_step.action_box
        return [float(value) for value in 0.5 * (low + high)]

    def _refuse_concave(self, chain: Chain, symbols: Sequence[sp.Symbol], middle: Sequence[float]) -> None:
        """Refuse if the tangent at the middle lies above the function anywhere that was tried."""
        actions = self.one_step.actions
        assert self.one_step.action_box is not None
        limits = dict(zip(actions, zip(*self.one_step.action_box, strict=True), strict=True))
        slopes = [sp.diff(chain.change, u) for u in actions]
        evaluate = SymbolicArray(sp.Matrix([chain.change, *slopes, *chain.psi]), (tuple(symbols), actions))
        states = draw(symbols, self.bounds, NUM_CURVATURE_CHECKS)
        tried = draw(actions, limits, NUM_CURVATURE_CHECKS, seed=1)
        at_middle, value = evaluate(states, np.asarray(middle))[..., 0], evaluate(states, tried)[..., 0]
        num = len(actions)
        tangent = at_middle[:, 0] + (at_middle[:, 1 : 1 + num] * (tried - middle)).sum(axis=-1)
        safe = (at_middle[:, 1 + num :] >= 0.0).all(axis=-1)
        above = np.where(safe, tangent - value[:, 0], -np.inf)
        worst = int(np.nanargmax(above))
        if above[worst] > 1e-9 * (1.0 + abs(value[worst, 0])):
            point = zip((*symbols, *actions), (*states[worst], *tried[worst]), strict=True)
            where = ", ".join(f"{symbol} = {number:.4g}" for symbol, number in point)
            raise ConfigurationError(
                f"Found h = {chain.psi[0]}, which after one step is not convex in the actions: at {where} its tangent "
                f"overestimates it by {above[worst]:.3g}, so no linear row is safe. State the barrier as half planes, "
                "or use the continuous `SymbolicBarrier` with a margin."
            )

    def _action_symbols(self) -> Sequence[sp.Symbol]:
        return self.one_step.actions
