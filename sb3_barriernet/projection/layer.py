"""The projection as a module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.projection.api import project
from sb3_barriernet.projection.problem import Vector
from sb3_barriernet.projection.result import Projection


class ProjectionLayer(nn.Module):
    """:func:`project` with a fixed box, weight, backup and backend.

    The settings are buffers that follow the module to its device. They come from the constructor, so they stay
    out of checkpoints.

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
        self.register_buffer("low", _vector(low), persistent=False)
        self.register_buffer("high", _vector(high), persistent=False)
        for name, value in (("weight", weight), ("backup", backup)):
            self.register_buffer(name, None if value is None else _vector(value), persistent=False)
        if self.backup is not None and not bool(((self.backup >= self.low) & (self.backup <= self.high)).all()):
            raise ConfigurationError(
                f"Found the backup action {self.backup.tolist()} outside the box [{self.low.tolist()}, "
                f"{self.high.tolist()}]. Choose one inside that is safe to take blindly, such as standing still."
            )

    def forward(self, u_nom: Tensor, A: Tensor, c: Tensor) -> Projection:
        """Project ``u_nom (B, M)`` onto ``A (B, K, M)``, ``c (B, K)`` and the box."""
        return project(u_nom, A, c, self.low, self.high, weight=self.weight, backend=self.backend, backup=self.backup)


def _vector(value: Vector) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)
