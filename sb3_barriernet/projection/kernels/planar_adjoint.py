"""The backward kernel for two actions, a diagonal weight and feasible rows: written out, because it is common.

The formulas are those of :mod:`~sb3_barriernet.projection.kernels.adjoint`.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.planar import SHARP
from sb3_barriernet.projection.kernels.views import reals


@kernel
def pull_back_planar(local, root, unroot, chosen, A, A_row, c, rows, lines, result):
    """Solve for the gradient of one sample; the number of faces, -1 if the general kernel has to.

    :param local: nominal action, bounds and, in row 3, the incoming gradient
    :param root: scales of the actions, on the diagonal, and ``unroot`` their reciprocals
    :param chosen: (3,) active faces, -1 for none
    :param lines: scratch ``(4, M + 1)``: unit normals (2), offsets and reciprocal norms of the active faces
    :param result: as in ``pull_back_general``
    """
    x_scale, y_scale = root[0, 0], root[1, 1]
    x_unscale, y_unscale = unroot[0, 0], unroot[1, 1]
    count = 0
    while count < 3 and chosen[count] >= 0:
        _load_line(local, chosen[count], count, x_unscale, y_unscale, A, A_row, c, rows, lines)
        count += 1
    x = local[0, 0] * x_scale
    y = local[0, 1] * y_scale
    x_pull = local[3, 0] * x_unscale
    y_pull = local[3, 1] * y_unscale
    if count == 1:
        multiplier = lines[2, 0] - lines[0, 0] * x - lines[1, 0] * y
        dot = lines[0, 0] * x_pull + lines[1, 0] * y_pull
        x += multiplier * lines[0, 0]
        y += multiplier * lines[1, 0]
        x_pull -= dot * lines[0, 0]
        y_pull -= dot * lines[1, 0]
        result[2, 0] = multiplier * lines[3, 0]
        result[3, 0] = -dot * lines[3, 0]
    elif count == 2:
        sine = lines[0, 0] * lines[1, 1] - lines[1, 0] * lines[0, 1]
        if not abs(sine) > SHARP:
            return -1
        inverse = 1.0 / sine
        x = (lines[2, 0] * lines[1, 1] - lines[2, 1] * lines[1, 0]) * inverse
        y = (lines[0, 0] * lines[2, 1] - lines[0, 1] * lines[2, 0]) * inverse
        # In a corner nothing is left to turn, so the multipliers do not matter.
        result[2, 0] = 0.0
        result[2, 1] = 0.0
        result[3, 0] = (y_pull * lines[0, 1] - x_pull * lines[1, 1]) * inverse * lines[3, 0]
        result[3, 1] = (x_pull * lines[1, 0] - y_pull * lines[0, 0]) * inverse * lines[3, 1]
        x_pull = 0.0
        y_pull = 0.0
    elif count > 2:
        return -1
    result[0, 0] = x * x_unscale
    result[0, 1] = y * y_unscale
    result[1, 0] = x_pull * x_unscale
    result[1, 1] = y_pull * y_unscale
    result[4, 0] = x_pull * x_scale
    result[4, 1] = y_pull * y_scale
    return count


@kernel
def _load_line(local, face, position, x_unscale, y_unscale, A, A_row, c, rows, lines):
    """The line of a row or bound, with a unit normal, in scaled actions."""
    if face < rows:
        row = reals(A + 8 * face * A_row, 1)
        x = row[0]
        y = row[1]
        offset = -reals(c, 1)[face]
    else:
        side = (face - rows) // 2
        axis = face - rows - 2 * side
        sign = 1.0 - 2.0 * side
        x = sign * (1 - axis)
        y = sign * axis
        offset = sign * local[1 + side, axis]
    x *= x_unscale
    y *= y_unscale
    inverse = 1.0 / np.sqrt(x * x + y * y)
    lines[0, position] = x * inverse
    lines[1, position] = y * inverse
    lines[2, position] = offset * inverse
    lines[3, position] = inverse
