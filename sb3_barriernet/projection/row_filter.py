"""From a batch of observed rows and nominal actions to safe actions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

from sb3_barriernet.errors import ConfigurationError, NormalizedRowsError, UnsafeActionWarning
from sb3_barriernet.projection import Projection, Status, project
from sb3_barriernet.projection.registry import get_backend
from sb3_barriernet.rows import BARRIER_KEY, split_rows


class RowFilter(nn.Module):
    """The projection of one action space: its box, weight, backend and backup action.

    :param action_space: bounded box of shape ``(M,)``
    :param weight: projection weight ``W``: diagonal ``(M,)`` or matrix ``(M, M)`` in raw action units; by
        default ``diag(1 / half_range^2)``, which measures every actuator by its own range
    :param backend: name of the projection backend, by default the fastest for the device
    :param backup_action: ``(M,)``, taken where rows or nominal action are not finite; by default the
        action of the box closest to zero
    :raises ConfigurationError: (a subclass) if one of these cannot work
    """

    low: th.Tensor
    high: th.Tensor
    weight: th.Tensor
    backup: th.Tensor

    def __init__(
        self,
        action_space: spaces.Box,
        *,
        weight: Any = None,
        backend: str | None = None,
        backup_action: Any = None,
    ):
        super().__init__()
        low, high = action_space.low.astype(np.float64), action_space.high.astype(np.float64)
        if weight is None:
            weight = 4.0 / (high - low) ** 2
        if backup_action is None:
            backup_action = np.clip(0.0, low, high)
        if backend is not None:
            get_backend(backend)  # refuses unknown names now, not at the first action
        self.backend = backend
        for name, value in (("low", low), ("high", high), ("weight", weight), ("backup", backup_action)):
            # Settings, not weights: they come from the constructor, not from the checkpoint.
            self.register_buffer(name, th.as_tensor(np.asarray(value, dtype=np.float64)), persistent=False)
        _check_weight(self.weight, len(low))
        _check_backup(self.backup, self.low, self.high)

    def forward(self, rows: th.Tensor, nominal: th.Tensor, kappa: th.Tensor | float = 1.0) -> Projection:
        """Project ``nominal (B, M)`` onto ``rows (B, K, M + 2)``.

        :param kappa: scale of the restoring terms, a number or ``(B, K)``
        :raises NormalizedRowsError: if the rows are not float64, as they leave every barrier
        """
        if rows.dtype is not th.float64:
            raise NormalizedRowsError(
                f"Found {BARRIER_KEY!r} rows of dtype {rows.dtype}; barriers publish float64. Most likely VecNormalize "
                "made another barrier of them. Leave them out of it: `norm_obs_keys=[...]` names the other keys."
            )
        A, c = split_rows(rows, kappa)
        return project(nominal, A, c, self.low, self.high, weight=self.weight, backend=self.backend, backup=self.backup)


def warn_if_unsafe(projection: Projection) -> None:
    """Flag actions that break a row or replace one that could not be computed."""
    status = projection.status
    if int(status.max()) < Status.INFEASIBLE:
        return
    infeasible, invalid = int((status == Status.INFEASIBLE).sum()), int((status == Status.INVALID).sum())
    warnings.warn(
        f"{infeasible} of {len(status)} row sets are infeasible (worst violation {float(projection.slack.max()):.3g}; "
        f"the action of least violation was returned) and {invalid} hold NaN or infinity (the backup action was "
        "returned). The status of each action is in `.projection.status`. Infeasible rows mean that the barriers "
        "and the action box contradict each other in this state.",
        UnsafeActionWarning,
        stacklevel=5,
    )


def _check_weight(weight: th.Tensor, action_dim: int) -> None:
    if weight.shape not in ((action_dim,), (action_dim, action_dim)):
        raise ConfigurationError(
            f"Found projection_weight of shape {tuple(weight.shape)}; expected ({action_dim},), a positive diagonal, "
            f"or ({action_dim}, {action_dim}), a positive definite matrix. Without it, actuators are measured by "
            "their range."
        )
    diagonal = weight if weight.ndim == 1 else th.linalg.eigvalsh(weight)
    if not bool(th.isfinite(diagonal).all() and (diagonal > 0.0).all()):
        raise ConfigurationError(
            f"Found projection_weight {weight.tolist()}; expected positive weights, or a positive definite matrix."
        )


def _check_backup(backup: th.Tensor, low: th.Tensor, high: th.Tensor) -> None:
    if backup.shape != low.shape or not bool(((backup >= low) & (backup <= high)).all()):
        raise ConfigurationError(
            f"Found the backup action {backup.tolist()}; expected {len(low)} numbers inside the action box "
            f"[{low.tolist()}, {high.tolist()}]. Choose one that is safe to take blindly, such as standing still."
        )
