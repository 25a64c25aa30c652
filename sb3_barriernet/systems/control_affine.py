"""Control-affine systems, stated once in SymPy and run in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from sb3_barriernet.errors import ConfigurationError, RowShapeError
from sb3_barriernet.systems.expressions import SymbolicArray
from sb3_barriernet.systems.one_step import OneStepMap

Integrator = Literal["rk4", "euler", "semi_implicit"]
Bounds = Mapping[sp.Symbol, tuple[float, float]]

INTEGRATORS: tuple[Integrator, ...] = ("rk4", "euler", "semi_implicit")


class ControlAffineSystem:
    r"""``x' = f(x) + g(x) u``, sampled every ``dt`` with the action held in between.

    :param states: symbols of the state ``x (N,)``
    :param actions: symbols of the action ``u (M,)``
    :param f: drift, ``N`` expressions in the states
    :param g: actuation, ``N x M`` expressions in the states
    :param action_low: lower corner of the action box, a number or ``(M,)``
    :param action_high: upper corner, likewise
    :param dt: sampling period, s
    :param integrator: ``"rk4"`` follows the flow (one classical Runge-Kutta step, error ``O(dt^5)``); ``"euler"`` and
        ``"semi_implicit"`` are what textbook simulators do. Semi-implicit moves the states that an action drives
        first, the others then follow at the new rates.
    :param bounds: limits of states that the task keeps, in their units; what needs a bounded set reads them
    :param units: unit of each symbol, for people
    :param name: what the system is called
    :param source: where its equations come from
    :raises ConfigurationError: if shapes disagree, the box is empty or a symbol is unknown
    """

    def __init__(
        self,
        states: Sequence[sp.Symbol],
        actions: Sequence[sp.Symbol],
        f: Sequence[sp.Expr] | sp.Matrix,
        g: Sequence[Sequence[sp.Expr]] | sp.Matrix,
        *,
        action_low: ArrayLike,
        action_high: ArrayLike,
        dt: float,
        integrator: Integrator = "rk4",
        bounds: Bounds | None = None,
        units: Mapping[sp.Symbol, str] | None = None,
        name: str = "system",
        source: str = "",
    ):
        self.states, self.actions = tuple(states), tuple(actions)
        self.f, self.g = sp.ImmutableMatrix(f), sp.ImmutableMatrix(g)
        self.action_low = _corner(action_low, len(self.actions))
        self.action_high = _corner(action_high, len(self.actions))
        self.dt = float(dt)
        self.integrator = integrator
        self.bounds = dict(bounds or {})
        self.units = dict(units or {})
        self.name, self.source = name, source
        self._check()
        self._f = SymbolicArray(self.f, (self.states,))
        self._g = SymbolicArray(self.g, (self.states,))

    @property
    def state_dim(self) -> int:
        """``N``."""
        return len(self.states)

    @property
    def action_dim(self) -> int:
        """``M``."""
        return len(self.actions)

    def drift(self, x: np.ndarray) -> np.ndarray:
        """``f(x) (..., N)`` at states ``(..., N)``."""
        return self._f(x)[..., 0]

    def actuation(self, x: np.ndarray) -> np.ndarray:
        """``g(x) (..., N, M)`` at states ``(..., N)``."""
        return self._g(x)

    def rate(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """``x' (..., N)`` at states ``(..., N)`` and actions ``(..., M)``."""
        return self.drift(x) + (self.actuation(x) @ np.asarray(u, dtype=np.float64)[..., None])[..., 0]

    def drift_tensor(self, x: Any) -> Any:
        """``f(x) (..., N)`` for a torch tensor, differentiable."""
        return self._f.torch(x)[..., 0]

    def actuation_tensor(self, x: Any) -> Any:
        """``g(x) (..., N, M)`` for a torch tensor, differentiable."""
        return self._g.torch(x)

    def step(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """States ``(..., N)`` one sampling period later, by the system's integrator."""
        if self.integrator == "rk4":
            return runge_kutta(self, x, u, self.dt)
        return self.one_step()(x, u)

    def one_step(self) -> OneStepMap:
        """The step as symbols.

        :raises ConfigurationError: for the integrator ``"rk4"``, whose step is no closed expression
        """
        rates = self.f + self.g * sp.Matrix(self.actions)
        if self.integrator == "euler":
            step = [x + self.dt * rate for x, rate in zip(self.states, rates, strict=True)]
        elif self.integrator == "semi_implicit":
            step = self._semi_implicit(rates)
        else:
            raise ConfigurationError(
                f"Found the integrator {self.integrator!r} of {self.name}; a one-step map needs 'euler' or "
                "'semi_implicit', whose step is a formula. Use the continuous `SymbolicBarrier` instead."
            )
        box = (self.action_low, self.action_high)
        return OneStepMap(self.states, self.actions, step, action_box=box, bounds=self.bounds)

    def _semi_implicit(self, rates: sp.Matrix) -> list[sp.Expr]:
        driven = [i for i in range(self.state_dim) if any(self.g.row(i))]
        moved = {self.states[i]: self.states[i] + self.dt * rates[i] for i in driven}
        return [
            moved[x] if x in moved else x + self.dt * rate.xreplace(moved)
            for x, rate in zip(self.states, rates, strict=True)
        ]

    def _check(self) -> None:
        shapes = (self.f.shape, self.g.shape)
        expected = ((self.state_dim, 1), (self.state_dim, self.action_dim))
        if shapes != expected:
            raise RowShapeError(
                f"Found f and g of shapes {shapes} for {self.state_dim} states and {self.action_dim} actions; "
                f"expected {expected}. Write f as N expressions and g as N rows of M."
            )
        finite = np.isfinite(self.action_low) & np.isfinite(self.action_high)
        if not (finite & (self.action_low < self.action_high)).all():
            raise ConfigurationError(
                f"Found the action box {self.action_low} to {self.action_high}; expected finite limits, low < high. "
                "State what the actuators can do."
            )
        if not self.dt > 0.0 or self.integrator not in INTEGRATORS:
            raise ConfigurationError(
                f"Found dt = {self.dt} and the integrator {self.integrator!r}; expected a positive period in seconds "
                f"and one of {INTEGRATORS}."
            )


def runge_kutta(system: ControlAffineSystem, x: np.ndarray, u: np.ndarray, duration: float) -> np.ndarray:
    """States ``(..., N)`` after ``duration`` seconds under a held action, by one classical Runge-Kutta step."""
    k1 = system.rate(x, u)
    k2 = system.rate(x + 0.5 * duration * k1, u)
    k3 = system.rate(x + 0.5 * duration * k2, u)
    k4 = system.rate(x + duration * k3, u)
    return x + duration / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def _corner(value: ArrayLike, size: int) -> np.ndarray:
    corner = np.asarray(value, dtype=np.float64)
    if corner.shape not in ((), (size,)):
        raise RowShapeError(f"Found action limits of shape {corner.shape}; expected a number or ({size},).")
    return np.broadcast_to(corner, (size,)).copy()
