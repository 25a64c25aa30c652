"""Four samples over two actions that may break a row, one in each lane: a second look, the solution, the outcome."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import (
    choose,
    fill,
    lanes_of,
    load_at,
    load_pairs_at,
    magnitude,
    some,
    store,
)
from sb3_barriernet.projection.kernels.layout import LANES, PENDING
from sb3_barriernet.projection.kernels.outcome import ACTIVE, INACTIVE, INVALID, store_outcome
from sb3_barriernet.projection.kernels.planar import BOUNDS, ROW, face_of, project_onto_lines, store_bounds, store_row
from sb3_barriernet.projection.kernels.sample import LARGEST, LOCAL_ROWS, read, write_within
from sb3_barriernet.projection.kernels.screening import FEASIBILITY
from sb3_barriernet.projection.kernels.views import bytes_, integers, reals, shorts

RESULTS = 9
"""Rows of lanes that :func:`store_group` reads."""


@kernel
def solve_group(given, samples, count, scale, scratch):
    """Look again at up to four samples, one a lane, and solve those that break a row; how many are left to the general
    solver.

    :param samples: address of ``count`` of them
    """
    rows, skewed, box_step = given[layout.ROWS], given[layout.WEIGHT_KIND] > 1, 8 * given[layout.BOX_BATCH]
    chosen = fill_lanes(integers(samples, 1), count)
    u_x, u_y = load_actions(given, given[layout.U], chosen)
    low_x, low_y = load_pairs_of(given[layout.LOW], box_step, chosen)
    high_x, high_y = load_pairs_of(given[layout.HIGH], box_step, chosen)
    x, y = clip(u_x, low_x, high_x), clip(u_y, low_y, high_y)
    first, second = clipped_lines(u_x, x, u_y, y)
    x_scale, y_scale = fill(scale[0]), fill(scale[1])
    results, lines = scratch, scratch + RESULTS * ROW + 8 * LOCAL_ROWS * 2
    store_bounds(lines, low_x * x_scale, low_y * y_scale, high_x * x_scale, high_y * y_scale)
    finite, holds, usable, worst = inspect_planar_rows(given, chosen, (x, y), (x_scale, y_scale), lines)
    valid = finite & is_valid(u_x, low_x, high_x) & is_valid(u_y, low_y, high_y)
    active = valid & ~holds
    if skewed:
        pending = active | (valid & (first >= fill(0.0)))  # A clip is no projection in a skewed metric.
    else:
        pending = active
        if some(active):
            solved, x_solved, y_solved, line, corner = project_onto_lines(
                lines, rows, worst, u_x * x_scale, u_y * y_scale, active & usable
            )
            x, y = choose(solved, x_solved / x_scale, x), choose(solved, y_solved / y_scale, y)
            first, second = choose(solved, line, first), choose(solved, corner, second)
            pending = active & ~solved
    verdict = choose(valid, choose(active, fill(float(ACTIVE)), fill(float(INACTIVE))), fill(float(INVALID)))
    store(results, put_on_bounds(0.0, x, low_x, high_x, first, second))
    store(results + ROW, put_on_bounds(1.0, y, low_y, high_y, first, second))
    store(results + 2 * ROW, low_x)
    store(results + 3 * ROW, low_y)
    store(results + 4 * ROW, high_x)
    store(results + 5 * ROW, high_y)
    store(results + 6 * ROW, first)
    store(results + 7 * ROW, second)
    store(results + 8 * ROW, choose(pending, fill(float(PENDING)), verdict))
    return store_group(given, integers(samples, 1), count, reals(results, LANES))


@kernel
def fill_lanes(samples, count):
    """The samples in the lanes: where there are less than four the first of them again."""
    first = samples[0]
    return (
        first,
        samples[1] if count > 1 else first,
        samples[2] if count > 2 else first,
        samples[3] if count > 3 else first,
    )


@kernel
def load_actions(given, u, chosen):
    """Actions of four samples, of the many at ``u``."""
    single = given[layout.SINGLE] == 1
    if not single:
        return load_pairs_of(u, 16, chosen)
    s0, s1, s2, s3 = chosen
    x = lanes_of(read(u, 2 * s0, single), read(u, 2 * s1, single), read(u, 2 * s2, single), read(u, 2 * s3, single))
    u += 4
    y = lanes_of(read(u, 2 * s0, single), read(u, 2 * s1, single), read(u, 2 * s2, single), read(u, 2 * s3, single))
    return x, y


@kernel
def load_pairs_of(address, step, chosen):
    """A pair of each of four samples, which are ``step`` bytes apart."""
    p0, p1, p2, p3 = addresses(address, step, chosen)
    return load_pairs_at(p0, p1, p2, p3)


@kernel
def addresses(address, step, chosen):
    """Where four samples lie that are ``step`` bytes apart."""
    s0, s1, s2, s3 = chosen
    return address + step * s0, address + step * s1, address + step * s2, address + step * s3


@kernel
def clip(value, low, high):
    """The closest number between two bounds."""
    value = choose(low > value, low, value)
    return choose(high < value, high, value)


@kernel
def is_valid(value, low, high):
    """Whether a nominal action is a number, and its bounds leave one."""
    largest = fill(LARGEST)
    return (low <= high) & (magnitude(value) <= largest) & (low <= largest) & (high >= fill(-LARGEST))


@kernel
def clipped_lines(u_x, x, u_y, y):
    """The lines of the bounds that a clip has hit, -1 for none."""
    none = fill(-1.0)
    first = choose(u_x < x, fill(0.0), choose(u_x > x, fill(2.0), none))
    second = choose(u_y < y, fill(1.0), choose(u_y > y, fill(3.0), none))
    alone = first == none
    return choose(alone, second, first), choose(alone, none, second)


@kernel
def inspect_planar_rows(given, chosen, point, scales, lines):
    """Look at the rows of four samples, and write them as lines.

    :param point: their clipped actions
    :return: where all numbers are finite, where all rows hold up to rounding, where all lines are usable, and which of
        these is violated most
    """
    x, y = point
    x_size, y_size = magnitude(x), magnitude(y)
    x_scale, y_scale = scales
    rows, A_row = given[layout.ROWS], 8 * given[layout.A_ROW]
    A0, A1, A2, A3 = addresses(given[layout.A], 8 * given[layout.A_BATCH], chosen)
    c0, c1, c2, c3 = addresses(given[layout.C], 8 * rows, chosen)
    x_unscale, y_unscale = fill(1.0) / x_scale, fill(1.0) / y_scale
    zero, largest = fill(0.0), fill(LARGEST)
    a_total = b_total = c_total = zero  # NaN if any number is none
    holds = usable = zero <= largest
    worst, line = fill(np.inf), fill(float(BOUNDS))
    for k in range(rows):
        step = k * A_row
        a, b = load_pairs_at(A0 + step, A1 + step, A2 + step, A3 + step)
        step = 8 * k
        shift = load_at(c0 + step, c1 + step, c2 + step, c3 + step)
        a_total += a * zero
        b_total += b * zero
        c_total += shift * zero
        r = a * x + b * y + shift
        size = magnitude(a) * x_size + magnitude(b) * y_size + magnitude(shift)
        holds &= (r >= fill(-FEASIBILITY) * size) & (size <= largest)
        a *= x_unscale
        b *= y_unscale
        square = a * a + b * b
        usable &= store_row(lines, k, a, b, shift, square)
        depth = r * magnitude(r) / square
        worse = depth < worst
        worst, line = choose(worse, depth, worst), choose(worse, fill(float(BOUNDS + k)), line)
    return a_total + b_total + c_total == zero, holds, usable, line


@kernel
def put_on_bounds(axis, value, low, high, first, second):
    """Coordinates in the box and, where a bound is one of the lines, exactly on it."""
    below, above = fill(axis), fill(axis + 2.0)
    value = choose((first == below) | (second == below), low, clip(value, low, high))
    return choose((first == above) | (second == above), high, value)


@kernel
def store_group(given, samples, count, result):
    """Write what became of the first ``count`` lanes; how many are left to the general solver.

    :param result: rows of lanes: action (2), lower bounds (2), upper bounds (2), the lines it lies on (2), the verdict
    """
    rows, single, pending = given[layout.ROWS], given[layout.SINGLE] == 1, 0
    action, status, faces = given[layout.ACTION], bytes_(given[layout.STATUS], 1), shorts(given[layout.FACES], 4)
    for i in range(count):
        sample, verdict = samples[i], int(result[8, i])
        status[sample] = verdict
        if verdict == PENDING:
            pending += 1
        elif verdict == INVALID:
            store_backup(given, sample, result, i)
        else:
            for j in range(2):
                write_within(action, 2 * sample + j, single, result[j, i], result[2 + j, i], result[4 + j, i])
            faces[sample, 1] = face_of(int(result[6, i]), rows)
            faces[sample, 2] = face_of(int(result[7, i]), rows)
    return pending


@kernel
def store_backup(given, sample, result, i):
    """Write the outcome of an invalid sample, that in lane ``i``."""
    local = reals(result.address + 8 * RESULTS * LANES, 2)
    for j in range(2):
        local[1, j] = result[2 + j, i]
        local[2, j] = result[4 + j, i]
    store_outcome(given, sample, local, INVALID, local, 0)
