"""Two actions: the optimum of the broken constraints lies on one of their lines, a one-dimensional problem.

Incremental linear programming after Seidel (1991), with the most violated row first, so that one pass over the
rows nearly always ends it. Whatever is not clear cut (parallel lines in conflict, lines that nearly coincide,
an empty line) is left to the general solver: this one decides only what rounding cannot change.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.memory import coefficient, diagonal, lower, nominal, offset, upper
from sb3_barriernet.projection.kernels.screening import FEASIBILITY

PARALLEL = 1e-14
"""Sine of an angle below which two lines count as parallel."""

SHARP = 1e-6
"""Sine of an angle below which a corner is left to the general solver."""

FAR = 1e4
"""Nominal actions this many times farther than the box are left to the general solver: the foot of the
perpendicular would lose the digits that choose the corner."""

ATTEMPTS = 6


@kernel
def solve_planar(problem, sample, point, lines, found):  # type: ignore[no-untyped-def]
    """Write the action into ``point`` and its faces into ``found``; the number of faces, -1 if undecided.

    :param point: in, the clipped nominal action; out, the projection
    :param lines: scratch ``(3, K + 4)``: unit normals (2) and offsets, so that a line is ``n . v >= b``
    """
    x_scale = np.sqrt(diagonal(problem, 0))
    y_scale = np.sqrt(diagonal(problem, 1))
    if not _fill_lines(problem, sample, lines, x_scale, y_scale):
        return -1
    x = point[0] * x_scale
    y = point[1] * y_scale
    x_nominal = nominal(problem, sample, 0) * x_scale
    y_nominal = nominal(problem, sample, 1) * y_scale
    line = _most_violated(lines, problem.rows, x, y)
    distance = abs(x_nominal - x) + abs(y_nominal - y)
    if not distance <= FAR * (abs(x) + abs(y) + abs(lines[2, line])):
        return -1
    for _ in range(ATTEMPTS):
        corner, t, gap, sine, decided = _solve_on_line(lines, line, x_nominal, y_nominal)
        if not decided:
            return -1
        pull = -gap
        if corner >= 0:
            cosine = lines[0, corner] * lines[0, line] + lines[1, corner] * lines[1, line]
            pull -= t / sine * cosine
        if pull >= 0.0:
            _place(lines, line, corner, x_nominal, y_nominal, t, gap, sine, point)
            point[0] = _inside(problem, sample, 0, point[0] / x_scale, line, corner)
            point[1] = _inside(problem, sample, 1, point[1] / y_scale, line, corner)
            found[0] = line
            found[1] = corner
            return 1 if corner < 0 else 2
        if corner < 0:
            return -1
        line = corner  # The first line pulls the wrong way: the optimum is on the other one.
    return -1


@kernel
def _fill_lines(problem, sample, lines, x_scale, y_scale):  # type: ignore[no-untyped-def]
    """Rows and box as lines with unit normals in the metric of the weight."""
    K = problem.rows
    usable = True
    for k in range(K):
        x = coefficient(problem, sample, k, 0) / x_scale
        y = coefficient(problem, sample, k, 1) / y_scale
        square = x * x + y * y
        inverse = 1.0 / np.sqrt(square)
        padding = square == 0.0
        usable &= padding | ((square > 1e-280) & (square < 1e280))
        usable &= (offset(problem, sample, k) >= 0.0) | (not padding)
        inverse = 0.0 if padding else inverse
        lines[0, k] = x * inverse
        lines[1, k] = y * inverse
        lines[2, k] = -1.0 if padding else -offset(problem, sample, k) * inverse
    for j in range(2):
        scale = y_scale if j else x_scale
        for side in range(2):
            k = K + 2 * side + j
            sign = 1.0 - 2.0 * side
            lines[0, k] = sign * (1 - j)
            lines[1, k] = sign * j
            lines[2, k] = scale * (-upper(problem, sample, j) if side else lower(problem, sample, j))
    return usable


@kernel
def _most_violated(lines, rows, x, y):  # type: ignore[no-untyped-def]
    worst = np.inf
    index = 0
    for k in range(rows):
        r = lines[0, k] * x + lines[1, k] * y - lines[2, k]
        if r < worst:
            worst = r
            index = k
    return index


@kernel
def _solve_on_line(lines, line, x_nominal, y_nominal):  # type: ignore[no-untyped-def]
    """Closest point to the nominal action on ``line`` within all other lines.

    :return: the line that stops the move along ``line`` (-1 for none), the signed length ``t`` of the move,
        the signed distance of the nominal action from ``line``, the sine of the corner's angle, and whether
        the answer is beyond doubt
    """
    n_x = lines[0, line]
    n_y = lines[1, line]
    gap = n_x * x_nominal + n_y * y_nominal - lines[2, line]
    x = x_nominal - gap * n_x
    y = y_nominal - gap * n_y
    first = -np.inf
    last = np.inf
    first_line = -1
    last_line = -1
    first_sine = 1.0
    last_sine = 1.0
    for k in range(lines.shape[1]):
        if k == line:
            continue
        r = lines[0, k] * x + lines[1, k] * y - lines[2, k]
        sine = lines[1, k] * n_x - lines[0, k] * n_y
        if abs(sine) > PARALLEL:
            t = -r / sine
            if sine > 0.0 and t > first:
                first = t
                first_line = k
                first_sine = sine
            elif sine < 0.0 and t < last:
                last = t
                last_line = k
                last_sine = sine
        elif r < -FEASIBILITY * (abs(lines[2, k]) + abs(x) + abs(y)):
            return -1, 0.0, gap, 1.0, False
    if first > last:
        return -1, 0.0, gap, 1.0, False
    if first > 0.0:
        return first_line, first, gap, first_sine, first_sine > SHARP
    if last < 0.0:
        return last_line, last, gap, last_sine, last_sine < -SHARP
    return -1, 0.0, gap, 1.0, True


@kernel
def _place(lines, line, corner, x_nominal, y_nominal, t, gap, sine, point):  # type: ignore[no-untyped-def]
    """The point on the faces, with one correction that removes the rounding of a far nominal action."""
    n_x = lines[0, line]
    n_y = lines[1, line]
    x = x_nominal - gap * n_x - t * n_y
    y = y_nominal - gap * n_y + t * n_x
    r = n_x * x + n_y * y - lines[2, line]
    x -= r * n_x
    y -= r * n_y
    if corner >= 0:
        t = (lines[0, corner] * x + lines[1, corner] * y - lines[2, corner]) / sine
        x += t * n_y
        y -= t * n_x
    point[0] = x
    point[1] = y


@kernel
def _inside(problem, sample, j, value, line, corner):  # type: ignore[no-untyped-def]
    """Action ``j`` on or within its bounds, to the last bit."""
    low = lower(problem, sample, j)
    high = upper(problem, sample, j)
    low_face = problem.rows + j
    if low_face == line or low_face == corner:
        return low
    if low_face + 2 == line or low_face + 2 == corner:
        return high
    return min(max(value, low), high)
