"""Screening: most nominal actions break no row, and finding that out must cost no more than reading the rows."""

from __future__ import annotations

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import (
    LANES,
    cross,
    every,
    fill,
    lane,
    load,
    load_crossed_pairs,
    load_strided,
    prefetch,
    sums,
)
from sb3_barriernet.projection.kernels.sample import LARGEST
from sb3_barriernet.projection.kernels.views import reals

FEASIBILITY = 1e-13
"""Violation that counts as none, relative to the size of the terms that cancel in the row."""

AHEAD = 6144
"""How many bytes before their turn coefficients are asked for: thirty samples of a dozen rows, which take longer than
the answer of the outer cache."""

HOLDS = 0
BROKEN = 1
NOT_FINITE = 2


@kernel
def planar_rows_hold(point, good, A, A_row, c, rows):
    """Whether ``good`` is true in all lanes, and every row over two actions holds at ``point``, a pair given twice.

    Neither NaN nor infinity ever does. Where fewer than four rows are left, the last four are looked at again.
    """
    x, y = lane(point, 0), lane(point, 1)
    prefetch(c + AHEAD // 2)
    if rows < LANES:
        hold = abs(x) + abs(y) <= LARGEST
        for k in range(rows):
            row = reals(A + 8 * k * A_row, 1)
            residual = row[0] * x + row[1] * y + reals(c, 1)[k]
            hold &= (residual >= 0.0) & (residual <= LARGEST)
        return hold & every(good)
    x_s, y_s, zero = fill(x), fill(y), fill(0.0)
    total = zero  # NaN or infinite if any of them is
    k, last = 0, 8 * (rows - LANES)  # in bytes of c
    # Asking once a sample, not once a vector, how rows lie: this is the tightest loop that there is.
    if A_row == 2:
        while k < last:
            r = packed_residuals(A + 2 * k, c + k, x_s, y_s)
            good &= r >= zero
            total += r
            k += 8 * LANES
        r = packed_residuals(A + 2 * last, c + last, x_s, y_s)
    else:
        while k < last:
            r = strided_residuals(A + k * A_row, A_row, c + k, x_s, y_s)
            good &= r >= zero
            total += r
            k += 8 * LANES
        r = strided_residuals(A + last * A_row, A_row, c + last, x_s, y_s)
    return every(good & (r >= zero) & (total + r <= fill(LARGEST)))


@kernel
def packed_residuals(A, c, x, y):
    """Residuals of four rows that lie one behind the other, the two in the middle exchanged."""
    a, b = load_crossed_pairs(A)
    prefetch(A + AHEAD)
    return a * x + b * y + cross(load(c))


@kernel
def strided_residuals(A, A_row, c, x, y):
    """Residuals of four rows anywhere."""
    return load_strided(A, A_row) * x + load_strided(A + 8, A_row) * y + load(c)


@kernel
def nominal_holds(point, low, high, A, A_row, c, rows):
    """Whether a nominal action over other than two actions is finite, lies in the box and breaks no row."""
    inside = True
    for j in range(point.width):
        value = point[j]
        inside &= (value >= reals(low, 1)[j]) & (value <= reals(high, 1)[j]) & (abs(value) <= LARGEST)
    return inside and rows_hold(point, A, A_row, c, rows)


@kernel
def dot(row, point):
    """A row's coefficients times an action."""
    total = 0.0
    for j in range(point.width):
        total += row[j] * point[j]
    return total


@kernel
def partial_dot(row, point):
    """The same in four parts, for as many actions as fill all lanes."""
    total = load(row) * load(point.address)
    for j in range(LANES, point.width - LANES + 1, LANES):
        total += load(row + 8 * j) * load(point.address + 8 * j)
    return total


@kernel
def rows_hold(point, A, A_row, c, rows):
    """Whether every row over other than two actions holds at ``point``."""
    dim = point.width
    if dim < LANES or rows < LANES:
        good = True
        for k in range(rows):
            total = dot(reals(A + 8 * k * A_row, 1), point) + reals(c, 1)[k]
            good &= (total >= 0.0) & (total <= LARGEST)
        return good
    zero, largest = fill(0.0), fill(LARGEST)
    all_good = zero <= largest
    step = 8 * A_row
    for start in range(0, rows, LANES):
        k = min(start, rows - LANES)
        row = A + k * step
        r = load(c + 8 * k) + sums(
            partial_dot(row, point),
            partial_dot(row + step, point),
            partial_dot(row + 2 * step, point),
            partial_dot(row + 3 * step, point),
        )
        for j in range(dim - dim % LANES, dim):
            r += load_strided(row + 8 * j, A_row) * fill(point[j])
        all_good &= (r >= zero) & (r <= largest)
    return every(all_good)


@kernel
def inspect_rows(local, A, A_row, c, rows):
    """Second look at a sample that did not pass: ``HOLDS`` up to rounding, ``BROKEN`` or ``NOT_FINITE``."""
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
            size += abs(a * local[3, j])
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
