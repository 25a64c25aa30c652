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

from typing import Any

import numpy as np

from sb3_barriernet.projection.kernels.compiling import entry, kernel, source_stamp
from sb3_barriernet.projection.kernels.dual import append
from sb3_barriernet.projection.kernels.general import fill_constraint, fill_factors
from sb3_barriernet.projection.kernels.memory import load32, load64, store32, store64
from sb3_barriernet.projection.kernels.planar_adjoint import pull_back_planar


@kernel
def load_faces(local, factors, table, normals, solution, basis, chosen, A, A_row, c, rows, relaxed):
    """Orthonormalise the active normals in ``chosen``; how many are independent (the others are dropped)."""
    dim = local.shape[1]
    count = 0
    for i in range(chosen.shape[0]):
        face = chosen[i]
        if face < 0:
            break
        lift = 0.0
        shift = 0.0
        largest = 0.0 if face < rows else 1.0
        if face < rows:
            lift = 1.0
            shift = load64(c, face)
            for j in range(dim):
                largest = max(largest, abs(load64(A, face * A_row + j)))
            for j in range(dim):
                table[count, j] = load64(A, face * A_row + j) / largest
        else:
            side = (face - rows) // dim
            axis = face - rows - side * dim
            sign = 1.0 - 2.0 * side
            shift = -sign * local[1 + side, axis]
            for j in range(dim):
                table[count, j] = sign if j == axis else 0.0
        fill_constraint(table, factors, count, shift, 0.0, lift, largest, True)
        for j in range(dim):
            normals[count, j] = table[count, j]
        normals[count, dim] = lift if relaxed else 0.0
        if append(normals, solution, basis, count, count) > 0.0:
            chosen[count] = face
            count += 1
    return count


@kernel
def solve_faces(table, solution, basis, count, weights):
    """Move ``solution[0]`` onto the active faces, project ``solution[1]`` onto their directions.

    Writes to ``weights (2, M + 1)`` the multipliers and the sensitivities to the offsets.
    """
    wide = basis.shape[1]
    for i in range(count):
        r = table[i, wide - 1]
        dot = 0.0
        for j in range(wide):
            dot += basis[0, i, j] * solution[1, j]
        for j in range(i):
            r -= basis[1, j, i] * weights[0, j]
        weights[0, i] = r / basis[1, i, i]
        weights[1, i] = -dot
    for i in range(count):
        dot = 0.0
        for j in range(wide):
            dot += basis[0, i, j] * solution[0, j]
        weights[0, i] -= dot
    for i in range(count):
        for j in range(wide):
            solution[0, j] += weights[0, i] * basis[0, i, j]
            solution[1, j] += weights[1, i] * basis[0, i, j]
    for side in range(2):
        for i in range(count - 1, -1, -1):
            value = weights[side, i]
            for j in range(i + 1, count):
                value -= basis[1, i, j] * weights[side, j]
            weights[side, i] = value / basis[1, i, i]


@kernel
def apply_transposed(factors, which, solution, source, target):
    """``solution[target] = factors[which]' solution[source]``. Views of rows would count references, slowly."""
    dim = factors.shape[1]
    for i in range(dim):
        value = 0.0
        for j in range(i, dim):
            value += factors[which, j, i] * solution[source, j]
        solution[target, i] = value


@kernel
def pull_back_general(
    local, factors, table, normals, solution, basis, weights, chosen, A, A_row, c, rows, culprits, result
):
    """Solve for the gradient of one sample; the number of faces. Faces in ``chosen`` that add nothing are dropped.

    :param local: nominal action, bounds and, in row 3, the incoming gradient
    :param result: ``(6, M + 1)``, of which this writes: the action; the gradient with respect to the pull; for each
        face its multiplier and its sensitivity, in the units of the row; the gradient with respect to the nominal
        action; and the slack, in the last column of row 0
    """
    dim = local.shape[1]
    count = load_faces(local, factors, table, normals, solution, basis, chosen, A, A_row, c, rows, culprits > 0)
    for i in range(dim):
        solution[4, i] = local[0, i]
    apply_transposed(factors, 0, solution, 4, 0)
    for i in range(dim):
        value = 0.0
        for j in range(i + 1):
            value += factors[1, i, j] * local[3, j]
        solution[1, i] = value
    solution[0, dim] = 0.0
    solution[1, dim] = 0.0
    solve_faces(table, solution, basis, count, weights)
    apply_transposed(factors, 1, solution, 0, 2)
    apply_transposed(factors, 1, solution, 1, 3)
    for i in range(dim):
        result[0, i] = solution[2, i]
        result[1, i] = solution[3, i]
        value = 0.0
        for j in range(i + 1):
            value += factors[0, i, j] * solution[1, j]
        result[4, i] = value
    result[0, dim] = solution[0, dim]
    for i in range(count):
        pulls = chosen[i] >= rows or i >= culprits
        result[2, i] = weights[0, i] / table[i, dim + 3] if pulls else 0.0
        result[3, i] = weights[1, i] / table[i, dim + 3]
    return count


@kernel
def turn_of_norm(table, factors, solution, face, result):
    """Write to ``result[5]`` how the norm of an active row changes with its coefficients; return the norm.

    A relaxed row gives way by the slack times its norm.
    """
    dim = factors.shape[1]
    for j in range(dim):
        solution[4, j] = table[face, j]
    apply_transposed(factors, 1, solution, 4, 5)
    for j in range(dim):
        result[5, j] = solution[5, j]
    return table[face, dim + 3]


@kernel
def add_outer(matrix, sample, first, second, result, factor):
    """Add ``factor`` times the symmetric part of ``first second'``, rows of ``result``, to a matrix of a batch."""
    dim = result.shape[1] - 1
    for j in range(dim):
        for k in range(dim):
            place = (sample * dim + j) * dim + k
            value = result[first, j] * result[second, k] + result[first, k] * result[second, j]
            store64(matrix, place, load64(matrix, place) + 0.5 * factor * value)


def _make_pull_back(stamp: str) -> Any:
    @entry
    def pull_back(
        rows, dim, u, single, A, A_batch, A_row, c, low, high, box_batch, weight, weight_kind,
        start, stop, faces, gradient, grad_u, grad_A, grad_c, grad_low, grad_high, grad_weight,
    ):  # fmt: skip
        """Gradients of samples ``start`` to ``stop``; addresses as in ``screen``.

        :param faces: as written by the forward kernels; column 0 is -1 where a sample has no gradient
        :param gradient: address of the incoming gradient, contiguous, dtype of ``u``
        :param grad_u: address to write ``(B, M)`` to, dtype of ``u``, 0 if not wanted. Likewise the others:
        :param grad_A: ``(B, K, M)``, zeros before the call; like ``grad_c (B, K)``
        :param grad_low: ``(B, M)``, zeros before the call; like ``grad_high``
        :param grad_weight: ``(B, M, M)``, zeros before the call, symmetric after it
        :return: 0
        """
        _ = stamp
        wide = dim + 1
        local = np.empty((4, dim))
        factors = np.empty((2, dim, dim))
        table = np.empty((wide, dim + 5))
        normals = np.empty((wide, wide))
        solution = np.empty((6, wide + 1))
        basis = np.empty((2, wide, wide))
        weights = np.empty((2, wide))
        chosen = np.empty(wide, np.int64)
        result = np.empty((6, wide))
        lines = np.empty((4, 3))
        if weight_kind < 3:
            fill_factors(factors, weight, weight_kind, start)
        for sample in range(start, stop):
            culprits = faces[sample, 0]
            row = A + 8 * sample * A_batch
            shift = c + 8 * sample * rows
            here = sample * dim
            count = -1
            result[0, dim] = 0.0
            if weight_kind == 3:
                fill_factors(factors, weight, weight_kind, sample)
            for j in range(dim):
                local[0, j] = load32(u, here + j) if single else load64(u, here + j)
                local[1, j] = load64(low, sample * box_batch + j)
                local[2, j] = load64(high, sample * box_batch + j)
                local[3, j] = load32(gradient, here + j) if single else load64(gradient, here + j)
                result[4, j] = 0.0
            for i in range(wide):
                chosen[i] = faces[sample, i + 1]
            if dim == 2 and culprits == 0 and weight_kind < 2:
                count = pull_back_planar(local, factors, chosen, row, A_row, shift, rows, lines, result)
            if culprits >= 0 and count < 0:
                count = pull_back_general(
                    local, factors, table, normals, solution, basis, weights, chosen,
                    row, A_row, shift, rows, culprits, result,
                )  # fmt: skip
            for j in range(dim if grad_u != 0 else 0):
                if single:
                    store32(grad_u, here + j, np.float32(result[4, j]))
                else:
                    store64(grad_u, here + j, result[4, j])
            for i in range(count):
                face = chosen[i]
                move = result[3, i]
                if face < rows:
                    if grad_c != 0:
                        store64(grad_c, sample * rows + face, move)
                    for j in range(dim if grad_A != 0 else 0):
                        value = result[2, i] * result[1, j] + move * result[0, j]
                        store64(grad_A, (sample * rows + face) * dim + j, value)
                    if culprits > 0:
                        stretch = move * result[0, dim]
                        norm = turn_of_norm(table, factors, solution, i, result)
                        for j in range(dim if grad_A != 0 else 0):
                            place = (sample * rows + face) * dim + j
                            store64(grad_A, place, load64(grad_A, place) + stretch * result[5, j])
                        if grad_weight != 0:
                            add_outer(grad_weight, sample, 5, 5, result, -0.5 * stretch * norm)
                elif face < rows + dim:
                    if grad_low != 0:
                        store64(grad_low, here + face - rows, -move)
                elif grad_high != 0:
                    store64(grad_high, here + face - rows - dim, move)
            if grad_weight != 0 and count >= 0:
                for j in range(dim):
                    result[5, j] = result[0, j] - local[0, j]
                add_outer(grad_weight, sample, 1, 5, result, -1.0)
        return 0

    return pull_back


pull_back = _make_pull_back(source_stamp())
