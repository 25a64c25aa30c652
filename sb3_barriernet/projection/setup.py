"""What calls have in common, ready for the kernels, and kept for the next call.

An agent in its environment projects one action at a time, always onto the same box and with as many rows. Checking and
packing all of it again would take ten times as long as the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sb3_barriernet.projection.details import Details
from sb3_barriernet.projection.kernels.layout import pack_setup, pack_tensors
from sb3_barriernet.projection.problem import Vector
from sb3_barriernet.projection.result import Projection


class Setup(NamedTuple):
    """Sizes, box, weight and backup action, and where in memory the kernels find them."""

    rows: int
    dim: int
    low: Tensor
    """(M,) or (B, M); this and the others contiguous and float64"""
    high: Tensor
    """like ``low``"""
    weight: Tensor | None
    """None, (M,), or factors (2, M, M) or (B, 2, M, M)"""
    backup: Tensor | None
    """None, (M,) or (B, M)"""
    addresses: tuple[int, int, int, int]
    """Of the four tensors, 0 for none."""
    packed: bytes


def make_setup(rows: int, dim: int, low: Tensor, high: Tensor, weight: Tensor | None, backup: Tensor | None) -> Setup:
    """Look up the addresses and pack them; tensors as in :class:`Setup`."""
    addresses = _address(low), _address(high), _address(weight), _address(backup)
    below, above, metric, spare = addresses
    box_batch = dim if low.dim() == 2 else 0
    weight_kind = 0 if weight is None else max(1, weight.dim() - 1)
    backup_batch = dim if backup is not None and backup.dim() == 2 else 0
    packed = pack_setup(rows, dim, below, above, box_batch, metric, weight_kind, spare, backup_batch)
    return Setup(rows, dim, low, high, weight, backup, addresses, packed)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


Run = Callable[[Setup, Tensor, int, bytes], tuple[Tensor, Details]]
"""Projects ``u``, of so many samples, that lies with ``A`` and ``c`` where the bytes say."""

_last: tuple[Setup, Run] | None = None


def remember(setup: Setup, run: Run) -> None:
    """Keep a setup that is the same for every sample, and how to run it."""
    global _last
    if all(part is None or (part.dim() == 1 and part.is_leaf) for part in setup[2:6]):
        _last = setup, run


def repeat(
    u: Tensor, A: Tensor, c: Tensor, low: Vector, high: Vector, weight: Vector | None, backup: Vector | None
) -> Projection | None:
    """Project with the setup that was kept; None where it does not fit, or a gradient is wanted."""
    if _last is None:
        return None
    setup, run = _last
    rows, dim, low_, high_, weight_, backup_, addresses, _ = setup
    if not (low is low_ and high is high_ and weight is weight_ and backup is backup_ and A.dim() == 3):
        return None
    batch = A.shape[0]
    A_batch, A_row, A_column = A.stride()
    single = u.dtype is torch.float32
    if not (
        A.shape == (batch, rows, dim)
        and u.shape == (batch, dim)
        and c.shape == (batch, rows)
        and (single or u.dtype is torch.float64)
        and A.dtype is c.dtype is torch.float64
        and u.is_cpu
        and A.is_cpu
        and c.is_cpu
        and u.is_contiguous()
        and c.is_contiguous()
        and (A_column == 1 or dim == 1)
        # Tensors that were given other memory have moved. Other numbers in the same memory are what kernels read.
        and low_.data_ptr() == addresses[0]
        and high_.data_ptr() == addresses[1]
        and (weight_ is None or weight_.data_ptr() == addresses[2])
        and (backup_ is None or backup_.data_ptr() == addresses[3])
    ):
        return None
    if torch.is_grad_enabled() and needs_gradient(u, A, c, low_, high_, weight_):
        return None
    tensors = pack_tensors(u.data_ptr(), single, A.data_ptr(), A_batch, A_row, c.data_ptr())
    action, details = run(setup, u, batch, tensors)
    return Projection(action, None, None, None, rows, details)


def needs_gradient(u: Tensor, A: Tensor, c: Tensor, low: Tensor, high: Tensor, weight: Tensor | None) -> bool:
    """Whether one of the parts of a problem is to be differentiated."""
    shared = low.requires_grad or high.requires_grad or (weight is not None and weight.requires_grad)
    return u.requires_grad or A.requires_grad or c.requires_grad or shared
