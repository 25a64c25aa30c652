"""Barriers whose ``h`` is a torch function: a network, a lookup, anything that autograd understands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch as th
from torch.func import jacrev, jvp, vmap

from sb3_barriernet.barriers.chain import Gains
from sb3_barriernet.barriers.gains import check_gain, largest_kappa
from sb3_barriernet.barriers.sampling import draw
from sb3_barriernet.barriers.sampling_margin import check_margin
from sb3_barriernet.errors import ConfigurationError, GainError, RowShapeError
from sb3_barriernet.systems.control_affine import ControlAffineSystem

BarrierFunction = Callable[[th.Tensor], th.Tensor]

NUM_CHECKS = 256
ZERO = 1e-9


class AutogradBarrier:
    """Rows of the chain (1), (2) of :mod:`~sb3_barriernet.barriers.chain`, differentiated by torch.

    Nothing is known about ``h`` beyond its derivatives, so no margin can be certified: give one, and try to break
    it with :func:`~sb3_barriernet.evaluation.invariance.assert_invariant`.

    :param system: the dynamics
    :param h: maps one state ``(N,)`` to the barrier functions ``(H,)``, float64, ``degree`` times differentiable
    :param degree: the relative degree ``r``, the same for all of ``h``; checked at random states
    :param alpha: class-K gains, 1/s: one for all, or ``r``; the last needs ``alpha * dt <= 1``
    :param margin: taken off every row, in units of the rate of the last ``psi``
    :raises GainError: if a gain is not positive or too large for ``dt``, or their number is wrong
    :raises ConfigurationError: if the action shows up earlier than ``degree`` says, or not then
    """

    def __init__(
        self,
        system: ControlAffineSystem,
        h: BarrierFunction,
        *,
        margin: float,
        degree: int = 1,
        alpha: Gains = 2.0,
    ):
        self.system, self.h, self.degree, self.margin = system, h, int(degree), check_margin(margin)
        self.alpha = _gains(alpha, self.degree, system.dt)
        self._num_functions = _count(h, system.state_dim)
        self._check_degree()

    @property
    def action_dim(self) -> int:
        """``M``."""
        return self.system.action_dim

    @property
    def num_rows(self) -> int:
        """``K``: one row for each barrier function."""
        return self._num_functions

    @property
    def max_kappa(self) -> float:
        """Largest permissible scale of the restoring terms, ``1 / (alpha dt)`` with the last gain."""
        return largest_kappa(self.alpha[-1], self.system.dt)

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Barrier rows ``(..., K, M + 2)`` at states ``(..., N)``."""
        x = self._states(x)
        rows = vmap(self._rows_at)(th.from_numpy(x.reshape(-1, x.shape[-1])))
        return rows.detach().numpy().reshape(*x.shape[:-1], self.num_rows, -1)

    def start_values(self, x: np.ndarray) -> np.ndarray:
        """``psi_0 .. psi_{r-1}`` of all functions, flat ``(..., H r)``."""
        x = self._states(x)
        values = vmap(self._start_at)(th.from_numpy(x.reshape(-1, x.shape[-1])))
        return values.detach().numpy().reshape(*x.shape[:-1], -1)

    def _states(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64, order="C")  # torch reads no array backwards
        if x.shape[-1:] != (self.system.state_dim,):
            raise RowShapeError(
                f"Found states of shape {x.shape}; expected (..., {self.system.state_dim}): "
                f"{list(self.system.states)}. Let the state reader return them as one array, in this order."
            )
        return x

    def _rows_at(self, x: th.Tensor) -> th.Tensor:
        last = self.degree - 1
        authority = jacrev(lambda state: self._psi(state, last))(x) @ self.system.actuation_tensor(x)
        psi, drift = self._along_drift(x, last)
        columns = [drift - self.margin, self.alpha[-1] * psi]
        return th.cat([authority, th.stack(columns, dim=-1)], dim=-1)

    def _start_at(self, x: th.Tensor) -> th.Tensor:
        return th.stack([self._psi(x, order) for order in range(self.degree)], dim=-1)

    def _psi(self, x: th.Tensor, order: int) -> th.Tensor:
        if order == 0:
            return self.h(x)
        psi, drift = self._along_drift(x, order - 1)
        return drift + self.alpha[order - 1] * psi

    def _along_drift(self, x: th.Tensor, order: int) -> tuple[th.Tensor, th.Tensor]:
        """``psi_order`` and its Lie derivative along ``f``."""
        psi, drift = jvp(lambda state: self._psi(state, order), (x,), (self.system.drift_tensor(x),))  # type: ignore[misc]
        return psi, drift

    def _check_degree(self) -> None:
        states = th.from_numpy(draw(self.system.states, self.system.bounds, NUM_CHECKS))
        for order in range(self.degree):
            gradient = vmap(jacrev(lambda state, order=order: self._psi(state, order)))(states)
            authority = (gradient @ vmap(self.system.actuation_tensor)(states)).detach().abs()
            reached = bool((authority.amax(dim=(0, 2)) > ZERO).all())
            touched = bool((authority > ZERO).any())
            if (order < self.degree - 1 and touched) or (order == self.degree - 1 and not reached):
                found = "already enters" if order < self.degree - 1 else "does not enter"
                raise ConfigurationError(
                    f"Found that the action {found} derivative {order + 1} of h; expected it in derivative "
                    f"{self.degree} of all functions and no earlier one. Set `degree`, and stack barriers of "
                    "different degrees."
                )


def _count(h: BarrierFunction, state_dim: int) -> int:
    """How many barrier functions there are."""
    values = h(th.zeros(state_dim, dtype=th.float64))
    if not isinstance(values, th.Tensor) or values.ndim != 1 or values.dtype != th.float64:
        found = f"{values.dtype} of shape {tuple(values.shape)}" if isinstance(values, th.Tensor) else type(values)
        raise RowShapeError(
            f"Found that h maps one state to {found}; expected a float64 tensor (H,), one entry for each function. "
            "Index with slices, `x[:1]`, stack what you compute, and make networks `.double()`."
        )
    return len(values)


def _gains(alpha: Gains, degree: int, dt: float) -> tuple[float, ...]:
    gains = (float(alpha),) * degree if isinstance(alpha, int | float) else tuple(float(gain) for gain in alpha)
    if len(gains) != degree:
        raise GainError(f"Found {len(gains)} gains {gains}; expected {degree}, one for each derivative, or one number.")
    for inner in gains[:-1]:
        check_gain(inner, 0.0)
    check_gain(gains[-1], dt)
    return gains
