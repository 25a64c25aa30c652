"""What a compiled projection knows beside the action, in one piece of memory until somebody asks."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from sb3_barriernet.projection.memory import allocate


class Details:
    """Slack, status and faces of a batch. Making three tensors of them takes longer than solving one sample."""

    __slots__ = ("batch", "dim", "memory")

    def __init__(self, batch: int, dim: int):
        self.batch = batch
        self.dim = dim
        self.memory = allocate(batch * (2 * dim + 13))

    def addresses(self) -> tuple[int, int, int]:
        """Of slack, faces and status."""
        start = ctypes.addressof(self.memory)
        faces = start + 8 * self.batch
        return start, faces, faces + 2 * self.batch * (self.dim + 2)

    def slack(self) -> Tensor:
        """``(B,)`` float64"""
        return self._tensor(torch.float64, self.batch, 0)

    def faces(self) -> Tensor:
        """``(B, M + 2)`` int16"""
        return self._tensor(torch.int16, self.batch * (self.dim + 2), 8 * self.batch).view(self.batch, self.dim + 2)

    def status(self) -> Tensor:
        """``(B,)`` int8"""
        return self._tensor(torch.int8, self.batch, self.batch * (2 * self.dim + 12))

    def _tensor(self, dtype: torch.dtype, count: int, start: int) -> Tensor:
        if count == 0:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(self.memory, dtype=dtype, count=count, offset=start)
