"""Hands tensors to the compiled kernels of the ``active_set`` backend, without copying them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sb3_barriernet.projection.backends.threads import in_chunks
from sb3_barriernet.projection.backends.weights import factor_weight, refuse_weight
from sb3_barriernet.projection.kernels.forward import BAD_WEIGHT, screen
from sb3_barriernet.projection.problem import Problem


def run_forward(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Action, slack, status and faces as NumPy arrays."""
    batch, _rows, dim = problem.A.shape
    # The tensors must stay alive while the kernels work on their addresses.
    tensors, where = locate(problem)
    backup = tensors[5]
    action = np.empty((batch, dim), np.float32 if where[3] else np.float64)
    slack = np.empty(batch)
    status = np.empty(batch, np.int8)
    faces = np.empty((batch, dim + 2), np.int16)
    arguments = (
        *where,
        0 if backup is None else backup.data_ptr(),
        dim if backup is not None and backup.ndim == 2 else 0,
    )
    results = (action.view(np.uint8), slack, status, faces)
    pending = in_chunks(screen, arguments, batch, results)
    if pending == BAD_WEIGHT:
        refuse_weight(problem.weight)
    if pending > 0:
        from sb3_barriernet.projection.kernels.general import solve_pending

        in_chunks(solve_pending, arguments, batch, results)
    return action, slack, status, faces


def locate(problem: Problem) -> tuple[tuple[Tensor | None, ...], tuple[Any, ...]]:
    """Tensors in the memory layout that kernels read, and the arguments that tell where they are."""
    u, A, c, low, high, weight, backup = problem
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
    if backup is not None:
        backup = backup.contiguous()
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
        dim if low.ndim == 2 else 0,
        0 if weight is None else weight.data_ptr(),
        weight_kind,
    )
    return (u, A, c, low, high, backup, weight), where
