"""Any number of actions, any weight, any outcome: the solver that the special ones fall back to.

Where no action satisfies the rows, the dual method proves it: positive multiples of the constraints add up to
``0 >= gap`` with ``gap > 0``. Every row then has to give way by at least ``gap`` over the sum of the rows'
multiples. Granting exactly that much and solving again is Newton's method on the least possible violation; it
ends after a few steps at that violation, with the closest of the actions that attain it.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.basis import rebuild
from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.dual import CONTRADICTION, OPTIMAL, residual, solve_dual
from sb3_barriernet.projection.kernels.memory import lower, nominal, upper
from sb3_barriernet.projection.kernels.scaling import has_diagonal_weight, scale_problem, unscale_action
from sb3_barriernet.projection.kernels.screening import FEASIBILITY

RELAXED = 1e-11
"""Least possible violation, relative to the size of the rows that contradict each other, above which a sample
counts as infeasible. Below it rounding could have caused the contradiction."""

LIFTS = 60
"""Newton steps on the slack. Exact arithmetic needs about M; each step is at least twice the last rounding."""


@kernel
def solve_general(problem, sample, work, point, found):  # type: ignore[no-untyped-def]
    """Write the action into ``point`` and its faces into ``found``.

    :return: number of faces, how many of them certify the contradiction, whether rows hold at the box
        projection already, whether the rows contradict each other; -1 faces where the data overflow
    """
    if not scale_problem(problem, sample, work):
        return -1, 0, False, False
    slack = 0.0
    culprits = 0
    floor = 1e-16
    size = 0.0
    outcome = CONTRADICTION
    count = 0
    for _ in range(LIFTS):
        count = _start(problem, sample, work)
        outcome, count = _solve_box_then_rows(problem, work, count, slack)
        if outcome == OPTIMAL:
            break
        if outcome == CONTRADICTION:
            gap, share, size = _read_certificate(work, count, slack)
            culprits = count + 1
            if not share > 0.0:
                return -1, 0, False, False
            slack += max(gap / share, floor * size)
        else:
            slack += floor * max(size, np.max(np.abs(work.v)))
        floor *= 2.0
    if outcome != OPTIMAL:
        return -1, 0, False, False
    _correct(work, count, slack)
    if not unscale_action(problem, sample, work, count, point):
        return -1, 0, False, False
    infeasible = slack > RELAXED * size
    if not infeasible:
        culprits = 0
    faces = _write_faces(work, count, culprits, found)
    untouched = slack == 0.0
    for i in range(count):
        untouched &= work.active[i] >= problem.rows
    return faces, culprits_kept(work, culprits), untouched, infeasible


@kernel
def culprits_kept(work, culprits):  # type: ignore[no-untyped-def]
    """How many constraints take part in the contradiction."""
    kept = 0
    for i in range(culprits):
        kept += work.certificate[i] > 0.0
    return kept


@kernel
def _start(problem, sample, work):  # type: ignore[no-untyped-def]
    """Begin at the nominal action; with a diagonal weight at its clip, whose active set is known."""
    dim = problem.dim
    for i in range(work.offsets.shape[0]):
        work.is_active[i] = False
    for j in range(dim):
        work.v[j] = work.start[j]
    if not has_diagonal_weight(problem):
        return 0
    count = 0
    for j in range(dim):
        u = nominal(problem, sample, j)
        face = -1
        if u < lower(problem, sample, j):
            face = problem.rows + j
        elif u > upper(problem, sample, j):
            face = problem.rows + dim + j
        if face >= 0:
            sign = work.normals[face, j]
            work.v[j] = sign * work.offsets[face]
            work.active[count] = face
            work.is_active[face] = True
            work.multipliers[count] = abs(work.v[j] - work.start[j])
            count += 1
    rebuild(work, 0, count)
    return count


@kernel
def _solve_box_then_rows(problem, work, count, slack):  # type: ignore[no-untyped-def]
    """The box first: a row that holds at the box projection must not count as an intervention."""
    outcome = OPTIMAL
    if not has_diagonal_weight(problem):
        outcome, count = solve_dual(work, count, slack, problem.rows, FEASIBILITY)
    if outcome == OPTIMAL:
        outcome, count = solve_dual(work, count, slack, 0, FEASIBILITY)
    return outcome, count


@kernel
def _read_certificate(work, count, slack):  # type: ignore[no-untyped-def]
    """By how much the contradicting constraints miss each other, the rows' share of it, and their size."""
    gap = 0.0
    share = 0.0
    size = 0.0
    for i in range(count + 1):
        weight = work.certificate[i]
        if weight > 0.0:
            k = work.culprits[i]
            gap -= weight * residual(work, slack, k)
            share += weight * work.lifts[k]
            size = max(size, work.sizes[k])
    return gap, share, size


@kernel
def _correct(work, count, slack):  # type: ignore[no-untyped-def]
    """One Newton correction onto the active faces: removes the rounding that a far start has left."""
    dim = work.v.shape[0]
    for i in range(count):
        value = residual(work, slack, work.active[i])
        for j in range(i):
            value -= work.triangle[j, i] * work.along[j]
        work.along[i] = value / work.triangle[i, i]
    for i in range(count):
        for j in range(dim):
            work.v[j] -= work.along[i] * work.basis[i, j]


@kernel
def _write_faces(work, count, culprits, found):  # type: ignore[no-untyped-def]
    """Contradicting constraints first, then the other active ones as long as they are independent."""
    faces = 0
    for i in range(culprits):
        if work.certificate[i] > 0.0:
            found[faces] = work.culprits[i]
            faces += 1
    for i in range(count):
        known = False
        for k in range(faces):
            known |= found[k] == work.active[i]
        if not known and faces < found.shape[0]:
            found[faces] = work.active[i]
            faces += 1
    return faces
