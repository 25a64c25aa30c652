"""Screening: most nominal actions break no row, and finding that out must cost no more than reading the rows."""

from __future__ import annotations

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import (
    LANES,
    cross,
    every,
    fill,
    load,
    load_crossed_pairs,
    load_pairs,
    load_strided,
    magnitude,
    prefetch,
    sums,
)
from sb3_barriernet.projection.kernels.sample import LARGEST
from sb3_barriernet.projection.kernels.views import reals

FEASIBILITY = 1e-13
"""Violation that counts as none, relative to the size of the terms that cancel in the row."""

AHEAD = 4096
"""How many bytes before their turn coefficients are asked for: twenty samples of a dozen rows, which take as long as
the answer of the outer cache."""

HOLDS = 0
BROKEN = 1
NOT_FINITE = 2


@kernel
def load_planar(A, A_row):
    """Coefficients of four rows over two actions."""
    if A_row == 2:
        return load_pairs(A)
    return load_strided(A, A_row), load_strided(A + 8, A_row)


@kernel
def planar_rows_hold(x, y, A, A_row, c, rows):
    """Whether every row over two actions holds at ``(x, y)``. Neither NaN nor infinity ever does.

    Where fewer than four rows are left, the last four are looked at again.
    """
    if rows < LANES:
        hold = True
        for k in range(rows):
            row = reals(A + 8 * k * A_row, 1)
            residual = row[0] * x + row[1] * y + reals(c, 1)[k]
            hold &= (residual >= 0.0) & (residual <= LARGEST)
        return hold
    xs, ys, zero = fill(x), fill(y), fill(0.0)
    total = zero  # NaN or infinite if any of them is
    good = zero <= zero
    k = 0
    while k < rows:
        k = min(k, rows - LANES)
        if A_row == 2:
            a, b = load_crossed_pairs(A + 16 * k)
            prefetch(A + 16 * k + AHEAD)
            r = a * xs + b * ys + cross(load(c + 8 * k))
        else:
            a, b = load_planar(A + 8 * k * A_row, A_row)
            r = a * xs + b * ys + load(c + 8 * k)
        good &= r >= zero
        total += r
        k += LANES
    return every(good & (total <= fill(LARGEST)))


@kernel
def dot(row, local):
    """A row's coefficients times the clipped action."""
    total = 0.0
    for j in range(local.width):
        total += row[j] * local[3, j]
    return total


@kernel
def partial_dot(row, point, dim):
    """The same in four parts, for as many actions as fill all lanes."""
    total = load(row) * load(point)
    for j in range(LANES, dim - LANES + 1, LANES):
        total += load(row + 8 * j) * load(point + 8 * j)
    return total


@kernel
def rows_hold(local, point, A, A_row, c, rows):
    """Whether every row over other than two actions holds at the clipped one, which lies at the address ``point``."""
    dim = local.width
    good = True
    if dim < LANES or rows < LANES:
        for k in range(rows):
            total = dot(reals(A + 8 * k * A_row, 1), local) + reals(c, 1)[k]
            good &= (total >= 0.0) & (total <= LARGEST)
        return good
    zero, largest = fill(0.0), fill(LARGEST)
    step = 8 * A_row
    for start in range(0, rows, LANES):
        k = min(start, rows - LANES)
        row = A + k * step
        r = load(c + 8 * k) + sums(
            partial_dot(row, point, dim),
            partial_dot(row + step, point, dim),
            partial_dot(row + 2 * step, point, dim),
            partial_dot(row + 3 * step, point, dim),
        )
        for j in range(dim - dim % LANES, dim):
            r += load_strided(row + 8 * j, A_row) * fill(local[3, j])
        good &= every((r >= zero) & (r <= largest))
    return good


@kernel
def inspect_planar_rows(local, A, A_row, c, rows):
    """:func:`inspect_rows` over two actions, four rows at a time."""
    x, y, x_size, y_size = fill(local[3, 0]), fill(local[3, 1]), fill(local[4, 0]), fill(local[4, 1])
    zero, largest = fill(0.0), fill(LARGEST)
    holds = finite = zero <= zero
    k = 0
    while k < rows:
        k = min(k, rows - LANES)
        a, b = load_planar(A + 8 * k * A_row, A_row)
        shift = load(c + 8 * k)
        size = magnitude(a) * x_size + magnitude(b) * y_size + magnitude(shift)
        finite &= (magnitude(a) <= largest) & (magnitude(b) <= largest) & (magnitude(shift) <= largest)
        holds &= (a * x + b * y + shift >= fill(-FEASIBILITY) * size) & (size <= largest)
        k += LANES
    if not every(finite):
        return NOT_FINITE
    return HOLDS if every(holds) else BROKEN


@kernel
def inspect_rows(local, A, A_row, c, rows):
    """Second look at a sample that did not pass: ``HOLDS`` up to rounding, ``BROKEN`` or ``NOT_FINITE``."""
    if local.width == 2 and rows >= LANES:
        return inspect_planar_rows(local, A, A_row, c, rows)
    verdict = HOLDS
    for k in range(rows):
        row = reals(A + 8 * k * A_row, 1)
        r = reals(c, 1)[k]
        size = abs(r)
        finite = size <= LARGEST
        for j in range(local.width):
            a = row[j]
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
    dim = local.width
    for j in range(dim):
        if local[0, j] < local[3, j]:
            found[count] = rows + j
            count += 1
        elif local[0, j] > local[3, j]:
            found[count] = rows + dim + j
            count += 1
    return count
