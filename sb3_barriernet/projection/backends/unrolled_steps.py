"""The iteration of the ``torch`` backend: Goldfarb and Idnani's dual active-set method, every sample at once.

The algorithm is that of the ``active_set`` kernels, with normal equations in place of orthogonal bases.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.unrolled_table import Table

GRAPH_ITERATIONS = 8
"""Iterations in a static graph, for each action and for the slack."""

EAGER_ITERATIONS = 256
"""Limit where the loop ends as soon as every sample has arrived."""

FEASIBILITY = 1e-12
INDEPENDENT = 1e-9
CONTRIBUTES = 1e-12
"""As in the compiled kernels, ten times or more as wide: normal equations square condition numbers."""


class State(NamedTuple):
    """One sample a row."""

    v: Tensor
    """(B, M) scaled action"""
    travel: Tensor
    """(B,) how far ``v`` has come"""
    slots: Tensor
    """(B, M) active constraints, -1 for none"""
    multipliers: Tensor
    """(B, M)"""
    incoming: Tensor
    """(B,) constraint being added, -1 for none"""
    multiplier: Tensor
    """(B,) of the incoming constraint"""
    slack: Tensor
    """(B,) violation that is granted"""
    floor: Tensor
    """(B,) least next grant, relative to ``size``"""
    size: Tensor
    """(B,) of the largest of ``culprits``"""
    culprits: Tensor
    """(B, M + 1) contradicting constraints, -1 for none"""
    done: Tensor


def iterate(table: Table) -> State:
    """Step until every sample has arrived, at most as often as there are iterations."""
    batch, dim = table.start.v.shape
    device = table.start.v.device
    nobody = torch.full((batch, dim + 1), -1, dtype=torch.long, device=device)
    zero = torch.zeros(batch, dtype=torch.float64, device=device)
    state = State(*table.start, nobody[:, 0], zero, zero, zero + 1e-15, zero, nobody, zero > 1)
    for _ in range(GRAPH_ITERATIONS * (dim + 1)):
        state = _advance(table, state)
        if everybody(state.done):
            return state
    if not torch.compiler.is_compiling():
        for _ in range((EAGER_ITERATIONS - GRAPH_ITERATIONS) * (dim + 1)):
            if everybody(state.done):
                return state
            state = _advance(table, state)
    return state


def everybody(condition: Tensor, unknown: bool = False) -> bool:
    """Whether all samples meet it; ``unknown`` in a static graph and under ``vmap``, where values steer no Python."""
    if torch.compiler.is_compiling():
        return unknown
    try:
        return bool(condition.all())
    except RuntimeError:
        return unknown


def _advance(table: Table, state: State) -> State:
    """One step of every sample that is not done: add a constraint, drop one, or grant more slack."""
    residuals = (table.normals @ state.v[..., None])[..., 0] - table.offsets
    residuals = residuals + state.slack[:, None] * table.lifts
    chosen, found = _most_violated(table, state, residuals)
    fresh = state.incoming < 0
    done = state.done | (fresh & ~found)
    incoming = torch.where(fresh, chosen, state.incoming)
    multiplier = torch.where(fresh, 0.0, state.multiplier)

    normal = pick(table.normals, incoming[:, None])[:, 0]
    violation = (-residuals.gather(1, incoming[:, None])[:, 0]).clamp(min=0.0)
    used = state.slots >= 0
    span = torch.where(used[..., None], pick(table.normals, state.slots.clamp(min=0)), 0.0)
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
    move = torch.where(independent, step, 0.0)

    place = torch.where(full, (~used).to(torch.int8).argmax(1), leaving)[:, None]
    slots = state.slots.scatter(1, place, torch.where(full, incoming, -1)[:, None])
    multipliers = multipliers.scatter(1, place, torch.where(full, multiplier, 0.0)[:, None])
    moved = state._replace(
        v=state.v + move[:, None] * away,
        travel=state.travel + move * square.sqrt(),
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
    rounding = FEASIBILITY * (table.sizes + table.way(state.travel))
    violated = (residuals < -rounding) & ~active
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
        *table.start,
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


def pick(normals: Tensor, indices: Tensor) -> Tensor:
    """Those of ``normals (B, C, M)`` that ``indices (B, F)`` name."""
    return normals.gather(1, indices[..., None].expand(*indices.shape, normals.shape[2]))
