"""Dual active-set method of Goldfarb and Idnani (1983) for a Euclidean projection.

Every iterate is optimal for the constraints that it knows; the most violated of the others is added until none
is violated. The method starts from the nominal action (or its clip to the box, which is optimal for the box),
needs no feasible start, and ends either at the projection or with a proof that no action is feasible.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.basis import (
    INDEPENDENT,
    append_split,
    combine,
    rebuild,
    split_normal,
)
from sb3_barriernet.projection.kernels.compiling import kernel

OPTIMAL = 0
CONTRADICTION = 1
STALLED = 2

CONTRIBUTES = 1e-13
"""Coefficients of unit normals below this are rounding."""


@kernel
def solve_dual(work, count, slack, first, tolerance):  # type: ignore[no-untyped-def]
    """Continue from ``count`` active constraints until constraints ``first`` and later hold.

    On ``CONTRADICTION`` the first ``n + 1`` entries of ``work.culprits`` and ``work.certificate`` hold
    the proof, ``n`` the returned number of active constraints: a combination with positive weights whose
    normals cancel.

    :return: outcome and the number of active constraints
    """
    for _ in range(20 + 4 * work.offsets.shape[0]):
        incoming = _most_violated(work, slack, first, tolerance)
        if incoming < 0:
            return OPTIMAL, count
        outcome, count = _add(work, count, slack, incoming)
        if outcome != OPTIMAL:
            return outcome, count
    return STALLED, count


@kernel
def residual(work, slack, i):  # type: ignore[no-untyped-def]
    """``normal . v - offset``, at least 0 where constraint ``i`` holds."""
    value = slack * work.lifts[i] - work.offsets[i]
    for j in range(work.v.shape[0]):
        value += work.normals[i, j] * work.v[j]
    return value


@kernel
def _most_violated(work, slack, first, tolerance):  # type: ignore[no-untyped-def]
    worst = 0.0
    index = -1
    for i in range(first, work.offsets.shape[0]):
        r = residual(work, slack, i)
        if r < worst and not work.is_active[i] and r < -tolerance * work.sizes[i] and work.norms[i] > 0.0:
            worst = r
            index = i
    return index


@kernel
def _add(work, count, slack, incoming):  # type: ignore[no-untyped-def]
    """Make ``incoming`` active, dropping what it makes superfluous."""
    multiplier = 0.0
    for _ in range(2 * work.active.shape[0] + 2):
        length = split_normal(work, count, incoming)
        independent = count < work.v.shape[0] and length > INDEPENDENT
        needed = -residual(work, slack, incoming) / (length * length) if independent else np.inf
        if independent:
            for i in range(count):
                work.certificate[i] = work.along[i]  # coordinates in the basis, needed again below
        combine(work, count)
        step, leaving = _longest_dual_step(work, count)
        if leaving < 0 and not independent:
            _write_certificate(work, count, incoming)
            return CONTRADICTION, count
        full = needed <= step
        step = max(needed, 0.0) if full else step
        for i in range(count):
            work.multipliers[i] -= step * work.along[i]
        multiplier += step
        if independent:
            for j in range(work.v.shape[0]):
                work.v[j] += step * work.away[j]
        if full:
            for i in range(count):
                work.along[i] = work.certificate[i]
            append_split(work, count, length)
            work.active[count] = incoming
            work.multipliers[count] = multiplier
            work.is_active[incoming] = True
            return OPTIMAL, count + 1
        _drop(work, count, leaving)
        count -= 1
    return STALLED, count


@kernel
def _longest_dual_step(work, count):  # type: ignore[no-untyped-def]
    """Largest step that keeps every multiplier at least 0, and the constraint that limits it."""
    longest = np.inf
    leaving = -1
    for i in range(count):
        if work.along[i] > CONTRIBUTES:
            step = max(work.multipliers[i], 0.0) / work.along[i]
            if step < longest:
                longest = step
                leaving = i
    return longest, leaving


@kernel
def _drop(work, count, position):  # type: ignore[no-untyped-def]
    work.is_active[work.active[position]] = False
    for i in range(position, count - 1):
        work.active[i] = work.active[i + 1]
        work.multipliers[i] = work.multipliers[i + 1]
    rebuild(work, position, count - 1)


@kernel
def _write_certificate(work, count, incoming):  # type: ignore[no-untyped-def]
    for i in range(count):
        work.certificate[i] = max(-work.along[i], 0.0)
        work.culprits[i] = work.active[i]
    work.certificate[count] = 1.0
    work.culprits[count] = incoming
