"""What a compiled projection knows beside the action, in one piece of memory until somebody asks."""

from __future__ import annotations

from ctypes import addressof

import torch
from torch import Tensor

from sb3_barriernet.projection.memory import allocate
from sb3_barriernet.projection.status import Status


class Details:
    """Slack, status and faces of a batch. Making three tensors of them takes longer than solving one sample."""

    __slots__ = ("batch", "dim", "faces_address", "memory", "slack_address", "status_address")

    def __init__(self, batch: int, dim: int):
        memory = allocate(batch * (2 * dim + 13))
        slack = addressof(memory)
        faces = slack + 8 * batch
        self.batch, self.dim, self.memory = batch, dim, memory
        self.slack_address, self.faces_address, self.status_address = slack, faces, faces + 2 * batch * (dim + 2)

    def slack(self) -> Tensor:
        """``(B,)`` float64; kernels write it only for samples that are infeasible or invalid"""
        written = self._tensor(torch.float64, self.batch, self.slack_address)
        return torch.where(self.status() < Status.INFEASIBLE, 0.0, written)

    def faces(self) -> Tensor:
        """``(B, M + 2)`` int16"""
        width = self.dim + 2
        return self._tensor(torch.int16, self.batch * width, self.faces_address).view(self.batch, width)

    def status(self) -> Tensor:
        """``(B,)`` int8"""
        return self._tensor(torch.int8, self.batch, self.status_address)

    def _tensor(self, dtype: torch.dtype, count: int, address: int) -> Tensor:
        if count == 0:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(self.memory, dtype=dtype, count=count, offset=address - self.slack_address)
