"""How backends in torch operations end: the backup action, and rounding to the dtype of the caller."""

from __future__ import annotations

import torch
from torch import Tensor

from sb3_barriernet.projection.problem import Problem


def backup_action(problem: Problem) -> Tensor:
    """The given backup, or 0, clipped to those bounds that are numbers: ``(B, M)``, without gradient."""
    batch, dim = problem.u.shape
    low, high = problem.low.detach().expand(batch, dim), problem.high.detach().expand(batch, dim)
    infinity = float("inf")
    low = torch.where(torch.isnan(low) | (low == infinity), -infinity, low)
    high = torch.where(torch.isnan(high) | (high == -infinity), infinity, high)
    wanted = torch.zeros_like(low) if problem.backup is None else problem.backup.detach().expand(batch, dim)
    return torch.minimum(torch.maximum(wanted, low), high)


def round_into_box(value: Tensor, problem: Problem) -> Tensor:
    """In the dtype of ``u``, inside the box also after rounding."""
    if problem.u.dtype is torch.float64:
        return value
    rounded = value.float()
    infinity = torch.tensor(float("inf"), device=rounded.device)
    low, high = problem.low.detach(), problem.high.detach()
    up, down = torch.nextafter(rounded, infinity), torch.nextafter(rounded, -infinity)
    return torch.where(rounded.double() < low, up, torch.where(rounded.double() > high, down, rounded))
