"""Two actions: the optimum of the broken constraints lies on one of their lines, a one-dimensional problem.

Incremental linear programming after Seidel (1991), with the most violated row first, so that one pass over the
rows nearly always ends it. Whatever is not clear cut (parallel lines in conflict, lines that nearly coincide,
an empty line) is left to the general solver: this one decides only what rounding cannot change.

Lines come in blocks of four: the bounds of the box first, then the rows, then fillers that always hold. A block
has four rows of ``lines (4 blocks, 4)``: unit normals (2), offsets, so that a line is ``n . v >= b``, and moves.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import (
    LANES,
    choose,
    count_from,
    every,
    fill,
    load,
    magnitude,
    place,
    root,
    smallest,
    store,
)
from sb3_barriernet.projection.kernels.screening import FEASIBILITY, load_planar
from sb3_barriernet.projection.kernels.views import reals

PARALLEL = 1e-14
"""Sine of an angle below which two lines count as parallel."""

SHARP = 1e-6
"""Sine of an angle below which a corner is left to the general solver."""

FAR = 1e4
"""Nominal actions this many times farther than the box are left to the general solver: the foot of the
perpendicular would lose the digits that choose the corner."""

ATTEMPTS = 6

UNDECIDED = -2
FREE = -1
EMPTY = -3

BLOCK = 8 * 4 * LANES
"""Bytes of a block of lines."""

ROW = 8 * LANES
"""Bytes of a row of it."""


@kernel
def count_blocks(rows):
    """Blocks that hold the box and the rows."""
    return 1 + (rows + LANES - 1) // LANES


@kernel
def pick(lines, row, line):
    """A number of one line: 0 and 1 its normal, 2 its offset, 3 its move."""
    return reals(lines, 1)[line // LANES * 4 * LANES + row * LANES + line % LANES]


@kernel
def face_of(line, rows):
    """The face that a line stands for: its row, or the bound of the box."""
    return rows + line if line < LANES else line - LANES


@kernel
def solve_planar(local, scale, A, A_row, c, rows, lines, found):
    """Write the action into ``local`` and its faces into ``found``; the number of faces, -1 if undecided.

    :param scale: square roots of the diagonal weight, (2,)
    :param lines: address of scratch for ``count_blocks(rows)`` blocks
    """
    blocks = count_blocks(rows)
    if not fill_lines(local, scale, A, A_row, c, rows, lines):
        return -1
    line = most_violated_line(local[3, 0] * scale[0], local[3, 1] * scale[1], lines, blocks)
    x_nominal = local[0, 0] * scale[0]
    y_nominal = local[0, 1] * scale[1]
    reach = abs(local[3, 0]) * scale[0] + abs(local[3, 1]) * scale[1] + abs(pick(lines, 2, line))
    if not abs(x_nominal) + abs(y_nominal) <= FAR * reach:
        return -1
    for _ in range(ATTEMPTS):
        n_x = pick(lines, 0, line)
        n_y = pick(lines, 1, line)
        offset = pick(lines, 2, line)
        gap = n_x * x_nominal + n_y * y_nominal - offset
        x = x_nominal - gap * n_x
        y = y_nominal - gap * n_y
        corner, t = move_on_line(lines, blocks, n_x, n_y, x, y)
        if corner == UNDECIDED:
            return -1
        if corner == EMPTY:
            line = int(t)  # The optimum, if there is one, is elsewhere: perhaps on the line in conflict.
            continue
        pull = -gap
        sine = 1.0
        m_x = 0.0
        m_y = 0.0
        if corner >= 0:
            m_x = pick(lines, 0, corner)
            m_y = pick(lines, 1, corner)
            sine = m_y * n_x - m_x * n_y
            pull -= t / sine * (m_x * n_x + m_y * n_y)
        if pull < 0.0:
            if corner < 0:
                return -1
            line = corner  # The first line pulls the wrong way: the optimum is on the other one.
            continue
        x -= t * n_y
        y += t * n_x
        # One correction onto the faces removes the rounding of a far nominal action.
        r = n_x * x + n_y * y - offset
        x -= r * n_x
        y -= r * n_y
        if corner >= 0:
            t = (m_x * x + m_y * y - pick(lines, 2, corner)) / sine
            x += t * n_y
            y -= t * n_x
        local[3, 0] = x / scale[0]
        local[3, 1] = y / scale[1]
        found[0] = face_of(line, rows)
        found[1] = face_of(corner, rows)
        return 1 if corner < 0 else 2
    return -1


@kernel
def fill_lines(local, scale, A, A_row, c, rows, lines):
    """Box and rows as lines; False where a row is out of range."""
    box = reals(lines, LANES)
    for i in range(LANES):
        side = i // 2
        axis = i % 2
        sign = 1.0 - 2.0 * side
        box[0, i] = sign * (1 - axis)
        box[1, i] = sign * axis
        box[2, i] = sign * scale[axis] * local[1 + side, axis]
    x_scale = fill(1.0 / scale[0])
    y_scale = fill(1.0 / scale[1])
    usable = fill(0.0) <= fill(1.0)
    whole = rows - rows % LANES
    for k in range(0, whole, LANES):
        a, b = load_planar(A + 8 * k * A_row, A_row)
        usable &= fill_block(a * x_scale, b * y_scale, load(c + 8 * k), lines + (1 + k // LANES) * BLOCK)
    if whole < rows:
        rest = lines + (1 + whole // LANES) * BLOCK
        block = reals(rest, LANES)
        for i in range(LANES):
            k = whole + i
            row = reals(A + 8 * k * A_row, 1)
            block[0, i] = row[0] if k < rows else 0.0
            block[1, i] = row[1] if k < rows else 0.0
            block[2, i] = reals(c, 1)[k] if k < rows else 1.0
        usable &= fill_block(load(rest) * x_scale, load(rest + ROW) * y_scale, load(rest + 2 * ROW), rest)
    return every(usable)


@kernel
def fill_block(a, b, shift, block):
    """Write four rows in scaled actions as lines; which of them are usable. Padding becomes a line that holds."""
    zero, one = fill(0.0), fill(1.0)
    square = a * a + b * b
    padding = square == zero
    inverse = choose(padding, zero, one / root(choose(padding, one, square)))
    store(block, a * inverse)
    store(block + ROW, b * inverse)
    store(block + 2 * ROW, choose(padding, zero - one, zero - shift * inverse))
    return ((square > fill(1e-280)) & (square < fill(1e280))) | (padding & (shift >= zero))


@kernel
def most_violated_line(x, y, lines, blocks):
    """The row whose line is violated most at ``(x, y)``."""
    xs, ys = fill(x), fill(y)
    worst = fill(np.inf)
    line = fill(0.0)
    for i in range(1, blocks):
        block = lines + i * BLOCK
        r = load(block) * xs + load(block + ROW) * ys - load(block + 2 * ROW)
        worse = r < worst
        worst = choose(worse, r, worst)
        line = choose(worse, count_from(np.float64(LANES * i)), line)
    return int(smallest(choose(worst == fill(smallest(worst)), line, fill(np.inf))))


@kernel
def move_on_line(lines, blocks, n_x, n_y, x, y):
    """Shortest move along the line with normal ``n`` from ``(x, y)`` into all other half planes.

    :return: the line that ends the move (``FREE`` if none is needed) and its signed length; ``EMPTY`` and one of
        the lines in conflict where there is no such point
    """
    xs, ys, n_xs, n_ys = fill(x), fill(y), fill(n_x), fill(n_y)
    size = fill(-FEASIBILITY * (abs(x) + abs(y)))
    parallel, one = fill(PARALLEL), fill(1.0)
    low, high = fill(-np.inf), fill(np.inf)
    firsts, lasts = low, high
    clear = low < high
    for i in range(blocks):
        block = lines + i * BLOCK
        m_x, m_y, offset = load(block), load(block + ROW), load(block + 2 * ROW)
        r = m_x * xs + m_y * ys - offset
        sine = m_y * n_xs - m_x * n_ys
        steep = magnitude(sine) > parallel
        t = (fill(0.0) - r) / choose(steep, sine, one)
        store(block + 3 * ROW, t)
        lower = choose(sine > parallel, t, low)
        upper = choose(sine < fill(-PARALLEL), t, high)
        firsts = choose(lower > firsts, lower, firsts)
        lasts = choose(upper < lasts, upper, lasts)
        clear &= steep | (r >= size - fill(FEASIBILITY) * magnitude(offset))
    first = -smallest(fill(0.0) - firsts)
    last = smallest(lasts)
    if not every(clear):
        return UNDECIDED, 0.0
    if first > last:
        return EMPTY, float(line_with_move(lines, blocks, n_x, n_y, first, 0.0))
    if first <= 0.0 and last >= 0.0:
        return FREE, 0.0
    if first > 0.0:
        return line_with_move(lines, blocks, n_x, n_y, first, 1.0), first
    return line_with_move(lines, blocks, n_x, n_y, last, -1.0), last


@kernel
def line_with_move(lines, blocks, n_x, n_y, move, side):
    """The first line that ends this move and bounds it from ``side``, at no sharp angle unless ``side`` is 0."""
    n_xs, n_ys, move, sides = fill(n_x), fill(n_y), fill(move), fill(side)
    sharp = fill(SHARP if side != 0.0 else -1.0)
    for i in range(blocks):
        block = lines + i * BLOCK
        sine = load(block + ROW) * n_xs - load(block) * n_ys
        found = place((load(block + 3 * ROW) == move) & (sine * sides > sharp))
        if found < LANES:
            return LANES * i + found
    return UNDECIDED
