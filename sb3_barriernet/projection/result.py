"""What a projection returns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor

from sb3_barriernet.projection.details import Details


class Projection:
    """Actions and what was done to them, one entry a sample.

    * ``action (B, M)``, dtype of ``u_nom``: the safe action, inside the box to the last bit.
    * ``slack (B,)`` float64: ``max(0, max_k -(A_k u + c_k))``, the worst remaining violation in the row's own
      units. Exactly 0 unless the status is ``INFEASIBLE``; infinite where it is ``INVALID``.
    * ``status (B,)`` int8: a :class:`~sb3_barriernet.projection.status.Status`.
    * ``faces (B, M + 2)`` int16: the active set in short form. Column 0 counts the faces that fix the least
      possible violation (0 unless infeasible, -1 if invalid); they come first in columns 1 and on. Indices
      ``k < K`` are rows, ``K + j`` the lower and ``K + M + j`` the upper bound of action ``j``; -1 fills up.
    * ``num_rows``: ``K``.

    A compiled backend leaves the last three in its own memory until somebody asks for them.
    """

    __slots__ = ("_details", "_faces", "_slack", "_status", "action", "num_rows")

    def __init__(
        self,
        action: Tensor,
        slack: Tensor | None,
        status: Tensor | None,
        faces: Tensor | None,
        num_rows: int,
        details: Details | None = None,
    ):
        self.action = action
        self.num_rows = num_rows
        self._slack, self._status, self._faces = slack, status, faces
        self._details = details

    @property
    def slack(self) -> Tensor:
        if self._slack is None:
            assert self._details is not None
            self._slack = self._details.slack()
        return self._slack

    @property
    def status(self) -> Tensor:
        if self._status is None:
            assert self._details is not None
            self._status = self._details.status()
        return self._status

    @property
    def faces(self) -> Tensor:
        if self._faces is None:
            assert self._details is not None
            self._faces = self._details.faces()
        return self._faces

    @property
    def active(self) -> Tensor:
        """Active set as a mask ``(B, K + 2 M)``: rows, then lower bounds, then upper bounds."""
        batch, dim = self.action.shape
        indices = self.faces[:, 1:].long()
        width = self.num_rows + 2 * dim
        mask = torch.zeros((batch, width + 1), dtype=torch.bool, device=self.faces.device)
        return mask.scatter(1, torch.where(indices < 0, width, indices), True)[:, :width]

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled as tensors, since nobody else has the backend's memory."""
        return Projection, (self.action, self.slack, self.status, self.faces, self.num_rows)

    def __repr__(self) -> str:
        names = ("action", "slack", "status", "faces", "num_rows")
        return f"Projection({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


def _put_together(tensors: Iterable[Tensor], num_rows: int) -> Projection:
    action, slack, status, faces = tensors
    return Projection(action, slack, status, faces, num_rows)


# `torch.func`, `torch.compile` and `torch.export` take results apart and put them together again.
pytree.register_pytree_node(
    Projection,
    lambda result: ([result.action, result.slack, result.status, result.faces], result.num_rows),
    _put_together,
    serialized_type_name="sb3_barriernet.Projection",
)
