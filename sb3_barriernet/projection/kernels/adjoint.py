"""The backward kernel: gradients from the optimality conditions of the saved active set.

In scaled actions, with the active normals ``N = Q R`` (columns) and the incoming gradient ``g``, the gradient with
respect to the nominal action is ``d = g - Q Q' g`` and with respect to the offsets ``m = R^-1 Q' g``; turning a
normal moves the solution through both (Amos & Kolter 2017, OptNet, equation 8, for a problem whose active set is
known).

A relaxed sample is the same problem with one more coordinate, the slack, which enters the rows' constraints and
which the contradicting constraints alone determine. Their multipliers are infinite in the limit that puts the
slack first, which is why turning them counts only where it moves the solution, not where it turns the pull.
"""

from __future__ import annotations

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import entry, kernel
from sb3_barriernet.projection.kernels.dual import append
from sb3_barriernet.projection.kernels.general import fill_constraint, fill_factors
from sb3_barriernet.projection.kernels.layout import LANES
from sb3_barriernet.projection.kernels.planar_adjoint import fill_axes, pull_back_group
from sb3_barriernet.projection.kernels.sample import clear, fill_scale, pass_on, read, write
from sb3_barriernet.projection.kernels.views import integers, reals, shorts


@kernel
def load_faces(local, root, unroot, table, normals, solution, basis, corner, chosen, A, A_row, c, rows, relaxed):
    """Orthonormalise the active normals in ``chosen``; how many are independent (the others are dropped)."""
    dim = local.width
    count = 0
    for i in range(dim + 1):
        face = chosen[i]
        if face < 0:
            break
        lift = 0.0
        shift = 0.0
        largest = 0.0 if face < rows else 1.0
        if face < rows:
            row = reals(A + 8 * face * A_row, 1)
            lift = 1.0
            shift = reals(c, 1)[face]
            for j in range(dim):
                largest = max(largest, abs(row[j]))
            for j in range(dim):
                table[count, j] = row[j] / largest
        else:
            side = (face - rows) // dim
            axis = face - rows - side * dim
            sign = 1.0 - 2.0 * side
            shift = -sign * local[1 + side, axis]
            for j in range(dim):
                table[count, j] = sign if j == axis else 0.0
        fill_constraint(table, unroot, count, shift, 0.0, lift, largest, True)
        for j in range(dim):
            normals[count, j] = table[count, j]
        normals[count, dim] = lift if relaxed else 0.0
        if append(normals, solution, basis, corner, count, count) > 0.0:
            chosen[count] = face
            count += 1
    return count


@kernel
def solve_faces(table, solution, basis, corner, count, weights):
    """Move ``solution[0]`` onto the active faces, project ``solution[1]`` onto their directions.

    Writes to ``weights (2, M + 1)`` the multipliers and the sensitivities to the offsets.
    """
    wide = basis.width
    for i in range(count):
        r = table[i, wide - 1]
        dot = 0.0
        for j in range(wide):
            dot += basis[i, j] * solution[1, j]
        for j in range(i):
            r -= corner[j, i] * weights[0, j]
        weights[0, i] = r / corner[i, i]
        weights[1, i] = -dot
    for i in range(count):
        dot = 0.0
        for j in range(wide):
            dot += basis[i, j] * solution[0, j]
        weights[0, i] -= dot
    for i in range(count):
        for j in range(wide):
            solution[0, j] += weights[0, i] * basis[i, j]
            solution[1, j] += weights[1, i] * basis[i, j]
    for side in range(2):
        for i in range(count - 1, -1, -1):
            value = weights[side, i]
            for j in range(i + 1, count):
                value -= corner[i, j] * weights[side, j]
            weights[side, i] = value / corner[i, i]


@kernel
def apply_transposed(factor, solution, source, target):
    """``solution[target] = factor' solution[source]``."""
    dim = factor.width
    for i in range(dim):
        value = 0.0
        for j in range(i, dim):
            value += factor[j, i] * solution[source, j]
        solution[target, i] = value


@kernel
def pull_back_general(
    local, root, unroot, table, normals, solution, basis, corner, weights, chosen, A, A_row, c, rows, culprits, result
):
    """Solve for the gradient of one sample; the number of faces. Faces in ``chosen`` that add nothing are dropped.

    :param local: nominal action, bounds and, in row 3, the incoming gradient
    :param result: ``(6, M + 1)``, of which this writes: the action; the gradient with respect to the pull; for each
        face its multiplier and its sensitivity, in the units of the row; the gradient with respect to the nominal
        action; and the slack, in the last column of row 0
    """
    dim = local.width
    count = load_faces(
        local, root, unroot, table, normals, solution, basis, corner, chosen, A, A_row, c, rows, culprits > 0
    )
    for i in range(dim):
        solution[4, i] = local[0, i]
    apply_transposed(root, solution, 4, 0)
    for i in range(dim):
        value = 0.0
        for j in range(i + 1):
            value += unroot[i, j] * local[3, j]
        solution[1, i] = value
    solution[0, dim] = 0.0
    solution[1, dim] = 0.0
    solve_faces(table, solution, basis, corner, count, weights)
    apply_transposed(unroot, solution, 0, 2)
    apply_transposed(unroot, solution, 1, 3)
    for i in range(dim):
        result[0, i] = solution[2, i]
        result[1, i] = solution[3, i]
        value = 0.0
        for j in range(i + 1):
            value += root[i, j] * solution[1, j]
        result[4, i] = value
    result[0, dim] = solution[0, dim]
    for i in range(count):
        pulls = chosen[i] >= rows or i >= culprits
        result[2, i] = weights[0, i] / table[i, dim + 3] if pulls else 0.0
        result[3, i] = weights[1, i] / table[i, dim + 3]
    return count


@kernel
def turn_of_norm(table, unroot, solution, face, result):
    """Write to ``result[5]`` how the norm of an active row changes with its coefficients; return the norm.

    A relaxed row gives way by the slack times its norm.
    """
    dim = unroot.width
    for j in range(dim):
        solution[4, j] = table[face, j]
    apply_transposed(unroot, solution, 4, 5)
    for j in range(dim):
        result[5, j] = solution[5, j]
    return table[face, dim + 3]


@kernel
def add_outer(matrix, first, second, result, factor):
    """Add ``factor`` times the symmetric part of ``first second'``, rows of ``result``, to a matrix."""
    for j in range(matrix.width):
        for k in range(matrix.width):
            value = result[first, j] * result[second, k] + result[first, k] * result[second, j]
            matrix[j, k] += 0.5 * factor * value


@kernel
def load_backward(local, u, gradient, low, high, single):
    """Nominal action, bounds, and in row 3 the incoming gradient."""
    for j in range(local.width):
        local[0, j] = read(u, j, single)
        local[1, j] = reals(low, 1)[j]
        local[2, j] = reals(high, 1)[j]
        local[3, j] = read(gradient, j, single)


@kernel
def store_row(A_gradient, c_gradient, i, face, result):
    """Gradients with respect to the row of active face ``i``."""
    move = result[3, i]
    if c_gradient != 0:
        reals(c_gradient, 1)[face] = move
    if A_gradient != 0:
        row = reals(A_gradient, result.width - 1)
        for j in range(row.width):
            row[face, j] = result[2, i] * result[1, j] + move * result[0, j]


@kernel
def store_stretch(A_gradient, weight_gradient, table, unroot, solution, i, face, result):
    """What the norm of a relaxed row adds: it scales the violation that the row has to grant."""
    dim = unroot.width
    stretch = result[3, i] * result[0, dim]
    norm = turn_of_norm(table, unroot, solution, i, result)
    if A_gradient != 0:
        row = reals(A_gradient, dim)
        for j in range(dim):
            row[face, j] += stretch * result[5, j]
    if weight_gradient != 0:
        add_outer(reals(weight_gradient, dim), 5, 5, result, -0.5 * stretch * norm)


@entry
def pull_back(arguments):
    """Gradients of the samples; the incoming gradient and that for ``u`` have the dtype of ``u``.

    Gradients are wanted where they have an address: ``(B, K, M)`` for ``A``, ``(B, K)`` for ``c``, ``(B, M)`` for the
    bounds and ``(B, M, M)``, symmetric, for the weight. Those of an invalid sample are 0.

    :param arguments: address of what :mod:`~sb3_barriernet.projection.kernels.layout` lists
    :return: 0
    """
    given = integers(arguments, 1)
    scratch, start, stop = given[layout.SCRATCH], given[layout.START], given[layout.STOP]
    if given[layout.DIM] != 2 or given[layout.WEIGHT_KIND] > 1 or given[layout.GRAD_WEIGHT] != 0:
        pull_back_each(given, start, stop, scratch)
        return 0
    scale, axes = reals(scratch, 2), reals(scratch + 16, 1)
    scratch += 8 * (2 + 8)
    fill_scale(scale, given[layout.WEIGHT], given[layout.WEIGHT_KIND])
    fill_axes(axes)
    for first in range(start, stop, LANES):
        left = pull_back_group(given, first, min(LANES, stop - first), scale, axes, scratch)
        for i in range(LANES):
            if left & (1 << i):
                pull_back_each(given, first + i, first + i + 1, scratch)
    return 0


@kernel
def pull_back_each(given, start, stop, scratch):
    """Differentiate samples ``start`` to ``stop``, one after the other."""
    rows, dim, A_row, single = given[layout.ROWS], given[layout.DIM], given[layout.A_ROW], given[layout.SINGLE] == 1
    weight, weight_kind = given[layout.WEIGHT], given[layout.WEIGHT_KIND]
    u_step, box_step = (4 if single else 8) * dim, 8 * given[layout.BOX_BATCH]
    faces = shorts(given[layout.FACES], dim + 2)

    wide = dim + 1
    square = 8 * wide * wide
    table, normals = reals(scratch, dim + 4), reals(scratch + 8 * wide * (dim + 4), wide)
    scratch += 8 * wide * (dim + 4) + square
    basis, corner = reals(scratch, wide), reals(scratch + square, wide)
    scratch += 2 * square
    solution, result = reals(scratch, wide + 1), reals(scratch + 48 * (wide + 1), wide)
    scratch += 48 * (wide + 1) + 48 * wide
    weights, chosen = reals(scratch, wide), integers(scratch + 16 * wide, 1)
    scratch += 24 * wide
    root, unroot = reals(scratch, dim), reals(scratch + 8 * dim * dim, dim)
    scratch += 16 * dim * dim
    local = reals(scratch, dim)
    if weight_kind < 3:
        fill_factors(root, unroot, weight, weight_kind, 0)
    for sample in range(start, stop):
        A, c = given[layout.A] + 8 * sample * given[layout.A_BATCH], given[layout.C] + 8 * sample * rows
        low, high = given[layout.LOW] + sample * box_step, given[layout.HIGH] + sample * box_step
        u, gradient = given[layout.U] + sample * u_step, given[layout.GRADIENT] + sample * u_step
        grad_A = clear(given[layout.GRAD_A], sample, 1, rows * dim)
        grad_c = clear(given[layout.GRAD_C], sample, 1, rows)
        grad_low = clear(given[layout.GRAD_LOW], sample, 1, dim)
        grad_high = clear(given[layout.GRAD_HIGH], sample, 1, dim)
        grad_weight = clear(given[layout.GRAD_WEIGHT], sample, 1, dim * dim)
        culprits = faces[sample, 0]
        if culprits == 0 and faces[sample, 1] < 0:
            pass_on(given, sample, 1)
            continue
        load_backward(local, u, gradient, low, high, single)
        result[0, dim] = 0.0
        for j in range(dim):
            result[4, j] = 0.0
            chosen[j] = faces[sample, j + 1]
        chosen[dim] = faces[sample, wide]
        if weight_kind == 3:
            fill_factors(root, unroot, weight, weight_kind, sample)
        count = -1
        if culprits >= 0:
            count = pull_back_general(
                local, root, unroot, table, normals, solution, basis, corner, weights, chosen,
                A, A_row, c, rows, culprits, result,
            )  # fmt: skip
        if given[layout.GRAD_U] != 0:
            for j in range(dim):
                write(given[layout.GRAD_U] + sample * u_step, j, single, result[4, j])
        for i in range(count):
            face = chosen[i]
            if face < rows:
                store_row(grad_A, grad_c, i, face, result)
                if culprits > 0:
                    store_stretch(grad_A, grad_weight, table, unroot, solution, i, face, result)
            elif face < rows + dim:
                if grad_low != 0:
                    reals(grad_low, 1)[face - rows] = -result[3, i]
            elif grad_high != 0:
                reals(grad_high, 1)[face - rows - dim] = result[3, i]
        if grad_weight != 0 and count >= 0:
            for j in range(dim):
                result[5, j] = result[0, j] - local[0, j]
            add_outer(reals(grad_weight, dim), 1, 5, result, -1.0)
    return 0
