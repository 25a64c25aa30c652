"""What a compiled projection knows beside the action, in one piece of memory until somebody asks."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor


@cache
def _memory(size: int) -> Any:
    """The type of ``size`` bytes of memory, zeros at first."""
    return ctypes.c_char * size


class Details:
    """Slack, status and faces of a batch. Making three tensors of them takes longer than solving one sample."""

    __slots__ = ("batch", "dim", "memory")

    def __init__(self, batch: int, dim: int):
        self.batch = batch
        self.dim = dim
        self.memory = _memory(batch * (2 * dim + 13))()

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
