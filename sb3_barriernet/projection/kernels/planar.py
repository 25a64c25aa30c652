"""Two actions: the optimum of the broken constraints lies on one of their lines, a one-dimensional problem.

Incremental linear programming after Seidel (1991), with the most violated row first, so that one pass over the
rows nearly always ends it. Whatever is not clear cut (parallel lines in conflict, lines that nearly coincide,
an empty line) is left to the general solver: this one decides only what rounding cannot change.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.memory import load64
from sb3_barriernet.projection.kernels.screening import FEASIBILITY

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


@kernel
def solve_planar(local, scale, A, A_row, c, rows, lines, found):
    """Write the action into ``local`` and its faces into ``found``; the number of faces, -1 if undecided.

    :param scale: (2,) square roots of the diagonal weight
    :param lines: scratch ``(4, K + 4)``: unit normals (2) and offsets, so that a line is ``n . v >= b``; moves
    """
    line = _fill_lines(local, scale, A, A_row, c, rows, lines)
    if line < 0:
        return -1
    x_nominal = local[0, 0] * scale[0]
    y_nominal = local[0, 1] * scale[1]
    reach = abs(local[3, 0]) * scale[0] + abs(local[3, 1]) * scale[1] + abs(lines[2, line])
    if not abs(x_nominal) + abs(y_nominal) <= FAR * reach:
        return -1
    for _ in range(ATTEMPTS):
        n_x = lines[0, line]
        n_y = lines[1, line]
        gap = n_x * x_nominal + n_y * y_nominal - lines[2, line]
        x = x_nominal - gap * n_x
        y = y_nominal - gap * n_y
        corner, t = _move_on_line(lines, line, x, y)
        if corner == UNDECIDED:
            return -1
        if corner == EMPTY:
            line = int(t)  # The optimum, if there is one, is elsewhere: perhaps on the line in conflict.
            continue
        pull = -gap
        sine = 1.0
        if corner >= 0:
            sine = lines[1, corner] * n_x - lines[0, corner] * n_y
            pull -= t / sine * (lines[0, corner] * n_x + lines[1, corner] * n_y)
        if pull < 0.0:
            if corner < 0:
                return -1
            line = corner  # The first line pulls the wrong way: the optimum is on the other one.
            continue
        x -= t * n_y
        y += t * n_x
        # One correction onto the faces removes the rounding of a far nominal action.
        r = n_x * x + n_y * y - lines[2, line]
        x -= r * n_x
        y -= r * n_y
        if corner >= 0:
            t = (lines[0, corner] * x + lines[1, corner] * y - lines[2, corner]) / sine
            x += t * n_y
            y -= t * n_x
        local[3, 0] = x / scale[0]
        local[3, 1] = y / scale[1]
        found[0] = line
        found[1] = corner
        return 1 if corner < 0 else 2
    return -1


@kernel
def _fill_lines(local, scale, A, A_row, c, rows, lines):
    """Rows and box as lines with unit normals; the most violated row, -1 where a row is out of range."""
    usable = True
    x_point = local[3, 0] * scale[0]
    y_point = local[3, 1] * scale[1]
    x_inverse = 1.0 / scale[0]
    y_inverse = 1.0 / scale[1]
    for k in range(rows):
        x = load64(A, k * A_row) * x_inverse
        y = load64(A, k * A_row + 1) * y_inverse
        square = x * x + y * y
        shift = load64(c, k)
        padding = square == 0.0
        usable &= ((square > 1e-280) & (square < 1e280)) | (padding & (shift >= 0.0))
        inverse = 0.0 if padding else 1.0 / np.sqrt(1.0 if padding else square)
        lines[0, k] = x * inverse
        lines[1, k] = y * inverse
        lines[2, k] = -1.0 if padding else -shift * inverse
    worst = np.inf
    line = -1
    for k in range(rows):
        r = lines[0, k] * x_point + lines[1, k] * y_point - lines[2, k]
        if r < worst:
            worst = r
            line = k
    for j in range(2):
        for side in range(2):
            k = rows + 2 * side + j
            sign = 1.0 - 2.0 * side
            lines[0, k] = sign * (1 - j)
            lines[1, k] = sign * j
            lines[2, k] = sign * scale[j] * local[1 + side, j]
    return line if usable else -1


@kernel
def _move_on_line(lines, line, x, y):
    """Shortest move along ``line`` from ``(x, y)`` into all other half planes.

    Which of the two sides a line cuts off is a coin flip to the branch predictor, so the loop selects instead.

    :return: the line that ends the move (``FREE`` if none is needed) and its signed length; ``EMPTY`` and one of
        the lines in conflict where there is no such point
    """
    n_x = lines[0, line]
    n_y = lines[1, line]
    size = FEASIBILITY * (abs(x) + abs(y))
    first = -np.inf
    last = np.inf
    clear = True
    for k in range(lines.shape[1]):
        r = lines[0, k] * x + lines[1, k] * y - lines[2, k]
        sine = lines[1, k] * n_x - lines[0, k] * n_y
        parallel = abs(sine) <= PARALLEL
        t = -r / (1.0 if parallel else sine)
        lines[3, k] = t
        low = t if sine > PARALLEL else -np.inf
        high = t if sine < -PARALLEL else np.inf
        first = low if low > first else first
        last = high if high < last else last
        clear &= (not parallel) | (r >= -size - FEASIBILITY * abs(lines[2, k]))
    if not clear:
        return UNDECIDED, 0.0
    if first > last:
        for k in range(lines.shape[1]):
            if lines[3, k] == first:
                return EMPTY, float(k)
    if first <= 0.0 and last >= 0.0:
        return FREE, 0.0
    move = first if first > 0.0 else last
    for k in range(lines.shape[1]):
        sine = lines[1, k] * n_x - lines[0, k] * n_y
        if lines[3, k] == move and (sine > SHARP if first > 0.0 else sine < -SHARP):
            return k, move
    return UNDECIDED, 0.0
