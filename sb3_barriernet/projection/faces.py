"""The projection as a differentiable function of the problem, once its active set is known.

On a fixed active set the projection solves a linear system. Written in torch operations it can be
differentiated as often as one likes, batched with ``vmap``, compiled and exported.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sb3_barriernet.projection.problem import Problem

INDEPENDENT = 1e-12
"""A unit normal that lies this close to the span of others counts as part of it, as in the compiled kernels."""


def full_weight(problem: Problem) -> Tensor:
    """The weight as matrices ``(B, M, M)``, symmetric."""
    u, weight = problem.u, problem.weight
    batch, dim = u.shape
    if weight is None:
        weight = torch.eye(dim, dtype=torch.float64, device=u.device)
    elif weight.ndim == 1:
        weight = torch.diag_embed(weight)
    return (0.5 * (weight + weight.transpose(-1, -2))).expand(batch, dim, dim)


def all_constraints(problem: Problem) -> tuple[Tensor, Tensor]:
    """Rows, lower and upper bounds as ``normals (B, K + 2 M, M) . u + shifts (B, K + 2 M) >= 0``."""
    u, A, c, low, high, _, _ = problem
    batch, dim = u.shape
    identity = torch.eye(dim, dtype=A.dtype, device=A.device).expand(batch, dim, dim)
    normals = torch.cat([A, identity, -identity], dim=1)
    return normals, torch.cat([c, -low.expand(batch, dim), high.expand(batch, dim)], dim=1)


def act_on_faces(problem: Problem, faces: Tensor) -> Tensor:
    """Actions ``(B, M)`` on ``faces`` that are closest to ``problem.u``, float64; 0 where invalid.

    With active normals ``N``, the slack's coefficients ``e`` and multipliers ``y`` the system is::

        W (u - u_nom) - N' y = 0        s - e' y = 0        N u + e s + c = 0

    On a feasible sample ``e = 0``. On a relaxed one the constraints determine ``s``, whatever it costs. A face that
    says what those before it say already, such as the second bound of an action without a range, does not count.
    """
    valid = faces[:, 0] >= 0
    slots = faces[:, 1:].long()
    used = (slots >= 0) & valid[:, None]
    rows, dim = problem.A.shape[1:]
    normals, shifts = all_constraints(problem)
    picked = slots.clamp(min=0)
    normal = normals.gather(1, picked[..., None].expand(*picked.shape, dim))
    identity = torch.eye(dim, dtype=torch.float64, device=faces.device)
    weight = torch.where(valid[:, None, None], full_weight(problem), identity)
    nominal = torch.where(valid[:, None], problem.u.double(), 0.0)

    may_give_way = (slots < rows) & (faces[:, :1] > 0)
    used = independent(_directions(weight, normal, may_give_way), used)
    normal = torch.where(used[..., None], normal, 0.0)
    shift = torch.where(used, shifts.gather(1, picked), 0.0)
    relaxed = used & may_give_way
    scaled = torch.linalg.solve(weight, normal.transpose(1, 2)).transpose(1, 2)
    square = torch.where(relaxed, (normal * scaled).sum(-1), 1.0)
    lift = torch.where(relaxed, square.sqrt(), 0.0)
    # The multipliers of contradicting rows are infinite in the limit that puts the slack first: such a row
    # moves the solution, but turning it does not turn the pull.
    position = torch.arange(slots.shape[1], device=faces.device)
    culprit = position < faces[:, :1]
    pull = torch.where((culprit & relaxed)[..., None], normal.detach(), normal)

    system = _assemble(weight, pull, lift, normal, used)
    force = (weight @ nominal[..., None])[..., 0]
    right = torch.cat([force, torch.zeros_like(force[:, :1]), -shift], dim=1)
    return torch.linalg.solve(system, right[..., None])[:, :dim, 0]


def independent(directions: Tensor, used: Tensor) -> Tensor:
    """Which of the used ``directions (B, F, n)`` add something to those before them: Gram-Schmidt, twice."""
    basis, kept = directions[:, :0], []
    for rest in torch.where(used[..., None], directions, 0.0).unbind(1):
        for _ in range(2):
            rest = rest - (basis.transpose(1, 2) @ (basis @ rest[..., None]))[..., 0]
        length = rest.norm(dim=-1, keepdim=True)
        kept.append(length[:, 0] > INDEPENDENT)
        basis = torch.cat([basis, torch.where(kept[-1][:, None], rest / length, 0.0)[:, None]], dim=1)
    return torch.stack(kept, dim=1)


def _directions(weight: Tensor, normal: Tensor, may_give_way: Tensor) -> Tensor:
    """Unit normals in the metric of the weight, the slack as one more coordinate, without gradient."""
    root = torch.linalg.cholesky(weight.detach())
    scaled = torch.linalg.solve_triangular(root, normal.detach().transpose(1, 2), upper=False).transpose(1, 2)
    scaled = scaled / scaled.abs().amax(-1, keepdim=True)
    unit = scaled / scaled.norm(dim=-1, keepdim=True)
    return torch.cat([unit, may_give_way.to(unit.dtype)[..., None]], dim=2)


def _assemble(weight: Tensor, pull: Tensor, lift: Tensor, normal: Tensor, used: Tensor) -> Tensor:
    """Matrix of the optimality conditions over ``(u, s, y)``; unused multipliers are 0."""
    batch, dim, _ = weight.shape
    column = torch.zeros((batch, dim, 1), dtype=weight.dtype, device=weight.device)
    first = torch.cat([weight, column, -pull.transpose(1, 2)], dim=2)
    one = torch.ones((batch, 1, 1), dtype=weight.dtype, device=weight.device)
    second = torch.cat([column.transpose(1, 2), one, -lift.detach()[:, None, :]], dim=2)
    idle = torch.diag_embed((~used).to(weight.dtype))
    third = torch.cat([normal, lift[..., None], idle], dim=2)
    return torch.cat([first, second, third], dim=1)
