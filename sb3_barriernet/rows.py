"""The one contract between environments and policies: the layout of barrier rows.

A barrier turns a state into rows that are linear in the action ``u``; the state-action
pair is safe if and only if every row holds:

.. math:: a_i \\cdot u + \\mathrm{drift}_i + \\kappa\\,\\mathrm{restoring}_i \\ge 0 .

Rows travel in the observation dictionary under :data:`BARRIER_KEY` as a float64 array of
shape ``(K, M + 2)``: columns ``[a (M) | drift (1) | restoring (1)]``, ``M`` the action
dimension in raw action units, ``K`` the fixed maximum number of rows. Rows that an episode
does not need are *padding*: ``a = 0, drift = 1, restoring = 0``, always satisfied and well
scaled. A huge right-hand side would be satisfied too, but it breaks solvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from gymnasium import spaces

from sb3_barriernet.errors import ActionSpaceError, ConfigurationError, MissingRowsError, RowShapeError

BARRIER_KEY = "barrier"
"""Key of the rows in the observation dictionary."""

EXTRA_COLUMNS = 2
"""Columns of a row beside the action coefficients: drift and restoring."""

ArrayOrTensor = TypeVar("ArrayOrTensor", bound=Any)


class RowsSpace(spaces.Box):
    """Observation space of ``num_rows`` rows; it remembers the action box that the rows speak about.

    Knowing the box lets a features extractor express rows in normalised action units without
    being told the action space, so the same extractor serves every SB3 algorithm.

    :param num_rows: ``K``
    :param action_space: bounded box of shape ``(M,)``
    :param max_kappa: largest scale of the restoring terms under which the rows still keep the system safe; 1 is
        always fine, more depends on how fast the barrier samples
    """

    def __init__(self, num_rows: int, action_space: spaces.Box, max_kappa: float = 1.0):
        shape = (num_rows, action_space.shape[0] + EXTRA_COLUMNS)
        super().__init__(-np.inf, np.inf, shape=shape, dtype=np.float64)
        self.action_low = action_space.low.astype(np.float64)
        self.action_high = action_space.high.astype(np.float64)
        self.max_kappa = float(max_kappa)


def padding_rows(num_rows: int, action_dim: int) -> np.ndarray:
    """Rows that every action satisfies, shape ``(num_rows, action_dim + 2)``."""
    rows = np.zeros((num_rows, action_dim + EXTRA_COLUMNS))
    rows[:, action_dim] = 1.0
    return rows


def split_rows(rows: ArrayOrTensor, kappa: float | ArrayOrTensor = 1.0) -> tuple[ArrayOrTensor, ArrayOrTensor]:
    """Split rows ``(..., K, M + 2)`` into ``A (..., K, M)`` and ``c (..., K)``.

    Works on NumPy arrays and torch tensors alike.

    :param rows: barrier rows
    :param kappa: scale of the restoring column, a number or one for each row ``(..., K)``; any positive value keeps
        the safe set invariant, sampled in time as long as ``kappa * alpha * dt <= 1``
    :return: ``A`` and ``c = drift + kappa * restoring``, so that a row holds iff ``A u + c >= 0``
    """
    return rows[..., :-EXTRA_COLUMNS], rows[..., -2] + kappa * rows[..., -1]


def tightened(rows: ArrayOrTensor, distance: float | ArrayOrTensor) -> ArrayOrTensor:
    """Rows whose faces lie further inside, as a copy; padding stays padding.

    Works on NumPy arrays and torch tensors alike.

    :param rows: barrier rows ``(..., K, M + 2)``
    :param distance: how far, in action units; ``(M,)`` measures every action by its own scale, so that
        ``0.1 * half_range`` is a tenth of the half range of the action box in every direction
    """
    given_up = ((rows[..., :-EXTRA_COLUMNS] * distance) ** 2).sum(-1) ** 0.5
    inner = rows * 1.0
    inner[..., -2] -= given_up
    return inner


def row_groups(groups: Sequence[int] | None, num_rows: int) -> np.ndarray:
    """Which of ``G`` gains each row takes, ``(K,)``.

    :param groups: indices ``0 .. G - 1``, one for each row; None for one gain that all share
    :raises ConfigurationError: unless there is one for each row and every gain is taken by some row
    """
    if groups is None:
        return np.zeros(num_rows, dtype=np.int64)
    found = np.asarray(groups)
    if found.shape != (num_rows,) or set(found.tolist()) != set(range(len(set(found.tolist())))):
        raise ConfigurationError(
            f"Found gain_groups={list(groups)}; expected {num_rows} whole numbers, one for each row, that use every "
            "index from 0 on. Rows with the same number share a gain; without gain_groups all rows do."
        )
    return found.astype(np.int64)


def check_spaces(observation_space: spaces.Space, action_space: spaces.Space) -> None:
    """Refuse spaces that a barrier policy cannot work with.

    :raises ActionSpaceError: unless actions are a bounded one-dimensional ``Box``
    :raises MissingRowsError: if observations carry no rows
    :raises RowShapeError: if the rows do not fit the actions
    """
    check_action_space(action_space)
    if not isinstance(observation_space, spaces.Dict) or BARRIER_KEY not in observation_space.spaces:
        raise MissingRowsError(
            f"The observation space {observation_space} has no {BARRIER_KEY!r} key, so there is nothing "
            "to project onto. Wrap every environment before it is vectorised: "
            "`env = BarrierObservation(env, barrier, state)`, or "
            "`PursuitEvasionBarrier(env)` for the tasks of this package. If it is wrapped already, a wrapper outside "
            "dropped or flattened the rows: put that below the barrier."
        )
    assert isinstance(action_space, spaces.Box)
    rows = observation_space.spaces[BARRIER_KEY]
    _check_rows_space(rows, action_space.shape[0])
    if isinstance(rows, RowsSpace):
        _check_same_box(rows, action_space)


def check_action_space(action_space: spaces.Space) -> None:
    """Refuse actions that no box-constrained projection can filter.

    :raises ActionSpaceError: unless the space is a bounded one-dimensional ``Box`` of some width
    """
    if not isinstance(action_space, spaces.Box):
        raise ActionSpaceError(
            f"Found the action space {action_space}; a barrier filters continuous actions. "
            "Use an environment with a bounded `gymnasium.spaces.Box`."
        )
    if len(action_space.shape) != 1:
        raise ActionSpaceError(
            f"Found actions of shape {action_space.shape}; expected one dimension, (M,). "
            "Flatten the action space of the environment."
        )
    if not action_space.is_bounded():
        raise ActionSpaceError(
            f"Found the unbounded action space {action_space} (low {action_space.low}, high "
            f"{action_space.high}); the action box is part of the projection. Declare the actuator limits "
            "as finite `low` and `high`."
        )
    if not (action_space.low < action_space.high).all():
        raise ActionSpaceError(
            f"Found the action space {action_space}, in which some action has no range (low {action_space.low}, high "
            f"{action_space.high}). Leave actions that are fixed out of the action space."
        )


def check_observed_rows(observation: Any, space: spaces.Space) -> None:
    """Refuse an observation without its rows, or with rows of another shape, which SB3 would bring into shape.

    :param observation: of one environment or a batch
    :param space: that of the observations
    :raises MissingRowsError: if there are none
    :raises RowShapeError: unless they are ``(K, M + 2)`` or ``(B, K, M + 2)``
    """
    assert isinstance(space, spaces.Dict)
    expected = space.spaces[BARRIER_KEY].shape
    if not isinstance(observation, dict) or BARRIER_KEY not in observation:
        raise MissingRowsError(
            f"Found an observation without {BARRIER_KEY!r} rows; expected those of this state, of shape {expected}. "
            "Pass on what the wrapped environment returned, whole."
        )
    found = np.shape(observation[BARRIER_KEY])
    if found != expected and found[1:] != expected:
        raise RowShapeError(
            f"Found {BARRIER_KEY!r} rows of shape {found}; expected {expected}, or a batch of them. Pass rows on as "
            "the environment returned them."
        )


def _check_rows_space(space: spaces.Space, action_dim: int) -> None:
    width = action_dim + EXTRA_COLUMNS
    shape = getattr(space, "shape", None)
    if not isinstance(space, spaces.Box) or shape is None or len(shape) != 2 or shape[1] != width:
        raise RowShapeError(
            f"Found {BARRIER_KEY!r} rows of space {space}; expected a Box of shape (K, {width}): "
            f"{action_dim} action coefficients, drift, restoring. "
            "Frame stacking and flattening change this shape: exclude the rows from them."
        )
    if space.dtype != np.float64:
        raise RowShapeError(
            f"Found {BARRIER_KEY!r} rows of dtype {space.dtype}; expected float64, because a row rounded "
            "to float32 no longer certifies the action. Keep the rows in float64."
        )


def _check_same_box(rows: RowsSpace, action_space: spaces.Box) -> None:
    if not (np.array_equal(rows.action_low, action_space.low) and np.array_equal(rows.action_high, action_space.high)):
        raise RowShapeError(
            f"Found rows over the action box [{rows.action_low}, {rows.action_high}] and the action space "
            f"{action_space}: a wrapper outside the barrier changes the actions, so the rows speak about others. "
            "Wrap the barrier last, around everything that touches actions, and state it in those actions."
        )
