"""Two actions: the optimum of the broken constraints lies on one of their lines, a one-dimensional problem.

Incremental linear programming after Seidel (1991), with the most violated row first, so that one pass over the
rows nearly always ends it. Whatever is not clear cut (parallel lines in conflict, lines that nearly coincide,
an empty line) is left to the general solver: this one decides only what rounding cannot change.

Four samples are solved at a time, one in each lane. No lane looks at another one, so that a sample has the same
result to the last bit beside whatever others.

A line ``m . v >= b`` in scaled actions has three rows of ``lines (4 + K, 3, LANES)``: its normal (2) and its offset.
The bounds of the box come first, then the rows. Normals are not scaled: where a line is met does not depend on its
scale, and a square root for every row would take as long as all the rest.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import choose, fill, lane, load, load_at, magnitude, root, some, store
from sb3_barriernet.projection.kernels.layout import LANES
from sb3_barriernet.projection.kernels.screening import FEASIBILITY

PARALLEL = 1e-14
"""Sine of an angle below which two lines count as parallel."""

SHARP = 1e-6
"""Sine of an angle below which a corner is left to the general solver."""

FAR = 1e4
"""Nominal actions this many times farther away than the solution are left to the general solver: the foot of the
perpendicular would lose the digits that choose the corner."""

ATTEMPTS = 6

BOUNDS = 4
"""Lines of the box: two lower bounds, two upper ones."""

ROW = 8 * LANES
"""Bytes of one number of a line, in every lane."""

LINE = 3 * ROW


@kernel
def face_of(line, rows):
    """The face that a line stands for, -1 for none: its row, or the bound of the box."""
    return line if line < 0 else rows + line if line < BOUNDS else line - BOUNDS


@kernel
def project_onto_lines(lines, rows, line, x_nominal, y_nominal, running):
    """The projections of four nominal actions, in scaled actions.

    :param line: a violated one, the most violated one at best
    :param running: which lanes are to be solved
    :return: which of them are solved, the actions, and the line or two that they lie on, -1 for none
    """
    n_x, n_y, offset = normalise(*line_at(lines, line))
    zero, one, none = fill(0.0), fill(1.0), fill(-1.0)
    solved = zero < zero
    x_solved, y_solved, first, second = x_nominal, y_nominal, none, none
    for _ in range(ATTEMPTS):
        if not some(running):
            break
        gap = n_x * x_nominal + n_y * y_nominal - offset
        x = x_nominal - gap * n_x
        y = y_nominal - gap * n_y
        low, high, low_line, high_line, clear = moves_on_line(lines, rows, n_x, n_y, x, y)
        # Where no move is allowed, the optimum, if there is one, is elsewhere: perhaps on the line in conflict.
        empty = low > high
        free = (low <= zero) & (high >= zero)
        up = low > zero
        move = choose(free, zero, choose(empty | up, low, high))
        corner = choose(free, none, choose(empty | up, low_line, high_line))
        m_x, m_y, m_offset = line_at(lines, corner)
        m_x, m_y, m_offset = choose(free, zero, m_x), choose(free, zero, m_y), choose(free, zero, m_offset)
        sine = choose(free, one, m_y * n_x - m_x * n_y)
        sharp = magnitude(sine) <= fill(SHARP) * (magnitude(m_x) + magnitude(m_y))
        running &= clear & (empty | ~sharp)
        # The optimum is on the other line where the first one pulls the wrong way.
        astray = zero - gap < move / sine * (m_x * n_x + m_y * n_y)
        running &= ~(free & astray)
        x, y = correct(x - move * n_y, y + move * n_x, n_x, n_y, offset, m_x, m_y, m_offset, sine)
        done = running & ~(empty | astray)
        x_solved, y_solved = choose(done, x, x_solved), choose(done, y, y_solved)
        first, second = choose(done, line, first), choose(done, corner, second)
        solved |= done
        running &= empty | astray
        line = corner
        n_x, n_y, offset = normalise(m_x, m_y, m_offset)
    solved &= magnitude(x_nominal) + magnitude(y_nominal) <= fill(FAR) * (magnitude(x_solved) + magnitude(y_solved))
    return solved, x_solved, y_solved, first, second


@kernel
def correct(x, y, n_x, n_y, offset, m_x, m_y, m_offset, sine):
    """Move a point that lies on both lines but for the rounding of a far nominal action onto them.

    :param sine: ``n x m``; all of ``m`` is 0 where there is no second line
    """
    r = n_x * x + n_y * y - offset
    x -= r * n_x
    y -= r * n_y
    t = (m_x * x + m_y * y - m_offset) / sine
    return x + t * n_y, y - t * n_x


@kernel
def store_line(line, x, y, offset):
    """Write a line."""
    store(line, x)
    store(line + ROW, y)
    store(line + 2 * ROW, offset)


@kernel
def store_bounds(lines, low_x, low_y, high_x, high_y):
    """Write the box, in scaled actions, as lines."""
    zero, one = fill(0.0), fill(1.0)
    store_line(lines, one, zero, low_x)
    store_line(lines + LINE, zero, one, low_y)
    store_line(lines + 2 * LINE, zero - one, zero, zero - high_x)
    store_line(lines + 3 * LINE, zero, zero - one, zero - high_y)


@kernel
def store_row(lines, k, a, b, shift, square):
    """Write row ``k``, in scaled actions, as a line; where it is usable. Padding becomes a line that holds.

    :param square: of its coefficients
    """
    zero = fill(0.0)
    padding = square == zero
    store_line(lines + (BOUNDS + k) * LINE, a, b, choose(padding, fill(-1.0), zero - shift))
    return ((square > fill(1e-280)) & (square < fill(1e280))) | (padding & (shift >= zero))


@kernel
def normalise(x, y, offset):
    """The same line with a unit normal."""
    inverse = fill(1.0) / root(x * x + y * y)
    return x * inverse, y * inverse, offset * inverse


@kernel
def load_line(line):
    """Normal and offset."""
    return load(line), load(line + ROW), load(line + 2 * ROW)


@kernel
def moves_on_line(lines, rows, n_x, n_y, x, y):
    """The moves along the line with normal ``n`` that lead from ``(x, y)`` into all other half planes.

    :return: the first and the last of them, the lines that end them there, -1 for none, and where all lines are clear
        cut. The first is greater where there is none
    """
    size, zero, one, least, most = magnitude(x) + magnitude(y), fill(0.0), fill(1.0), fill(-np.inf), fill(np.inf)
    low, high, low_line, high_line = least, most, fill(-1.0), fill(-1.0)
    clear = low < high
    for k in range(BOUNDS + rows):
        line = lines + k * LINE
        m_x, m_y, offset = load_line(line)
        length = magnitude(m_x) + magnitude(m_y)
        r = m_x * x + m_y * y - offset
        sine = m_y * n_x - m_x * n_y
        parallel = fill(PARALLEL) * length
        steep = magnitude(sine) > parallel
        t = (zero - r) / choose(steep, sine, one)
        lower, upper = choose(sine > parallel, t, least), choose(sine < zero - parallel, t, most)
        later, earlier, this = lower > low, upper < high, fill(float(k))
        low, low_line = choose(later, lower, low), choose(later, this, low_line)
        high, high_line = choose(earlier, upper, high), choose(earlier, this, high_line)
        clear &= steep | (r >= fill(-FEASIBILITY) * (length * size + magnitude(offset)))
    return low, high, low_line, high_line, clear


@kernel
def line_at(lines, index):
    """Normal and offset of a line in each lane, of any where there is none."""
    l0, l1, l2, l3 = place(lines, index, 0), place(lines, index, 1), place(lines, index, 2), place(lines, index, 3)
    x = load_at(l0, l1, l2, l3)
    y = load_at(l0 + ROW, l1 + ROW, l2 + ROW, l3 + ROW)
    return x, y, load_at(l0 + 2 * ROW, l1 + 2 * ROW, l2 + 2 * ROW, l3 + 2 * ROW)


@kernel
def place(lines, index, i):
    """Where lane ``i`` of its line lies."""
    return lines + LINE * max(int(lane(index, i)), 0) + 8 * i
