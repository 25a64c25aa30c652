"""The ``torch`` backend: the dual active-set method on all samples in lockstep, in torch operations only.

Runs on any device, without numba, under ``torch.compile``, ``torch.export`` and ``torch.func``, and has
derivatives of every order. The algorithm is that of the ``active_set`` kernels. In a compiled or exported graph
the number of iterations is fixed: enough for feasible samples; an infeasible one with five actions or more may
need more than that, and is then reported as ``INVALID`` with the backup action.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.endings import backup_action, round_into_box
from sb3_barriernet.projection.backends.weights import factor_weight, refuse_unless
from sb3_barriernet.projection.faces import act_on_faces, all_constraints, independent
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.result import Projection
from sb3_barriernet.projection.status import Status

GRAPH_ITERATIONS = 8
"""Iterations in a static graph, for each action and for the slack."""

EAGER_ITERATIONS = 256
"""Limit where the loop ends as soon as every sample has arrived."""

FEASIBILITY = 1e-12
INDEPENDENT = 1e-9
CONTRIBUTES = 1e-12
RELAXED = 1e-10
"""As in the compiled kernels, ten times or more as wide: normal equations stand in for orthogonal bases."""

HOLDS = 1e-9
"""Violation, relative to the terms that cancel in a row, up to which a solution is one; ``RELAXED`` grants a tenth."""


class Table(NamedTuple):
    """All constraints in scaled actions: ``normals . v >= offsets - slack * lifts``."""

    normals: Tensor
    """(B, C, M), unit vectors or 0"""
    offsets: Tensor
    sizes: Tensor
    lifts: Tensor
    start: Tensor
    """(B, M) where to begin: at the clip under a diagonal weight, however far away the nominal action is"""
    slots: Tensor
    """(B, M) constraints that are active there, -1 for none"""
    multipliers: Tensor
    """(B, M)"""
    hopeless: Tensor
    """(B,) some row is broken whatever the action"""


class State(NamedTuple):
    """One sample a row."""

    v: Tensor
    slots: Tensor
    """(B, M) active constraints, -1 for none"""
    multipliers: Tensor
    """(B, M)"""
    incoming: Tensor
    """(B,) constraint being added, -1 for none"""
    multiplier: Tensor
    """(B,) of the incoming constraint"""
    slack: Tensor
    floor: Tensor
    size: Tensor
    culprits: Tensor
    """(B, M + 1) contradicting constraints, -1 for none"""
    done: Tensor


def solve(problem: Problem) -> Projection:
    """Project on the device of ``problem.u``; differentiable in everything but the backup action."""
    clean, valid = _without_invalid(problem)
    with torch.no_grad():
        table = _make_table(clean)
        state = _iterate(table)
        valid = valid & state.done
        faces = _faces(state, table, valid, problem.A.shape[1])
    return _finish(problem, clean, table, faces, valid)


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


def _make_table(problem: Problem) -> Table:
    u, A, c, low, high, weight, _ = problem
    _batch, dim = u.shape
    rows = A.shape[1]
    normals, shifts = all_constraints(problem)
    nominal = u.double()
    lower = rows + torch.arange(dim, device=A.device)
    if weight is None or weight.ndim == 1:
        scale = torch.ones(dim, dtype=A.dtype, device=A.device) if weight is None else weight.sqrt()
        start, scaled = nominal.clamp(low, high) * scale, normals / scale
        slots = torch.where(nominal < low, lower, torch.where(nominal > high, lower + dim, -1))
        multipliers = (nominal * scale - start).abs()
    else:
        factors = factor_weight(weight)
        start = (nominal[:, None, :] @ factors[..., 0, :, :])[:, 0]
        scaled = normals @ factors[..., 1, :, :].transpose(-1, -2)
        slots, multipliers = torch.full_like(lower, -1).expand(start.shape), torch.zeros_like(start)
    largest = scaled.abs().amax(-1, keepdim=True)
    direction = scaled / torch.where(largest > 0, largest, 1.0)
    norm = largest[..., 0] * direction.norm(dim=-1)
    offsets = -shifts / torch.where(norm > 0, norm, 1.0)
    plays = (norm > 0) & ~torch.isnan(offsets) & (offsets < float("inf"))
    plays[:, rows:] = True
    lifts = torch.zeros_like(offsets)
    lifts[:, :rows] = 1.0
    offsets = torch.where(plays, offsets, -1.0)
    unit = torch.where(plays[..., None], direction / torch.where(norm > 0, direction.norm(dim=-1), 1.0)[..., None], 0.0)
    reach = torch.maximum(_finite_reach(problem), nominal.clamp(low, high).abs())
    terms = ((normals / torch.where(norm > 0, norm, 1.0)[..., None]).abs() @ reach[..., None])[..., 0]
    sizes = terms * lifts + torch.where(torch.isfinite(offsets), offsets.abs(), 0.0)
    hopeless = (~plays[:, :rows] & (c < 0)).any(1)
    return Table(unit, offsets, sizes, lifts, start, slots, multipliers, hopeless)


def _iterate(table: Table) -> State:
    batch, dim = table.start.shape
    device = table.start.device
    none = torch.full((batch, dim), -1, dtype=torch.long, device=device)
    zero = torch.zeros(batch, dtype=torch.float64, device=device)
    state = State(
        table.start,
        table.slots,
        table.multipliers,
        none[:, 0],
        zero,
        zero,
        zero + 1e-15,
        zero,
        torch.cat([none, none[:, :1]], dim=1),
        zero > 1,
    )
    for _ in range(GRAPH_ITERATIONS * (dim + 1)):
        state = _advance(table, state)
        if _everybody_arrived(state):
            return state
    if not torch.compiler.is_compiling():
        for _ in range((EAGER_ITERATIONS - GRAPH_ITERATIONS) * (dim + 1)):
            if _everybody_arrived(state):
                return state
            state = _advance(table, state)
    return state


def _everybody_arrived(state: State) -> bool:
    """Whether the loop may end; never in a static graph and under ``vmap``, where values steer no Python."""
    if torch.compiler.is_compiling():
        return False
    try:
        return bool(state.done.all())
    except RuntimeError:
        return False


def _advance(table: Table, state: State) -> State:
    """One step of every sample that is not done: add a constraint, drop one, or grant more slack."""
    _batch, _dim = table.start.shape
    residuals = (table.normals @ state.v[..., None])[..., 0] - table.offsets
    residuals = residuals + state.slack[:, None] * table.lifts
    chosen, found = _most_violated(table, state, residuals)
    fresh = state.incoming < 0
    done = state.done | (fresh & ~found)
    incoming = torch.where(fresh, chosen, state.incoming)
    multiplier = torch.where(fresh, 0.0, state.multiplier)

    normal = _pick(table.normals, incoming[:, None])[:, 0]
    violation = (-residuals.gather(1, incoming[:, None])[:, 0]).clamp(min=0.0)
    used = state.slots >= 0
    span = torch.where(used[..., None], _pick(table.normals, state.slots.clamp(min=0)), 0.0)
    along, away = _split(span, used, normal)
    square = (away * away).sum(1)
    independent = (square > INDEPENDENT**2) & ~used.all(1)

    limits = used & (along > CONTRIBUTES)
    ratios = torch.where(limits, state.multipliers.clamp(min=0.0) / torch.where(limits, along, 1.0), float("inf"))
    longest, leaving = ratios.min(1)
    blocked = ~independent & ~limits.any(1)
    full_step = torch.where(independent, violation / torch.where(independent, square, 1.0), float("inf"))
    full = independent & (full_step <= longest)
    step = torch.where(blocked, 0.0, torch.minimum(full_step, longest))
    multipliers = torch.where(used, state.multipliers - step[:, None] * along, 0.0)
    multiplier = multiplier + step
    v = state.v + torch.where(independent, step, 0.0)[:, None] * away

    place = torch.where(full, (~used).to(torch.int8).argmax(1), leaving)[:, None]
    slots = state.slots.scatter(1, place, torch.where(full, incoming, -1)[:, None])
    multipliers = multipliers.scatter(1, place, torch.where(full, multiplier, 0.0)[:, None])
    moved = state._replace(
        v=v,
        slots=slots,
        multipliers=multipliers,
        incoming=torch.where(full, -1, incoming),
        multiplier=multiplier,
    )
    state = _where(done, state, _where(blocked, _relax(table, state, along, violation, incoming), moved))
    return state._replace(done=done)


def _most_violated(table: Table, state: State, residuals: Tensor) -> tuple[Tensor, Tensor]:
    """The most violated inactive constraint, one of the box if there is one, and whether there is any."""
    width = residuals.shape[1]
    extended = torch.zeros((residuals.shape[0], width + 1), dtype=torch.bool, device=residuals.device)
    active = extended.scatter(1, torch.where(state.slots < 0, width, state.slots), True)[:, :width]
    violated = (residuals < -FEASIBILITY * table.sizes) & ~active
    box = violated & (table.lifts == 0)
    candidates = torch.where(box.any(1, keepdim=True), box, violated)
    worst = torch.where(candidates, residuals, float("inf"))
    return worst.argmin(1), violated.any(1)


def _split(span: Tensor, used: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
    """``normal`` as a combination of the active normals and the part that they do not explain."""
    gram = span @ span.transpose(1, 2) + torch.diag_embed((~used).to(span.dtype))
    along = torch.zeros_like(normal)
    away = normal
    for _ in range(3):  # Refinement makes up for the squared condition number.
        along = along + torch.linalg.solve(gram, (span @ away[..., None]))[..., 0]
        away = normal - (span.transpose(1, 2) @ along[..., None])[..., 0]
    return along, away


def _relax(table: Table, state: State, along: Tensor, gap: Tensor, incoming: Tensor) -> State:
    """Grant the slack that the contradiction asks for and start again."""
    weights = (-along).clamp(min=0.0)
    members = torch.where((state.slots >= 0) & (weights > CONTRIBUTES), state.slots, -1)
    share = torch.where(members >= 0, weights * table.lifts.gather(1, members.clamp(min=0)), 0.0).sum(1)
    share = share + table.lifts.gather(1, incoming[:, None])[:, 0]
    culprits = torch.cat([incoming[:, None], members], dim=1)
    sizes = torch.where(culprits >= 0, table.sizes.gather(1, culprits.clamp(min=0)), 0.0)
    size = sizes.amax(1)
    step = torch.maximum(gap / torch.where(share > 0, share, 1.0), state.floor * size)
    return State(
        table.start,
        table.slots,
        table.multipliers,
        torch.full_like(state.incoming, -1),
        torch.zeros_like(state.multiplier),
        state.slack + step,
        2.0 * state.floor,
        size,
        culprits,
        state.done,
    )


def _where(condition: Tensor, first: State, second: State) -> State:
    return State(
        *(torch.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(first, second, strict=True))
    )


def _pick(normals: Tensor, indices: Tensor) -> Tensor:
    return normals.gather(1, indices[..., None].expand(*indices.shape, normals.shape[2]))


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
    directions = torch.cat([_pick(table.normals, picked), slack], dim=2)
    everyone = torch.where(independent(directions, everyone >= 0), everyone, -1)
    order = torch.argsort((everyone < 0).to(torch.int8), dim=1, stable=True)
    kept = everyone.gather(1, order)[:, : state.culprits.shape[1]]
    kept = torch.where(valid[:, None], kept, -1)
    count = torch.where(valid, (culprits >= 0).sum(1), -1)
    return torch.cat([count[:, None], kept], dim=1).to(torch.int16)


def _finish(problem: Problem, clean: Problem, table: Table, faces: Tensor, valid: Tensor) -> Projection:
    _batch, dim = problem.u.shape
    rows = problem.A.shape[1]
    low, high = clean.low, clean.high
    action = act_on_faces(clean, faces)
    # Once more, from nearby: a far nominal action leaves its rounding.
    exact = act_on_faces(clean._replace(u=action.detach()), faces)
    exact = torch.where(_on(faces, rows, dim), low, torch.where(_on(faces, rows + dim, dim), high, exact))
    exact = torch.minimum(torch.maximum(exact, low), high).detach()
    slack = (-((clean.A @ exact[..., None])[..., 0] + clean.c)).amax(1) if rows else exact[:, 0] * 0
    infeasible = (faces[:, 0] > 0) | table.hopeless
    valid = valid & torch.isfinite(exact).all(1) & (infeasible | _rows_hold(clean, exact))
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


def _rows_hold(problem: Problem, action: Tensor) -> Tensor:
    """Whether every row holds up to rounding, ``(B,)``."""
    largest = problem.A.abs().amax(-1)
    largest = torch.where(largest > 0, largest, 1.0)
    coefficients, shifts = problem.A / largest[..., None], problem.c / largest
    reach = torch.maximum(action.abs(), _finite_reach(problem))
    size = (coefficients.abs() @ reach[..., None])[..., 0] + shifts.abs()
    return ((coefficients @ action[..., None])[..., 0] + shifts >= -HOLDS * size).all(1)


def _finite_reach(problem: Problem) -> Tensor:
    """The larger of the bounds that are finite, ``(B, M)``, 0 where none is."""
    bounds = torch.stack([problem.low, problem.high]).detach().abs()
    return torch.where(torch.isfinite(bounds), bounds, 0.0).amax(0)


def _on(faces: Tensor, first: int, dim: int) -> Tensor:
    """Which of the ``dim`` faces from ``first`` on are active."""
    targets = torch.arange(first, first + dim, device=faces.device)
    return (faces[:, 1:, None] == targets).any(1)
