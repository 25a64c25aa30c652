"""The reference backend: a general-purpose solver and cvxpylayers' derivative. Slow, independent, approximate.

Two problems a sample: the least possible violation of the normalised rows (a linear programme), then the closest
action under it, which is the one that carries gradients. A relaxed sample's violation is taken as a constant.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sb3_barriernet.errors import MissingPackageError
from sb3_barriernet.projection.backends.endings import backup_action, round_into_box
from sb3_barriernet.projection.backends.weights import factor_weight
from sb3_barriernet.projection.faces import all_constraints, full_weight
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.result import Projection
from sb3_barriernet.projection.status import Status

try:
    import cvxpy as cp
    from cvxpylayers.torch import CvxpyLayer
    from scipy.optimize import linprog  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingPackageError(
        f"Found no package {error.name!r}; the projection backend 'cvxpylayers' needs it. "
        "Install it with `pip install 'sb3-barriernet[cvxpylayers]'`."
    ) from error

SOLVER = {"solve_method": "Clarabel", "tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}

RELAXED = 1e-8
"""Least violation that counts as one, in the metric of the weight."""

FACE = 1e-6
"""Distance from a face below which it is reported as active."""

UNBOUNDED = 1e4
"""Stands in for an infinite bound, as a multiple of the largest number around."""


def solve(problem: Problem) -> Projection:
    """Project on the CPU; differentiable through cvxpylayers, but for relaxed samples' violation."""
    valid = _valid(problem)
    problem = problem._replace(u=torch.where(valid[:, None], problem.u, 0.0))
    u, A, c = problem.u.double(), problem.A, problem.c
    batch, rows, dim = A.shape
    low, high = _finite_box(problem)
    inverse = torch.linalg.inv(full_weight(problem).detach())
    norms = torch.einsum("bki,bij,bkj->bk", A, inverse, A).clamp(min=0.0).sqrt().detach()
    granted, relaxed, hopeless = _least_violations(problem, norms, low, high, valid)
    # A row without coefficients is out of the solver's reach: it gets a right-hand side that always holds.
    shifts = torch.where(norms > 0, c + granted[:, None] * norms, 1.0)
    action = u.new_zeros((batch, dim))
    if valid.any():
        root = torch.linalg.cholesky(full_weight(problem)).transpose(1, 2)
        target = (root @ u[..., None])[..., 0]
        parameters = (root, target, *((A, shifts) if rows else ()), low, high)
        (solved,) = _layer(rows, dim)(*(part[valid] for part in parameters), solver_args=dict(SOLVER))
        action = action.index_put((valid,), solved)
    return _finish(problem, action, norms, granted, valid, relaxed, hopeless)


@functools.cache
def _layer(rows: int, dim: int) -> Any:
    root, target = cp.Parameter((dim, dim)), cp.Parameter(dim)
    low, high = cp.Parameter(dim), cp.Parameter(dim)
    u = cp.Variable(dim)
    constraints, of_rows = [u >= low, u <= high], []
    if rows:
        A, c = of_rows = [cp.Parameter((rows, dim)), cp.Parameter(rows)]
        constraints.append(A @ u + c >= 0)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(root @ u - target)), constraints)
    return CvxpyLayer(problem, parameters=[root, target, *of_rows, low, high], variables=[u])


def _valid(problem: Problem) -> Tensor:
    u, A, c, low, high, weight, _ = problem
    valid = torch.isfinite(u).all(1) & torch.isfinite(A).all(2).all(1) & torch.isfinite(c).all(1)
    infinity = float("inf")
    valid = valid & ((low <= high) & (low < infinity) & (high > -infinity)).expand(u.shape).all(1)
    return valid if weight is None or weight.ndim < 3 else valid & (factor_weight(weight)[:, 0, 0, 0] > 0)


def _finite_box(problem: Problem) -> tuple[Tensor, Tensor]:
    far = UNBOUNDED * (1.0 + torch.nan_to_num(problem.u.double()).abs().amax(1, keepdim=True))
    low, high = problem.low.expand(problem.u.shape), problem.high.expand(problem.u.shape)
    return torch.maximum(low, -far), torch.minimum(high, far)


def _least_violations(
    problem: Problem, norms: Tensor, low: Tensor, high: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Violation to grant to each sample's normalised rows, which samples need one, which are hopeless."""
    batch, _rows, dim = problem.A.shape
    granted = torch.zeros(batch, dtype=torch.float64)
    for i in torch.nonzero(valid)[:, 0].tolist():
        plays = (norms[i] > 0).numpy()
        A = problem.A[i].detach().numpy()[plays] / norms[i].numpy()[plays, None]
        c = problem.c[i].detach().numpy()[plays] / norms[i].numpy()[plays]
        if len(c):
            bounds = [*zip(low[i].tolist(), high[i].tolist(), strict=True), (0.0, None)]
            table = np.hstack([-A, -np.ones((len(c), 1))])
            granted[i] = linprog([0.0] * dim + [1.0], table, c, bounds=bounds, method="highs").fun
    relaxed = granted > RELAXED
    hopeless = ((norms == 0) & (problem.c < 0)).any(1)
    # The solver needs room: the set of actions that attain the least violation has no interior.
    return torch.where(relaxed, granted + 1e-9, 0.0), relaxed, hopeless


def _finish(
    problem: Problem,
    action: Tensor,
    norms: Tensor,
    granted: Tensor,
    valid: Tensor,
    relaxed: Tensor,
    hopeless: Tensor,
) -> Projection:
    rows = problem.A.shape[1]
    low, high = problem.low.expand_as(action), problem.high.expand_as(action)
    exact = torch.minimum(torch.maximum(action.detach(), low), high)
    normals, shifts = all_constraints(problem._replace(u=exact))
    gaps = (normals @ exact[..., None])[..., 0] + shifts
    gaps[:, :rows] = (gaps[:, :rows] / norms.clamp(min=1e-300)) + granted[:, None]
    mask = (gaps.detach() < FACE) & valid[:, None]
    mask[:, :rows] &= norms > 0
    faces = _short_form(mask, exact.shape[1] + 1, valid)
    status = torch.where(mask[:, :rows].any(1), int(Status.ACTIVE), int(Status.INACTIVE))
    status = torch.where(relaxed | hopeless, int(Status.INFEASIBLE), status)
    status = torch.where(valid, status, int(Status.INVALID)).to(torch.int8)
    slack = -((problem.A @ exact[..., None])[..., 0] + problem.c).detach()
    slack = torch.where(relaxed | hopeless, slack.amax(1) if rows else granted, 0.0).clamp(min=0.0)
    slack = torch.where(valid, slack, float("inf"))
    value = torch.where(valid[:, None], exact, backup_action(problem))
    rounded = round_into_box(value, problem)
    change = torch.where(valid[:, None], action - action.detach(), 0.0).to(rounded.dtype)
    return Projection(rounded + change, slack, status, faces, rows)


def _short_form(mask: Tensor, slots: int, valid: Tensor) -> Tensor:
    """The first ``slots`` active faces. Which of them contradict each other is not known."""
    order = torch.argsort((~mask).to(torch.int8), dim=1, stable=True)[:, :slots]
    faces = torch.where(mask.gather(1, order), order, -1)
    return torch.cat([torch.where(valid, 0, -1)[:, None], faces], dim=1).to(torch.int16)
