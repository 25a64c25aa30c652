"""A batch of projection problems whose shapes and types have been checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import numpy as np
import torch
from torch import Tensor

from sb3_barriernet.errors import ConfigurationError, RowShapeError

Vector = Tensor | np.ndarray | Sequence[float]


class Problem(NamedTuple):
    """``min 1/2 (u' - u)' W (u' - u)`` over ``u'`` subject to ``A u' + c >= 0`` and ``low <= u' <= high``.

    All tensors are on one device. ``u`` is float32 or float64, everything else float64.
    """

    u: Tensor
    """(B, M) nominal actions"""
    A: Tensor
    """(B, K, M)"""
    c: Tensor
    """(B, K)"""
    low: Tensor
    """(M,) or (B, M)"""
    high: Tensor
    """like ``low``"""
    weight: Tensor | None
    """None for the identity, (M,) a diagonal, (M, M) or (B, M, M) symmetric positive definite"""
    backup: Tensor | None
    """None for 0 clipped into the box, (M,) or (B, M)"""


def make_problem(
    u_nom: Tensor,
    A: Tensor,
    c: Tensor,
    low: Vector,
    high: Vector,
    weight: Vector | None,
    backup: Vector | None,
) -> Problem:
    """Check shapes and bring everything but ``u_nom`` to float64 on its device.

    :raises RowShapeError: if ``A`` or ``c`` do not fit ``u_nom``
    :raises ConfigurationError: if anything else does not fit
    """
    batch, rows, dim = A.shape if A.dim() == 3 else _refuse_shapes(u_nom, A, c)
    if u_nom.shape != (batch, dim) or c.shape != (batch, rows):
        _refuse_shapes(u_nom, A, c)
    if u_nom.dtype is not torch.float32 and u_nom.dtype is not torch.float64:
        _refuse_dtype(u_nom)
    below = _bring_vector("low", low, u_nom, batch, dim)
    above = _bring_vector("high", high, u_nom, batch, dim)
    if below.dim() != above.dim():
        below, above = below.expand(batch, dim), above.expand(batch, dim)
    if weight is not None:
        weight = _bring_weight(weight, u_nom, batch, dim)
    if backup is not None:
        backup = _bring_vector("backup", backup, u_nom, batch, dim)
    return Problem(u_nom, _double(A, u_nom), _double(c, u_nom), below, above, weight, backup)


def _double(tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.dtype is torch.float64 and ((tensor.is_cpu and like.is_cpu) or tensor.device == like.device):
        return tensor
    return tensor.to(like.device, torch.float64)


def _bring_vector(name: str, value: Vector, like: Tensor, batch: int, dim: int) -> Tensor:
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value, dtype=np.float64))
    # Compared one by one: a compiler that leaves sizes open finds them in no tuple of shapes.
    if tensor.shape != (dim,) and tensor.shape != (batch, dim):
        raise ConfigurationError(
            f"Found `{name}` of shape {tuple(tensor.shape)}; expected ({dim},) or ({batch}, {dim}) for nominal actions "
            f"of shape {tuple(like.shape)}. Use infinity where an action has no bound."
        )
    return _double(tensor, like)


def _bring_weight(value: Vector, like: Tensor, batch: int, dim: int) -> Tensor:
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value, dtype=np.float64))
    if tensor.shape != (dim,) and tensor.shape != (dim, dim) and tensor.shape != (batch, dim, dim):
        raise ConfigurationError(
            f"Found `weight` of shape {tuple(tensor.shape)}; expected ({dim},), ({dim}, {dim}) or "
            f"({batch}, {dim}, {dim}) for nominal actions of shape {tuple(like.shape)}. "
            "A diagonal weight for each sample is `torch.diag_embed(weights)`."
        )
    return _double(tensor, like)


def _refuse_shapes(u_nom: Tensor, A: Tensor, c: Tensor) -> NoReturn:
    raise RowShapeError(
        f"Found nominal actions of shape {tuple(u_nom.shape)}, `A` of shape {tuple(A.shape)} and `c` of shape "
        f"{tuple(c.shape)}; expected (B, M), (B, K, M) and (B, K). For a single sample add a leading "
        "dimension with `[None]`."
    )


def _refuse_dtype(u_nom: Tensor) -> NoReturn:
    raise ConfigurationError(
        f"Found nominal actions of dtype {u_nom.dtype}; expected float32 or float64. Convert them with `u_nom.float()`."
    )
