"""Nominal actions that lie far from their projection come closer, so that rounding hides no contradiction."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.unrolled_steps import State, everybody, iterate
from sb3_barriernet.projection.backends.unrolled_table import Table, make_table, unscaled
from sb3_barriernet.projection.problem import Problem

FAR = 16.0
APPROACHES = 30
LEAST = 1e-9
"""As in the compiled kernels."""


class End(NamedTuple):
    """What was solved last, and where the iteration ended."""

    problem: Problem
    """The given one, with nominal actions that are closer to their projections where they were far"""
    table: Table
    state: State
    near: Tensor
    """(B,) which nominal actions are as close as they should be"""

    def way(self) -> Tensor:
        """What rounding errors are relative to, too, ``(B, 1)``: the way, unless it was too long for that."""
        return torch.where(self.near[:, None], self.table.way(self.state.travel), 0.0)


def iterate_from_nearby(problem: Problem) -> End:
    """Iterate; where the way turns out to have been long, again from a point on it that is near.

    Every point between a nominal action and its projection has the same projection. A static graph, and ``vmap``, where
    values steer no Python, iterate once; what does not hold up to the rounding of a short way is flagged there.
    """
    for _ in range(APPROACHES):
        table = make_table(problem)
        state = iterate(table)
        nominal, near = _come_closer(problem, table, state)
        if everybody(near | ~state.done, unknown=True):
            break
        problem = problem._replace(u=torch.where(near[:, None], problem.u.double(), nominal))
    return End(problem, table, state, near)


def _come_closer(problem: Problem, table: Table, state: State) -> tuple[Tensor, Tensor]:
    """Nominal actions ``(B, M)`` that are closer to where the iteration ended, and which are near enough already."""
    action, nominal = unscaled(problem, state.v), problem.u.double()
    way, size = table.start.v.abs().amax(1), state.v.abs().amax(1)
    counts = (table.normals != 0).any(2) & (table.offsets.abs() <= way[:, None])
    offset = torch.where(counts, table.offsets.abs(), 0.0).amax(1)
    size = torch.maximum(size, LEAST * offset)
    near = ~(way > 2.0 * FAR * size) | (offset == 0)  # a cone has no size
    share = torch.exp2(torch.log2(torch.where(near, 1.0, FAR * size / way)).floor())  # ties survive a power of two
    return action + share[:, None] * (nominal - action), near
