"""Screening: most nominal actions break no row, and finding that out must cost no more than reading the rows."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.memory import load32, load64, store32, store64
from sb3_barriernet.projection.kernels.sample import LARGEST

FEASIBILITY = 1e-13
"""Violation that counts as none, relative to the size of the terms that cancel in the row."""

HOLDS = 0
BROKEN = 1
NOT_FINITE = 2


@kernel
def count_planar(x, y, A, c, rows):
    """How many of the contiguous rows over two actions hold at ``(x, y)``.

    Neither NaN nor infinity ever counts. There is no early exit because a plain count runs in SIMD.
    """
    count = 0
    for k in range(rows):
        r = load64(A, 2 * k) * x + load64(A, 2 * k + 1) * y + load64(c, k)
        count += (r >= 0.0) & (r <= LARGEST)
    return count


@kernel
def rows_hold(local, A, A_row, c, rows):
    """Whether every row holds at the clipped action."""
    dim = local.shape[1]
    if dim == 2 and A_row == 2:
        return count_planar(local[3, 0], local[3, 1], A, c, rows) == rows
    count = 0
    for k in range(rows):
        r = load64(c, k)
        for j in range(dim):
            r += load64(A, k * A_row + j) * local[3, j]
        count += (r >= 0.0) & (r <= LARGEST)
    return count == rows


@kernel
def pass_untouched(u, single, low, high, A, c, rows, action):
    """The commonest outcome, without loops over two actions: in the box, no row broken. Whether it is that."""
    x = load32(u, 0) if single else load64(u, 0)
    y = load32(u, 1) if single else load64(u, 1)
    inside = (x >= load64(low, 0)) & (x <= load64(high, 0)) & (y >= load64(low, 1)) & (y <= load64(high, 1))
    if not inside or not abs(x) + abs(y) <= LARGEST or count_planar(x, y, A, c, rows) < rows:
        return False
    if single:
        store32(action, 0, np.float32(x))
        store32(action, 1, np.float32(y))
    else:
        store64(action, 0, x)
        store64(action, 1, y)
    return True


@kernel
def inspect_rows(local, A, A_row, c, rows):
    """Second look at a sample that did not pass: ``HOLDS`` up to rounding, ``BROKEN`` or ``NOT_FINITE``."""
    verdict = HOLDS
    for k in range(rows):
        r = load64(c, k)
        size = abs(r)
        finite = size <= LARGEST
        for j in range(local.shape[1]):
            a = load64(A, k * A_row + j)
            finite &= abs(a) <= LARGEST
            r += a * local[3, j]
            size += abs(a) * local[4, j]
        if not finite:
            return NOT_FINITE
        if r < -FEASIBILITY * size or not size <= LARGEST:
            verdict = BROKEN  # A row whose terms overflow is for the general solver, which scales rows.
    return verdict


@kernel
def clipped_faces(local, rows, found):
    """Write the bounds that the clip has hit to ``found``; how many."""
    count = 0
    dim = local.shape[1]
    for j in range(dim):
        if local[0, j] < local[3, j]:
            found[count] = rows + j
            count += 1
        elif local[0, j] > local[3, j]:
            found[count] = rows + dim + j
            count += 1
    return count
