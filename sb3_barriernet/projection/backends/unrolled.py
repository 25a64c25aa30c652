"""The ``torch`` backend: the dual active-set method on all samples in lockstep, in torch operations only.

Runs on any device, without numba, under ``torch.compile``, ``torch.export`` and ``torch.func``, and has
derivatives of every order. The algorithm is that of the ``active_set`` kernels. In a compiled or exported graph
the number of iterations is fixed: enough for feasible samples; an infeasible one with five actions or more may
need more than that, and is then reported as ``INVALID`` with the backup action.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.endings import backup_action, round_into_box
from sb3_barriernet.projection.backends.unrolled_approach import End, iterate_from_nearby
from sb3_barriernet.projection.backends.unrolled_steps import State, pick
from sb3_barriernet.projection.backends.unrolled_table import Table
from sb3_barriernet.projection.backends.weights import factor_weight, refuse_unless
from sb3_barriernet.projection.faces import act_on_faces, independent
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.result import Projection
from sb3_barriernet.projection.status import Status

RELAXED = 1e-10
"""Least possible violation, relative to the rows that contradict each other, above which a sample is infeasible."""

HOLDS = 1e-9
"""Violation, relative to the terms that cancel in a row, up to which a solution is one; ``RELAXED`` grants a tenth."""


def solve(problem: Problem) -> Projection:
    """Project on the device of ``problem.u``; differentiable in everything but the backup action."""
    clean, valid = _without_invalid(problem)
    with torch.no_grad():
        end = iterate_from_nearby(clean)
        valid = valid & end.state.done
        faces = _faces(end.state, end.table, valid, problem.A.shape[1])
    return _finish(problem, clean, end, faces, valid)


def _without_invalid(problem: Problem) -> tuple[Problem, Tensor]:
    """Replace samples with NaN, infinity or an empty box by harmless ones; and where the others are."""
    u, A, c, low, high, weight, backup = problem
    batch, dim = u.shape
    low, high = low.expand(batch, dim), high.expand(batch, dim)
    valid = torch.isfinite(u).all(1) & torch.isfinite(A).all(2).all(1) & torch.isfinite(c).all(1)
    infinity = float("inf")
    valid = valid & ((low <= high) & (low < infinity) & (high > -infinity)).all(1)
    if weight is not None and weight.ndim == 1:
        sound = (torch.isfinite(weight) & (weight > 0)).all()
        refuse_unless(sound, weight.detach())
        valid = valid & sound
    elif weight is not None:
        sound = factor_weight(weight)[..., 0, 0, 0] > 0
        valid = valid & sound
        if weight.ndim == 3:
            weight = torch.where(sound[:, None, None], weight, torch.eye(dim, dtype=A.dtype, device=A.device))
    keep = valid[:, None]
    clean = Problem(
        torch.where(keep, u, 0.0),
        torch.where(keep[..., None], A, 0.0),
        torch.where(keep, c, 1.0),
        torch.where(keep, low, 0.0),
        torch.where(keep, high, 0.0),
        weight,
        backup,
    )
    return clean, valid


def _faces(state: State, table: Table, valid: Tensor, rows: int) -> Tensor:
    """The active set in the short form of :class:`Projection`."""
    relaxed = (state.slack > RELAXED * state.size)[:, None]
    culprits = torch.where(relaxed, state.culprits, -1)
    doubled = (state.slots[:, :, None] == culprits[:, None, :]).any(2)
    others = torch.where(doubled, -1, state.slots)
    everyone = torch.cat([culprits, others], dim=1)
    # One that says what others say must not take the place of one that does not.
    picked = everyone.clamp(min=0)
    slack = (table.lifts.gather(1, picked) * relaxed)[..., None]
    directions = torch.cat([pick(table.normals, picked), slack], dim=2)
    everyone = torch.where(independent(directions, everyone >= 0), everyone, -1)
    order = torch.argsort((everyone < 0).to(torch.int8), dim=1, stable=True)
    kept = everyone.gather(1, order)[:, : state.culprits.shape[1]]
    kept = torch.where(valid[:, None], kept, -1)
    count = torch.where(valid, (culprits >= 0).sum(1), -1)
    return torch.cat([count[:, None], kept], dim=1).to(torch.int16)


def _finish(problem: Problem, clean: Problem, end: End, faces: Tensor, valid: Tensor) -> Projection:
    _batch, dim = problem.u.shape
    rows = problem.A.shape[1]
    low, high = clean.low, clean.high
    action = act_on_faces(clean, faces)
    # Once more, from nearby: a far nominal action leaves its rounding.
    first = action if end.problem is clean else act_on_faces(end.problem, faces)
    exact = act_on_faces(clean._replace(u=first.detach()), faces)
    exact = torch.where(_on(faces, rows, dim), low, torch.where(_on(faces, rows + dim, dim), high, exact))
    exact = torch.minimum(torch.maximum(exact, low), high).detach()
    slack = (-((clean.A @ exact[..., None])[..., 0] + clean.c)).amax(1) if rows else exact[:, 0] * 0
    infeasible = (faces[:, 0] > 0) | end.table.hopeless
    valid = valid & torch.isfinite(exact).all(1) & (infeasible | _rows_hold(clean, end, exact))
    infeasible = valid & infeasible
    touched = ((faces[:, 1:] >= 0) & (faces[:, 1:] < rows)).any(1)
    status = torch.where(touched, int(Status.ACTIVE), int(Status.INACTIVE))
    status = torch.where(infeasible, int(Status.INFEASIBLE), status)
    status = torch.where(valid, status, int(Status.INVALID))
    slack = torch.where(infeasible, slack.clamp(min=0.0), 0.0)
    slack = torch.where(valid, slack, float("inf")).detach()
    value = torch.where(valid[:, None], exact, backup_action(problem))
    rounded = round_into_box(value, problem)
    # The value is the exact one, the gradient that of the linear system.
    change = torch.where(valid[:, None], action - action.detach(), 0.0).to(rounded.dtype)
    return Projection(rounded + change, slack, status.to(torch.int8), faces, rows)


def _rows_hold(problem: Problem, end: End, action: Tensor) -> Tensor:
    """Whether every row holds up to rounding, ``(B,)``."""
    coefficients, offsets = end.table.coefficients, end.table.offsets[:, : problem.A.shape[1]]
    size = (coefficients.abs() @ action.abs()[..., None])[..., 0] + offsets.abs() + end.way()
    return ((coefficients @ action[..., None])[..., 0] - offsets >= -HOLDS * size).all(1)


def _on(faces: Tensor, first: int, dim: int) -> Tensor:
    """Which of the ``dim`` faces from ``first`` on are active."""
    targets = torch.arange(first, first + dim, device=faces.device)
    return (faces[:, 1:, None] == targets).any(1)
