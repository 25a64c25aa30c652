"""The projection as a module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sb3_barriernet.projection.api import project
from sb3_barriernet.projection.problem import Vector
from sb3_barriernet.projection.result import Projection


class ProjectionLayer(nn.Module):
    """:func:`project` with a fixed box, weight, backup and backend.

    The settings are buffers that follow the module to its device but stay out of checkpoints: they come from
    the constructor. They keep float64 under ``module.float()`` only if nothing casts them, so cast inputs instead.

    :param low: lower bounds ``(M,)``; minus infinity for none
    :param high: upper bounds ``(M,)``
    :param weight: see :func:`project`
    :param backend: see :func:`project`
    :param backup: see :func:`project`
    """

    low: Tensor
    high: Tensor
    weight: Tensor | None
    backup: Tensor | None

    def __init__(
        self,
        low: Vector,
        high: Vector,
        *,
        weight: Vector | None = None,
        backend: str | None = None,
        backup: Vector | None = None,
    ) -> None:
        super().__init__()
        self.backend = backend
        self.register_buffer("low", torch.as_tensor(low, dtype=torch.float64))
        self.register_buffer("high", torch.as_tensor(high, dtype=torch.float64))
        for name, value in (("weight", weight), ("backup", backup)):
            self.register_buffer(name, None if value is None else torch.as_tensor(value, dtype=torch.float64))

    def forward(self, u_nom: Tensor, A: Tensor, c: Tensor) -> Projection:
        """Project ``u_nom (B, M)`` onto ``A (B, K, M)``, ``c (B, K)`` and the box."""
        return project(
            u_nom, A, c, self.low, self.high, weight=self.weight, backend=self.backend, backup=self.backup
        )
