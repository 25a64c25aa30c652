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
        if weight_kind < 3:
            fill_factors(factors, weight, weight_kind, start)
        for sample in range(start, stop):
            culprits = faces[sample, 0]
            row = A + 8 * sample * A_batch
            shift = c + 8 * sample * rows
            here = sample * dim
            if culprits < 0:
                for j in range(dim if grad_u != 0 else 0):
                    if single:
                        store32(grad_u, here + j, np.float32(0.0))
                    else:
                        store64(grad_u, here + j, 0.0)
                continue
            if weight_kind == 3:
                fill_factors(factors, weight, weight_kind, sample)
            for j in range(dim):
                local[0, j] = load32(u, here + j) if single else load64(u, here + j)
                local[1, j] = load64(low, sample * box_batch + j)
                local[2, j] = load64(high, sample * box_batch + j)
                local[3, j] = load32(gradient, here + j) if single else load64(gradient, here + j)
            for i in range(wide):
                chosen[i] = faces[sample, i + 1]
            count = load_faces(
                local, factors, table, normals, solution, basis, chosen, row, A_row, shift, rows, culprits > 0
            )
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
            if grad_u != 0:
                for i in range(dim):
                    value = 0.0
                    for j in range(i + 1):
                        value += factors[0, i, j] * solution[1, j]
                    if single:
                        store32(grad_u, here + i, np.float32(value))
                    else:
                        store64(grad_u, here + i, value)
            apply_transposed(factors, 1, solution, 0, 2)  # the action
            apply_transposed(factors, 1, solution, 1, 3)  # the gradient with respect to the pull
            slack = solution[0, dim]
            for i in range(count):
                face = chosen[i]
                multiplier = 0.0 if face < rows and i < culprits else weights[0, i] / table[i, dim + 3]
                move = weights[1, i] / table[i, dim + 3]
                if face < rows:
                    if grad_c != 0:
                        store64(grad_c, sample * rows + face, move)
                    if grad_A != 0 or (grad_weight != 0 and culprits > 0):
                        for j in range(dim):
                            solution[4, j] = table[i, j]
                        apply_transposed(factors, 1, solution, 4, 5)
                    if grad_A != 0:
                        for j in range(dim):
                            place = (sample * rows + face) * dim + j
                            value = multiplier * solution[3, j] + move * solution[2, j]
                            store64(grad_A, place, value + move * slack * solution[5, j])
                    if grad_weight != 0:
                        for j in range(dim):
                            for k in range(dim if culprits > 0 else 0):
                                place = (here + j) * dim + k
                                value = load64(grad_weight, place)
                                value -= 0.5 * move * slack * table[i, dim + 3] * solution[5, j] * solution[5, k]
                                store64(grad_weight, place, value)
                elif face < rows + dim:
                    if grad_low != 0:
                        store64(grad_low, here + face - rows, -move)
                elif grad_high != 0:
                    store64(grad_high, here + face - rows - dim, move)
            if grad_weight != 0:
                for j in range(dim):
                    for k in range(dim):
                        place = (here + j) * dim + k
                        value = solution[3, j] * (solution[2, k] - local[0, k])
                        value += solution[3, k] * (solution[2, j] - local[0, j])
                        store64(grad_weight, place, load64(grad_weight, place) - 0.5 * value)
        return 0

    return pull_back


pull_back = _make_pull_back(source_stamp())
