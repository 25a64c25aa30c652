"""One-step rows from the simulator itself, where its step is not a formula."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from sb3_barriernet.barriers.gains import check_share
from sb3_barriernet.barriers.one_step_barrier import SHRINK
from sb3_barriernet.errors import ConfigurationError, RowShapeError
from sb3_barriernet.rows import EXTRA_COLUMNS, check_action_space

AT_AN_END = 1e-6
"""A backup this close to an end of the box, as a share of the range, has nothing to probe on that side."""

ROUND_OFF = 0.01
"""Share of ``shrink`` left to round-off: so little below zero, a row asks for no recovery but only for no loss, which
a backup that keeps ``h`` can give. Actions rounded to float32 end there."""


class SimulatedBarrier:
    r"""Rows that keep ``h(x) >= 0`` at every step of a simulator that can be started in any state.

    With :math:`H(u) = h(x^+(u))` simulated at a backup action ``b`` and, one axis at a time, at the farther end of the
    action box, and the slopes :math:`s_j` in between, the row is (5) of ``docs/theory.md`` in numbers:

    .. math:: H(b) + s \cdot (u - b) - (1 - \kappa\gamma)\, h(x) \ge 0, \qquad 0 < \kappa\gamma \le 1 .

    It is exact, to round-off, where ``H`` is affine, and at ``b`` anywhere. So if ``b`` never lowers ``h``, as braking
    does where ``h`` counts the way to a stop, some action satisfies every row in every safe state.

    Where ``H`` bends, ``pieces=n`` states one row for each of the ``2^M`` quadrants around ``b``: a plane through
    ``H(b)``, on or below ``H`` at the other nodes of a grid that cuts every side of the quadrant into ``n``.
    *Claim.* Where ``H`` is concave along every axis, whatever its mixed derivatives, it lies above the plane in the
    whole quadrant. *Proof.* In every cell it lies above the multilinear interpolation of the cell's corners, one axis
    after the other; and that minus the plane is multilinear, so least at a corner, where it is not negative. ∎

    Where ``H`` may bend the other way too, but no more than :math:`\partial^2 H / \partial u_j^2 \le B_j`, a node
    counts :math:`4 E_j = B_j w_j^2 / 2` less for every axis along which it is away from ``b``, ``w_j`` the width of a
    cell. *Proof.* Along an axis ``H`` lies at most :math:`4 E_j t (1 - t)` below its interpolation, ``t`` in [0, 1] the
    place in the cell: no more than the :math:`4 E_j t` that the nodes' discount comes to in the cell next to ``b``, nor
    than the :math:`4 E_j` of all other cells. ∎

    What bends more than that is up to ``shrink``; :meth:`excess` measures by how much.

    :param simulate: the next states ``(P, N)`` from one state ``(N,)`` and actions ``(P, M)``, the same ones whenever
        it is asked
    :param h: barrier functions ``(..., H)`` of states ``(..., N)``, safe where ``>= 0``
    :param num_functions: ``H``
    :param action_space: bounded box ``(M,)``
    :param gamma: share of ``h`` that one step may use up, ``0 < gamma <= 1``
    :param backup: the action ``b (M,)`` at a state; by default the middle of the box
    :param pieces: ``n``: ``2^M`` rows for each function from ``(2 n + 2)^M`` probes; by default one row from ``M + 1``
    :param bend: ``B (M,)`` at a state, in the unit of ``h`` over that of the action squared; by default zero
    :param shrink: taken off every ``h``, in its unit
    :raises ActionSpaceError: if the actions cannot be filtered
    :raises GainError: if the gain is not in (0, 1]
    :raises ConfigurationError: if ``bend`` is given for a single row

    ``h``, ``backup`` and ``bend`` also get what :meth:`rows` gets beside the state, such as obstacles.
    """

    def __init__(
        self,
        simulate: Callable[[np.ndarray, np.ndarray], np.ndarray],
        h: Callable[..., np.ndarray],
        num_functions: int,
        action_space: spaces.Box,
        gamma: float = 0.5,
        *,
        backup: Callable[..., Any] | None = None,
        pieces: int = 0,
        bend: Callable[..., Any] | None = None,
        shrink: float = SHRINK,
    ):
        check_action_space(action_space)
        check_share(gamma)
        _check_pieces(pieces, bend)
        self.simulate, self.h, self.num_functions = simulate, h, int(num_functions)
        self.low, self.high = action_space.low.astype(np.float64), action_space.high.astype(np.float64)
        self.gamma, self.backup, self.shrink = float(gamma), backup, float(shrink)
        self.pieces, self.bend = int(pieces), bend
        self._nodes = _nodes(self.action_dim, self.pieces) if self.pieces else _ends(self.action_dim)
        self._upwards = np.array(list(itertools.product((False, True), repeat=self.action_dim)))

    @property
    def action_dim(self) -> int:
        """``M``."""
        return len(self.low)

    @property
    def num_rows(self) -> int:
        """``K``: ``H`` rows, or ``2^M H`` where the step is curved."""
        return self.num_functions * (2**self.action_dim if self.pieces else 1)

    def rows(self, x: np.ndarray, *parameters: np.ndarray) -> np.ndarray:
        """Barrier rows ``(..., K, M + 2)`` at states ``(..., N)``, simulated one state after the other."""
        x = np.asarray(x, dtype=np.float64)
        if not parameters:
            return self._rows_at(x)
        rows = np.empty((*x.shape[:-1], self.num_rows, self.action_dim + EXTRA_COLUMNS))
        for index in np.ndindex(x.shape[:-1]):  # `h` need not broadcast parameters against probes
            rows[index] = self._rows_at(x[index], *(values[index] for values in parameters))
        return rows

    def start_values(self, x: np.ndarray, *parameters: np.ndarray) -> np.ndarray:
        """``h``, shrunk, ``(..., H)``."""
        values = self.h(np.asarray(x, dtype=np.float64), *parameters) - self.shrink
        self._check(values)
        return values

    def excess(self, x: np.ndarray, actions: np.ndarray, *parameters: np.ndarray) -> np.ndarray:
        """By how much the rows promise more than ``h`` after the step, ``(P, H)``, in the unit of ``h``.

        :param x: one state ``(N,)``
        :param actions: ``(P, M)``
        """
        a, drift, _ = np.split(self._rows_at(x, *parameters), [self.action_dim, self.action_dim + 1], axis=-1)
        change = (a @ actions.T + drift).reshape(-1, self.num_functions, len(actions)).min(axis=0).T
        after = self.start_values(self.simulate(x, actions), *parameters)
        return change + self.start_values(x, *parameters) - after

    def _rows_at(self, x: np.ndarray, *parameters: np.ndarray) -> np.ndarray:
        """Rows at one state ``(N,)``, or at many ``(..., N)`` where there are no parameters."""
        backup = self._backup_at(x, *parameters)
        sides = self._sides(backup)
        probes = backup[..., None, None, :] + self._nodes * sides[..., None, :]
        values = self.start_values(self._simulate(x, probes), *parameters)
        values = values.reshape(*probes.shape[:-1], self.num_functions)
        if self.bend is not None:
            values = values - self._discount(self.bend(x, *parameters), sides)[..., None]
        a = np.swapaxes(_planes_below(self._nodes, values) / sides[..., None], -2, -1)
        now = self.start_values(x, *parameters)[..., None, :]
        rows = np.empty((*a.shape[:-1], self.action_dim + EXTRA_COLUMNS))
        rows[..., : self.action_dim] = a
        rows[..., -2] = values[..., 0, :] - (a * backup[..., None, None, :]).sum(axis=-1) - now
        nothing_back = (now < 0.0) & (now > -ROUND_OFF * self.shrink)
        rows[..., -1] = np.where(nothing_back, 0.0, self.gamma * now)
        return rows.reshape(*x.shape[:-1], self.num_rows, -1)

    def _discount(self, bend: np.ndarray, sides: np.ndarray) -> np.ndarray:
        """What the nodes count less ``(..., Q, V)`` where ``h`` bends upwards between them."""
        most = 0.5 * np.asarray(bend)[..., None, :] * (sides / self.pieces) ** 2
        return most @ (self._nodes > 0.0).T

    def _backup_at(self, x: np.ndarray, *parameters: np.ndarray) -> np.ndarray:
        """Backup actions ``(..., M)``."""
        if self.backup is None:
            return np.broadcast_to(0.5 * (self.low + self.high), (*x.shape[:-1], self.action_dim))
        actions = np.empty((*x.shape[:-1], self.action_dim))
        for index in np.ndindex(x.shape[:-1]):
            actions[index] = self.backup(x[index], *parameters)
        return np.clip(actions, self.low, self.high)

    def _simulate(self, x: np.ndarray, probes: np.ndarray) -> np.ndarray:
        """Next states ``(..., P, N)`` of states ``(..., N)`` under actions ``(..., Q, V, M)``, ``P = Q V``."""
        probes = probes.reshape(*x.shape[:-1], -1, self.action_dim)
        after = np.stack([self.simulate(x[index], probes[index]) for index in np.ndindex(x.shape[:-1])])
        return after.reshape(*probes.shape[:-1], -1)

    def _sides(self, backup: np.ndarray) -> np.ndarray:
        """Ways ``(..., Q, M)`` from the backup to corners of the box: the farthest, or one in every quadrant."""
        down, up = self.low - backup, self.high - backup
        farther = np.where(up >= -down, up, down)
        if not self.pieces:
            return farther[..., None, :]
        nothing = AT_AN_END * (self.high - self.low)
        down, up = (np.where(np.abs(side) > nothing, side, farther)[..., None, :] for side in (down, up))
        return np.where(self._upwards, up, down)

    def _check(self, values: np.ndarray) -> None:
        if values.shape[-1] != self.num_functions:
            raise RowShapeError(
                f"Found barrier functions of shape {values.shape}; expected (..., {self.num_functions}). Let `h` map "
                "states (..., N) to (..., H) and pass `num_functions=H`."
            )


def _check_pieces(pieces: int, bend: Callable[..., Any] | None) -> None:
    if pieces < 0 or (bend is not None and not pieces):
        raise ConfigurationError(
            f"Found pieces = {pieces}{' with a bound on how h bends' if bend is not None else ''}; expected none where "
            "the step is affine, and one or more where it bends. Pass `pieces=3`, more where the bound is loose."
        )


def _ends(action_dim: int) -> np.ndarray:
    """Ways to leave the backup as shares of the sides, ``(V, M)``: none, and each axis alone to its end."""
    return np.concatenate([np.zeros((1, action_dim)), np.eye(action_dim)])


def _nodes(action_dim: int, pieces: int) -> np.ndarray:
    """A grid over the sides, ``(V, M)`` in [0, 1], the backup first."""
    return np.array(list(itertools.product(np.linspace(0.0, 1.0, pieces + 1), repeat=action_dim)))


def _planes_below(nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Slopes ``(..., M, H)`` of planes through the first of ``values (..., V, H)`` and above none of them."""
    rises, away = values[..., 1:, :] - values[..., :1, :], nodes[1:]
    distance = away.sum(axis=-1)
    slopes = rises / distance[:, None]
    along = np.stack([slopes[..., on_axis, :].min(axis=-2) for on_axis in (away == distance[:, None]).T], axis=-2)
    above = np.einsum("vm,...mh->...vh", away / distance[:, None], along) - slopes
    return along - np.maximum(above.max(axis=-2, keepdims=True), 0.0)
