"""What a compiled projection knows beside the action, in one piece of memory until somebody asks."""

from __future__ import annotations

import ctypes
from functools import cache

import torch
from torch import Tensor

from sb3_barriernet.projection.memory import allocate


class Details:
    """Slack, status and faces of a batch. Making three tensors of them takes longer than solving one sample."""

    __slots__ = ("batch", "dim", "faces_address", "memory", "slack_address", "status_address")

    def __init__(self, batch: int, dim: int):
        self.batch = batch
        self.dim = dim
        self.memory = allocate(batch * (2 * dim + 13))
        self.slack_address = ctypes.addressof(self.memory)
        self.faces_address = self.slack_address + 8 * batch
        self.status_address = self.faces_address + 2 * batch * (dim + 2)

    def slack(self) -> Tensor:
        """``(B,)`` float64"""
        return self._tensor(torch.float64, self.batch, self.slack_address)

    def faces(self) -> Tensor:
        """``(B, M + 2)`` int16; in memory a face is one more than its number, so that zeros say that there is none"""
        width = self.dim + 2
        written = self._tensor(torch.int16, self.batch * width, self.faces_address).view(self.batch, width)
        return written - _first_face(width)

    def status(self) -> Tensor:
        """``(B,)`` int8"""
        return self._tensor(torch.int8, self.batch, self.status_address)

    def _tensor(self, dtype: torch.dtype, count: int, address: int) -> Tensor:
        if count == 0:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(self.memory, dtype=dtype, count=count, offset=address - self.slack_address)


@cache
def _first_face(width: int) -> Tensor:
    """What stands in memory for face 0 in every column; the first of them counts."""
    return torch.tensor([0] + [1] * (width - 1), dtype=torch.int16)
