"""From tensors to the addresses that kernels work on, and back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.threads import in_chunks
from sb3_barriernet.projection.backends.weights import factor_weight, refuse_weight
from sb3_barriernet.projection.details import Details
from sb3_barriernet.projection.kernels.layout import (
    BAD_WEIGHT,
    pack_results,
    pack_tensors,
    screen_scratch,
    solve_scratch,
)
from sb3_barriernet.projection.kernels.native import load_kernel
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.setup import Setup, make_setup


class Located(NamedTuple):
    """A problem in the memory layout that kernels read."""

    setup: Setup
    u: Tensor
    A: Tensor
    c: Tensor

    def pack(self) -> bytes:
        """Where the tensors lie. They must stay alive while kernels work on their addresses."""
        A_batch, A_row, _ = self.A.stride()
        single = self.u.dtype is torch.float32
        return pack_tensors(self.u.data_ptr(), single, self.A.data_ptr(), A_batch, A_row, self.c.data_ptr())


def locate(problem: Problem) -> Located:
    """Copies of what lies wrong, factors of the weight, and the rest as it is."""
    u, A, c, low, high, weight, backup = problem
    _, rows, dim = A.shape
    if weight is not None:
        weight = weight.contiguous() if weight.dim() == 1 else factor_weight(weight)
    backup = None if backup is None else backup.contiguous()
    setup = make_setup(rows, dim, low.contiguous(), high.contiguous(), weight, backup)
    return Located(setup, u.contiguous(), A if dim == 1 or A.stride(2) == 1 else A.contiguous(), c.contiguous())


def run_forward(setup: Setup, u: Tensor, batch: int, tensors: bytes) -> tuple[Tensor, Details]:
    """Actions of a located problem, and what was done to them.

    :param u: its nominal actions
    :param tensors: where they and the rows lie
    """
    rows, dim = setup.rows, setup.dim
    action = torch.empty_like(u)
    details = Details(batch, rows, dim)
    given = (
        tensors
        + setup.packed
        + pack_results(details.faces_address, action.data_ptr(), details.slack_address, details.status_address)
    )
    pending = in_chunks(load_kernel("screen"), given, batch, screen_scratch(rows, dim))
    if pending == BAD_WEIGHT:
        refuse_weight(setup.weight)
    if pending:
        in_chunks(load_kernel("solve_pending"), given, batch, solve_scratch(rows, dim))
    return action, details
