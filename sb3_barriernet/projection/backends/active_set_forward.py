"""From tensors to the addresses that kernels work on, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.threads import in_chunks
from sb3_barriernet.projection.backends.weights import factor_weight, refuse_weight
from sb3_barriernet.projection.details import Details
from sb3_barriernet.projection.kernels.layout import BAD_WEIGHT, pack_forward, screen_scratch, solve_scratch
from sb3_barriernet.projection.kernels.native import load_kernel
from sb3_barriernet.projection.problem import Problem


def run_forward(problem: Problem) -> tuple[Tensor, Details]:
    """Actions, and what was done to them."""
    batch, rows, dim = problem.A.shape
    # The tensors must stay alive while the kernels work on their addresses.
    tensors, where = locate(problem)
    backup = None if problem.backup is None else problem.backup.contiguous()
    action = torch.empty_like(tensors[0])
    details = Details(batch, dim)
    slack, faces, status = details.addresses()
    arguments = (
        *where,
        faces,
        action.data_ptr(),
        slack,
        status,
        0 if backup is None else backup.data_ptr(),
        0 if backup is None or backup.dim() == 1 else dim,
    )
    screen = load_kernel("screen")
    pending = in_chunks(screen, pack_forward, arguments, batch, screen_scratch(rows, dim))
    if pending == BAD_WEIGHT:
        refuse_weight(problem.weight)
    if pending:
        solve_pending = load_kernel("solve_pending")
        in_chunks(solve_pending, pack_forward, arguments, batch, solve_scratch(rows, dim))
    return action, details


def locate(problem: Problem) -> tuple[list[Tensor], tuple[int, ...]]:
    """Tensors in the memory layout that kernels read, and the arguments that tell where they are."""
    u, A, c, low, high, weight, _ = problem
    _, rows, dim = A.shape
    A_batch, A_row, A_column = A.stride()
    if A_column != 1 and dim > 1:
        A = A.contiguous()
        A_batch, A_row, A_column = A.stride()
    # Asking first costs less than having `contiguous` find that there is nothing to do.
    u = u if u.is_contiguous() else u.contiguous()
    c = c if c.is_contiguous() else c.contiguous()
    low = low if low.is_contiguous() else low.contiguous()
    high = high if high.is_contiguous() else high.contiguous()
    weight_kind = 0
    if weight is not None:
        weight_kind = weight.ndim
        weight = weight.contiguous() if weight_kind == 1 else factor_weight(weight)
    where = (
        rows,
        dim,
        u.data_ptr(),
        1 if u.dtype is torch.float32 else 0,
        A.data_ptr(),
        A_batch,
        A_row,
        c.data_ptr(),
        low.data_ptr(),
        high.data_ptr(),
        dim if low.dim() == 2 else 0,
        0 if weight is None else weight.data_ptr(),
        weight_kind,
    )
    return [u, A, c, low, high] if weight is None else [u, A, c, low, high, weight], where
