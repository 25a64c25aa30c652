"""The default backend: exact, float64 inside, compiled with numba."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.projection.kernels.batch import BAD_WEIGHT
from sb3_barriernet.projection.kernels.batch import solve as solve_kernel
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.result import Projection


def solve(problem: Problem) -> Projection:
    """Project on the CPU."""
    return _forward(problem)


def _forward(problem: Problem) -> Projection:
    u, A, c, low, high, weight, backup = problem
    batch, rows, dim = A.shape
    if not u.is_contiguous():
        u = u.contiguous()
    A_batch, A_row, A_column = A.stride()
    if A_column != 1:
        A = A.contiguous()
        A_batch, A_row, A_column = A.stride()
    if not c.is_contiguous():
        c = c.contiguous()
    if not low.is_contiguous():
        low = low.contiguous()
    if not high.is_contiguous():
        high = high.contiguous()
    weight_address = weight_kind = backup_address = backup_batch = 0
    if weight is not None:
        weight = weight.contiguous()
        weight_address = weight.data_ptr()
        weight_kind = weight.ndim if weight.ndim == 3 else weight.ndim
    if backup is not None:
        backup = backup.contiguous()
        backup_address = backup.data_ptr()
        backup_batch = dim if backup.ndim == 2 else 0
    single = u.dtype is torch.float32
    action = np.empty((batch, dim), np.float32 if single else np.float64)
    slack = np.empty(batch)
    status = np.empty(batch, np.int8)
    faces = np.empty((batch, dim + 2), np.int16)
    code = solve_kernel(
        rows, dim, u.data_ptr(), single, A.data_ptr(), A_batch, A_row, c.data_ptr(), rows,
        low.data_ptr(), high.data_ptr(), dim if low.ndim == 2 else 0, weight_address, weight_kind,
        backup_address, backup_batch, 0, batch, action.view(np.uint8), slack, status, faces,
    )  # fmt: skip
    if code == BAD_WEIGHT:
        raise ConfigurationError(f"bad weight {weight}")
    wrap = torch.from_numpy
    return Projection(wrap(action), wrap(slack), wrap(status), wrap(faces), rows)
