"""What the ``torch`` backend iterates on: the constraints of every sample, and where it starts."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.weights import factor_weight
from sb3_barriernet.projection.faces import all_constraints
from sb3_barriernet.projection.problem import Problem


class Start(NamedTuple):
    """Where to begin: at the clip under a diagonal weight, however far away the nominal action is."""

    v: Tensor
    """(B, M) scaled action"""
    travel: Tensor
    """(B,) size of the terms that it is the sum of, 0 where it is none"""
    slots: Tensor
    """(B, M) active constraints, -1 for none"""
    multipliers: Tensor
    """(B, M)"""


class Table(NamedTuple):
    """All constraints in scaled actions: ``normals . v >= offsets - slack * lifts``."""

    normals: Tensor
    """(B, C, M), unit vectors or 0"""
    offsets: Tensor
    """(B, C)"""
    sizes: Tensor
    """(B, C) of the terms that cancel, to which rounding errors are relative"""
    lifts: Tensor
    """(B, C) 1 for rows, which may be relaxed, and 0 for the box"""
    coefficients: Tensor
    """(B, K, M) what the normals of the rows are in actions that are not scaled"""
    start: Start
    reach: Tensor
    """(B,) size of the largest constraint; infinite in a cone, which has none"""
    hopeless: Tensor
    """(B,) some row is broken whatever the action"""

    def way(self, travel: Tensor) -> Tensor:
        """How much of ``travel (B,)`` rounding errors are relative to, too, ``(B, 1)``: a bound at 0 has no size.

        Coming from farther away than the largest constraint makes constraints no less exact.
        """
        return torch.minimum(travel, self.reach)[:, None]


def make_table(problem: Problem) -> Table:
    """Constraints and start of samples that are valid."""
    u, A, c, low, high, weight, _ = problem
    rows = A.shape[1]
    normals, shifts = all_constraints(problem)
    scale = _scale_by_root if weight is None or weight.ndim == 1 else _scale_by_factor
    start, scaled = scale(problem, normals)
    largest = scaled.abs().amax(-1)
    largest = torch.where(largest > 0, largest, 1.0)
    direction = scaled / largest[..., None]
    # -1 would have a wrong shape in the graphs that torch before 2.12 makes for a single action.
    norm = direction.norm(dim=2)
    decides = norm > 0
    norm = torch.where(decides, norm, 1.0)
    offsets = -shifts / largest / norm
    lifts = (torch.arange(offsets.shape[1], device=A.device) < rows).to(A.dtype).expand(offsets.shape)
    plays = (decides & ~torch.isnan(offsets) & (offsets < float("inf"))) | (lifts == 0)
    unit = torch.where(plays[..., None], direction / norm[..., None], 0.0)
    offsets = torch.where(plays, offsets, -1.0)
    coefficients = normals / largest[..., None] / norm[..., None]
    sizes = (coefficients.abs() @ u.double().clamp(low, high).abs()[..., None])[..., 0] * lifts
    sizes = sizes + torch.where(torch.isfinite(offsets), offsets.abs(), 0.0)
    reach = sizes.amax(1)
    reach = torch.where(reach > 0, reach, float("inf"))
    hopeless = (~plays[:, :rows] & (c < 0)).any(1)
    return Table(unit, offsets, sizes, lifts, coefficients[:, :rows], start, reach, hopeless)


def _scale_by_root(problem: Problem, normals: Tensor) -> tuple[Start, Tensor]:
    """Start and ``normals`` in actions scaled by a diagonal weight."""
    u, A, _, low, high, weight, _ = problem
    rows, dim = A.shape[1:]
    scale = torch.ones(dim, dtype=A.dtype, device=A.device) if weight is None else weight.sqrt()
    nominal = u.double()
    v = nominal.clamp(low, high) * scale
    lower = rows + torch.arange(dim, device=A.device)
    slots = torch.where(nominal < low, lower, torch.where(nominal > high, lower + dim, -1))
    return Start(v, torch.zeros_like(v[:, 0]), slots, (nominal * scale - v).abs()), normals / scale


def _scale_by_factor(problem: Problem, normals: Tensor) -> tuple[Start, Tensor]:
    """Start and ``normals`` in actions scaled by a full weight: they are sums, with the rounding of their terms."""
    assert problem.weight is not None
    factors = factor_weight(problem.weight)
    v = (problem.u.double()[:, None, :] @ factors[..., 0, :, :])[:, 0]
    slots = torch.full(v.shape, -1, dtype=torch.long, device=v.device)
    start = Start(v, v.abs().sum(1), slots, torch.zeros_like(v))
    return start, normals @ factors[..., 1, :, :].transpose(-1, -2)


def unscaled(problem: Problem, v: Tensor) -> Tensor:
    """Actions ``(B, M)`` from scaled actions."""
    weight = problem.weight
    if weight is None:
        return v
    if weight.ndim == 1:
        return v / weight.sqrt()
    return (v[:, None, :] @ factor_weight(weight)[..., 1, :, :])[:, 0]
