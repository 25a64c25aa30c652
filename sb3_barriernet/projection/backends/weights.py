"""Projection weights: factors for the kernels, and the error for those that are none."""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor

from sb3_barriernet.errors import ConfigurationError


def factor_weight(weight: Tensor) -> Tensor:
    """``L`` with ``W = L L'`` and its inverse, ``(..., 2, M, M)``; zeros where one of a batch has none.

    :raises ConfigurationError: if a shared weight is not positive definite
    """
    symmetric = 0.5 * (weight + weight.transpose(-1, -2)).detach()
    finite = torch.isfinite(symmetric).all(-1).all(-1)
    identity = torch.eye(weight.shape[-1], dtype=weight.dtype, device=weight.device)
    factor, failed = torch.linalg.cholesky_ex(torch.where(finite[..., None, None], symmetric, identity))
    sound = finite & (failed == 0)
    if weight.ndim == 2:
        refuse_unless(sound, weight)
    factor = torch.where(sound[..., None, None], factor, identity)
    inverse = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
    return torch.stack([factor, inverse], dim=-3) * sound[..., None, None, None]


def refuse_unless(sound: Tensor, weight: Tensor) -> None:
    """Raise unless a shared weight is sound; in a graph or transform, where values steer no Python, do nothing."""
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    if not traced and not bool(sound):
        refuse_weight(weight)


def refuse_weight(weight: Tensor | None) -> NoReturn:
    """Say what is wrong with a shared weight."""
    raise ConfigurationError(
        f"Found the projection weight {None if weight is None else weight.tolist()}; expected finite positive "
        "entries, or a symmetric positive definite matrix. The weight says how much a change of each action "
        "costs; use 1 / range^2 to treat all actions alike."
    )
