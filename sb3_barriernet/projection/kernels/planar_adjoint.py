"""The backward kernel over two actions with a diagonal weight, four samples at a time, one in each lane: written out,
because it is common.

The formulas are those of :mod:`~sb3_barriernet.projection.kernels.adjoint`, which takes the samples that are left:
relaxed or invalid ones, sharp corners, more faces than two.
"""

from __future__ import annotations

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import (
    choose,
    fill,
    lanes_of,
    load_at,
    load_pairs_at,
    root,
    store,
)
from sb3_barriernet.projection.kernels.layout import LANES, NO_FACES
from sb3_barriernet.projection.kernels.planar import ROW, SHARP
from sb3_barriernet.projection.kernels.planar_group import load_actions
from sb3_barriernet.projection.kernels.sample import clear, pass_on, write
from sb3_barriernet.projection.kernels.views import integers, reals, shorts


@kernel
def pull_back_group(given, first, count, scale, axes, scratch):
    """Differentiate ``count`` samples from ``first`` on, at most four.

    :param scale: square roots of the diagonal weight, (2,)
    :param axes: what :func:`fill_axes` wrote
    :return: the lanes that are left, as bits
    """
    faces = integers(given[layout.FACES] + 8 * first, 1)
    untouched = True
    for i in range(count):
        untouched &= faces[i] == NO_FACES
    clear_group(given, first, count)
    if untouched:
        pass_on(given, first, count)
        return 0
    differentiate_group(given, first, count, scale, axes, scratch)
    return store_gradients(given, first, count, reals(scratch, LANES))


@kernel
def fill_axes(axes):
    """Write the normals of the four bounds, (4, 2): lower ones first."""
    for i in range(8):
        axes[i] = 0.0
    axes[0] = axes[3] = 1.0
    axes[4] = axes[7] = -1.0


@kernel
def differentiate_group(given, first, count, scale, axes, scratch):
    """Write nine rows of lanes to ``scratch``: the gradients for the nominal action (2) and, for each of two faces, its
    normal (2) and its offset; and the sine of the angle between these."""
    last = first + count - 1
    chosen = first, min(first + 1, last), min(first + 2, last), min(first + 3, last)
    x_scale, y_scale = fill(scale[0]), fill(scale[1])
    one, zero = fill(1.0), fill(0.0)
    x_unscale, y_unscale = one / x_scale, one / y_scale
    u_x, u_y = load_actions(given, given[layout.U], chosen)
    pull_x, pull_y = load_actions(given, given[layout.GRADIENT], chosen)
    x, y = u_x * x_scale, u_y * y_scale
    pull_x, pull_y = pull_x * x_unscale, pull_y * y_unscale
    _, n_x, n_y, n_offset, n_inverse = load_face(given, chosen, 1, axes, x_unscale, y_unscale)
    corner, m_x, m_y, m_offset, m_inverse = load_face(given, chosen, 2, axes, x_unscale, y_unscale)
    # On one line: along it.
    multiplier = n_offset - n_x * x - n_y * y
    dot = n_x * pull_x + n_y * pull_y
    along_x, along_y = x + multiplier * n_x, y + multiplier * n_y
    # In a corner nothing is left to turn, so the multipliers do not matter.
    sine = choose(corner, n_x * m_y - n_y * m_x, one)
    inverse = one / sine
    corner_x, corner_y = (n_offset * m_y - m_offset * n_y) * inverse, (n_x * m_offset - m_x * n_offset) * inverse
    n_move = choose(corner, (pull_y * m_x - pull_x * m_y) * inverse, zero - dot) * n_inverse
    m_move = (pull_x * n_y - pull_y * n_x) * inverse * m_inverse
    x, y = choose(corner, corner_x, along_x) * x_unscale, choose(corner, corner_y, along_y) * y_unscale
    pull_x = choose(corner, zero, pull_x - dot * n_x)
    pull_y = choose(corner, zero, pull_y - dot * n_y)
    turn = choose(corner, zero, multiplier * n_inverse)
    store(scratch, pull_x * x_scale)
    store(scratch + ROW, pull_y * y_scale)
    store(scratch + 2 * ROW, turn * pull_x * x_unscale + n_move * x)
    store(scratch + 3 * ROW, turn * pull_y * y_unscale + n_move * y)
    store(scratch + 4 * ROW, n_move)
    store(scratch + 5 * ROW, m_move * x)
    store(scratch + 6 * ROW, m_move * y)
    store(scratch + 7 * ROW, m_move)
    store(scratch + 8 * ROW, sine)


@kernel
def load_face(given, chosen, column, axes, x_unscale, y_unscale):
    """A face of each of four samples: where there is one, its unit normal in scaled actions, its offset and by what the
    normal was multiplied; zeros elsewhere."""
    rows = given[layout.ROWS]
    s0, s1, s2, s3 = chosen
    faces = shorts(given[layout.FACES], 4)
    f0, f1, f2, f3 = int(faces[s0, column]), int(faces[s1, column]), int(faces[s2, column]), int(faces[s3, column])
    x, y = load_pairs_at(
        normal_at(given, s0, f0, axes), normal_at(given, s1, f1, axes),
        normal_at(given, s2, f2, axes), normal_at(given, s3, f3, axes),
    )  # fmt: skip
    shift = load_at(
        shift_at(given, s0, f0, axes), shift_at(given, s1, f1, axes),
        shift_at(given, s2, f2, axes), shift_at(given, s3, f3, axes),
    )  # fmt: skip
    zero, face = fill(0.0), lanes_of(float(f0), float(f1), float(f2), float(f3))
    there, lower = face >= zero, (face >= fill(float(rows))) & (face < fill(float(rows + 2)))
    x, y = x * x_unscale, y * y_unscale
    inverse = choose(there, fill(1.0) / root(x * x + y * y), zero)
    return there, x * inverse, y * inverse, choose(lower, shift, zero - shift) * inverse, inverse


@kernel
def normal_at(given, sample, face, axes):
    """Where the normal of a face lies; anywhere if there is none."""
    rows = given[layout.ROWS]
    if 0 <= face < rows:
        return given[layout.A] + 8 * (sample * given[layout.A_BATCH] + face * given[layout.A_ROW])
    return axes.address + 16 * max(face - rows, 0)


@kernel
def shift_at(given, sample, face, axes):
    """Where the offset of a row or the bound lies; anywhere if there is none."""
    rows = given[layout.ROWS]
    if face < 0:
        return axes.address
    if face < rows:
        return given[layout.C] + 8 * (sample * rows + face)
    bound = 8 * (sample * given[layout.BOX_BATCH] + face - rows)
    return given[layout.LOW] + bound if face < rows + 2 else given[layout.HIGH] + bound - 16


@kernel
def clear_group(given, first, count):
    """Set the gradients of ``count`` samples to 0, but for those of nominal actions."""
    rows = given[layout.ROWS]
    clear(given[layout.GRAD_A], first, count, 2 * rows)
    clear(given[layout.GRAD_C], first, count, rows)
    clear(given[layout.GRAD_LOW], first, count, 2)
    clear(given[layout.GRAD_HIGH], first, count, 2)


@kernel
def store_gradients(given, first, count, result):
    """Write what :func:`differentiate_group` found; the lanes that are left, as bits."""
    single, faces, left = given[layout.SINGLE] == 1, shorts(given[layout.FACES], 4), 0
    for i in range(count):
        sample = first + i
        if faces[sample, 0] != 0 or faces[sample, 3] >= 0 or not abs(result[8, i]) > SHARP:
            left |= 1 << i
            continue
        if given[layout.GRAD_U] != 0:
            write(given[layout.GRAD_U], 2 * sample, single, result[0, i])
            write(given[layout.GRAD_U], 2 * sample + 1, single, result[1, i])
        store_face(given, sample, faces[sample, 1], result[2, i], result[3, i], result[4, i])
        store_face(given, sample, faces[sample, 2], result[5, i], result[6, i], result[7, i])
    return left


@kernel
def store_face(given, sample, face, x, y, move):
    """Write the gradients for the normal and the offset of a face, if there is one and they are wanted."""
    rows = given[layout.ROWS]
    if face < 0:
        return
    if face < rows:
        if given[layout.GRAD_C] != 0:
            reals(given[layout.GRAD_C], 1)[sample * rows + face] = move
        if given[layout.GRAD_A] != 0:
            normals = reals(given[layout.GRAD_A], 2)
            normals[sample * rows + face, 0] = x
            normals[sample * rows + face, 1] = y
    elif face < rows + 2:
        if given[layout.GRAD_LOW] != 0:
            reals(given[layout.GRAD_LOW], 2)[sample, face - rows] = -move
    elif given[layout.GRAD_HIGH] != 0:
        reals(given[layout.GRAD_HIGH], 2)[sample, face - rows - 2] = move
