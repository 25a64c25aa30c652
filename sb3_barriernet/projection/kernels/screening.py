"""Screening: most nominal actions break no row, and finding that out must cost no more than reading the rows."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.memory import coefficient, load64, lower, nominal, offset, upper

LARGEST = np.finfo(np.float64).max

FEASIBILITY = 1e-13
"""Violation that counts as none, relative to the size of the terms that cancel in the row."""

HOLDS = 0
BROKEN = 1
NOT_FINITE = 2


@kernel
def clip_nominal(problem, sample, point):  # type: ignore[no-untyped-def]
    """Write the clipped nominal action into ``point (M,)``; False where it or the box is invalid."""
    valid = True
    for j in range(problem.dim):
        u = nominal(problem, sample, j)
        low = lower(problem, sample, j)
        high = upper(problem, sample, j)
        valid &= (low <= high) & (abs(u) <= LARGEST) & (low <= LARGEST) & (high >= -LARGEST)
        point[j] = min(max(u, low), high)
    return valid


@kernel
def count_holding(problem, sample, point):  # type: ignore[no-untyped-def]
    """How many rows hold at ``point``. NaN and infinity never count, which is why this is no early exit."""
    count = 0
    if problem.dim == 2 and problem.A_row == 2:
        x = point[0]
        y = point[1]
        base = problem.A + 8 * sample * problem.A_batch
        for k in range(problem.rows):
            r = load64(base, 2 * k) * x + load64(base, 2 * k + 1) * y + offset(problem, sample, k)
            count += (r >= 0.0) & (r <= LARGEST)
        return count
    for k in range(problem.rows):
        r = offset(problem, sample, k)
        for j in range(problem.dim):
            r += coefficient(problem, sample, k, j) * point[j]
        count += (r >= 0.0) & (r <= LARGEST)
    return count


@kernel
def inspect_rows(problem, sample, point):  # type: ignore[no-untyped-def]
    """Second look at a sample that did not pass: ``HOLDS`` up to rounding, ``BROKEN`` or ``NOT_FINITE``."""
    verdict = HOLDS
    for k in range(problem.rows):
        r = offset(problem, sample, k)
        size = abs(r)
        for j in range(problem.dim):
            a = coefficient(problem, sample, k, j)
            r += a * point[j]
            if a != 0.0:
                size += abs(a) * reach(problem, sample, j, point[j])
        if not size <= LARGEST:
            if not _finite_row(problem, sample, k):
                return NOT_FINITE
            verdict = BROKEN  # Finite, but its terms overflow: the general solver scales rows first.
        elif r < -FEASIBILITY * size:
            verdict = BROKEN
    return verdict


@kernel
def reach(problem, sample, j, value):  # type: ignore[no-untyped-def]
    """Magnitude that action ``j`` may have: rounding is judged on the scale of the box, not of one point."""
    low = abs(lower(problem, sample, j))
    high = abs(upper(problem, sample, j))
    size = abs(value)
    if low <= LARGEST:
        size = max(size, low)
    if high <= LARGEST:
        size = max(size, high)
    return size


@kernel
def _finite_row(problem, sample, k):  # type: ignore[no-untyped-def]
    finite = abs(offset(problem, sample, k)) <= LARGEST
    for j in range(problem.dim):
        finite &= abs(coefficient(problem, sample, k, j)) <= LARGEST
    return finite
