"""What a projection returns."""

from __future__ import annotations

import enum
from typing import NamedTuple

import torch
from torch import Tensor


class Status(enum.IntEnum):
    """Outcome of one sample."""

    INACTIVE = 0
    """Every row already holds at the box projection of ``u_nom``. A clip to the box alone is no intervention."""
    ACTIVE = 1
    """At least one row changed the action; every row holds."""
    INFEASIBLE = 2
    """No action in the box satisfies every row. The action breaks the rows as little as possible."""
    INVALID = 3
    """NaN or infinity in this sample, or an empty box. The action is the backup action."""


class Projection(NamedTuple):
    """Actions and what was done to them, one entry a sample."""

    action: Tensor
    """``(B, M)``, dtype of ``u_nom``: the safe action, inside the box to the last bit."""
    slack: Tensor
    """``(B,)`` float64: ``max(0, max_k -(A_k u + c_k))``, the worst remaining violation in the row's own
    units. Exactly 0 unless the status is ``INFEASIBLE``; infinite where it is ``INVALID``."""
    status: Tensor
    """``(B,)`` int8: a :class:`Status`."""
    faces: Tensor
    """``(B, M + 2)`` int16: the active set in short form. Column 0 counts the faces that fix the least
    possible violation (0 unless infeasible, -1 if invalid); they come first in columns 1 and on. Indices
    ``k < K`` are rows, ``K + j`` the lower and ``K + M + j`` the upper bound of action ``j``; -1 fills up."""
    num_rows: int
    """``K``."""

    @property
    def active(self) -> Tensor:
        """Active set as a mask ``(B, K + 2 M)``: rows, then lower bounds, then upper bounds."""
        batch, dim = self.action.shape
        indices = self.faces[:, 1:].long()
        width = self.num_rows + 2 * dim
        mask = torch.zeros((batch, width + 1), dtype=torch.bool, device=self.faces.device)
        return mask.scatter(1, torch.where(indices < 0, width, indices), True)[:, :width]
