"""Any number of actions, any weight, any outcome: the solver that the special ones fall back to.

Everything happens in scaled actions ``v = L' u`` with ``W = L L'``, where the projection is Euclidean.

Where no action satisfies the rows, the dual method proves it: positive multiples of the constraints add up to
``0 >= gap`` with ``gap > 0``. Every row then has to give way by at least ``gap`` over the sum of the rows'
multiples. Granting exactly that much and solving again is Newton's method on the least possible violation; it
ends after a few steps at that violation, with the closest of the actions that attain it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_barriernet.projection.kernels.compiling import entry, kernel, source_stamp
from sb3_barriernet.projection.kernels.dual import (
    CONTRADICTION,
    OPTIMAL,
    append,
    solve_dual,
)
from sb3_barriernet.projection.kernels.forward import INVALID, PENDING, keep_on_bounds
from sb3_barriernet.projection.kernels.memory import load64
from sb3_barriernet.projection.kernels.sample import LARGEST, LOCAL_ROWS, load_backup, load_sample, store_action
from sb3_barriernet.projection.result import Status

INACTIVE = int(Status.INACTIVE)
ACTIVE = int(Status.ACTIVE)
INFEASIBLE = int(Status.INFEASIBLE)

RELAXED = 1e-11
"""Least possible violation, relative to the size of the rows that contradict each other, above which a sample
counts as infeasible. Below it rounding could have caused the contradiction."""

LIFTS = 60
"""Newton steps on the slack; exact arithmetic needs about M. A step is never shorter than rounding, and that
minimum doubles every time, so the loop ends."""


@kernel
def fill_factors(factors, weight, kind, sample):
    """Write ``L`` and its inverse to ``factors (2, M, M)`` and return 1 if the weight is diagonal."""
    dim = factors.shape[1]
    base = sample * 2 * dim * dim if kind == 3 else 0
    for i in range(dim):
        for j in range(dim):
            if kind >= 2:
                factors[0, i, j] = load64(weight, base + i * dim + j)
                factors[1, i, j] = load64(weight, base + dim * dim + i * dim + j)
            else:
                scale = np.sqrt(load64(weight, j)) if kind == 1 else 1.0
                factors[0, i, j] = scale if i == j else 0.0
                factors[1, i, j] = 1.0 / scale if i == j else 0.0
    return factors[0, 0, 0] > 0.0


@kernel
def fill_constraint(table, factors, i, shift, size, lift, largest, skewed):
    """Turn the coefficients ``table[i, :M]`` of ``a . u + shift >= 0``, divided by ``largest``, into a unit
    normal in scaled actions."""
    dim = factors.shape[1]
    square = 0.0
    for row in range(dim - 1, -1, -1):
        value = factors[1, row, row] * table[i, row]
        if skewed:
            for j in range(row):
                value += factors[1, row, j] * table[i, j]
        table[i, row] = value
        square += value * value
    norm = np.sqrt(square)
    inverse = 1.0 / norm if norm > 0.0 else 0.0
    for j in range(dim):
        table[i, j] *= inverse
    offset = -shift / largest * inverse
    # A row without coefficients, or that no action of finite size decides, plays no part.
    decides = norm > 0.0 and (abs(offset) <= LARGEST or lift == 0.0)
    table[i, dim] = offset if decides else -1.0
    table[i, dim + 1] = size * inverse + abs(offset) if decides and abs(offset) <= LARGEST else 0.0
    table[i, dim + 2] = lift
    table[i, dim + 3] = norm * largest if decides else 0.0
    table[i, dim + 4] = 0.0


@kernel
def fill_table(table, columns, factors, local, A, A_row, c, rows, skewed):
    """All constraints of one sample. Returns whether some row is broken whatever the action."""
    dim = local.shape[1]
    hopeless = False
    for k in range(rows):
        largest = 0.0
        for j in range(dim):
            largest = max(largest, abs(load64(A, k * A_row + j)))
        # Divided by the largest coefficient first: squares of 1e-200 or 1e200 would vanish or overflow.
        moderate = largest > 1e-100 and largest < 1e100
        largest = 1.0 if moderate else largest
        size = 0.0
        for j in range(dim):
            a = load64(A, k * A_row + j)
            if not moderate:
                a = a / largest if largest > 0.0 else 0.0
            table[k, j] = a
            size += abs(a) * local[4, j]
        fill_constraint(table, factors, k, load64(c, k), size, 1.0, largest, skewed)
        hopeless |= table[k, dim + 3] == 0.0 and load64(c, k) < 0.0
    for side in range(2):
        sign = 1.0 - 2.0 * side
        for j in range(dim):
            i = rows + side * dim + j
            for axis in range(dim):
                table[i, axis] = sign if axis == j else 0.0
            fill_constraint(table, factors, i, -sign * local[1 + side, j], 0.0, 0.0, 1.0, skewed)
    for i in range(table.shape[0]):
        for j in range(dim + 3):
            columns[j, i] = table[i, j]
    return hopeless


@kernel
def start_solution(table, factors, local, solution, basis, active, rows, skewed):
    """Begin at the nominal action; with a diagonal weight at its clip, whose active set is known."""
    dim = local.shape[1]
    count = 0
    for i in range(table.shape[0]):
        table[i, dim + 4] = 0.0
    for i in range(dim):
        value = 0.0
        for j in range(i, dim):
            value += factors[0, j, i] * local[0, j]
        solution[0, i] = value
        if skewed or local[0, i] == local[3, i]:
            continue
        face = rows + i if local[0, i] < local[3, i] else rows + dim + i
        solution[0, i] = local[3, i] * factors[0, i, i]
        solution[1, count] = abs(value - solution[0, i])
        active[0, count] = face
        table[face, dim + 4] = 1.0
        append(table, solution, basis, count, face)
        count += 1
    return count


@kernel
def read_contradiction(table, solution, active, count, slack):
    """Keep in ``active[1]`` the constraints that contradict each other.

    :return: by how much each row has to give way, the size of these constraints, and their number
    """
    dim = solution.shape[1] - 1
    gap = 0.0
    share = 0.0
    size = 0.0
    kept = 0
    for i in range(count + 1):
        weight = solution[3, i]
        if weight > 0.0:
            k = active[1, i]
            r = slack * table[k, dim + 2] - table[k, dim]
            for j in range(dim):
                r += table[k, j] * solution[0, j]
            gap -= weight * r
            share += weight * table[k, dim + 2]
            size = max(size, table[k, dim + 1])
            active[1, kept] = k
            kept += 1
    return gap / share if share > 0.0 else 0.0, size, kept


@kernel
def relax_and_solve(table, columns, factors, local, solution, basis, active, rows, skewed):
    """Closest action under the least possible violation.

    :return: number of active constraints (-1 for no success), number of contradicting ones (0 where the
        rows are feasible), and the violation that was granted
    """
    slack = 0.0
    floor = 1e-16
    size = 0.0
    culprits = 0
    for _ in range(LIFTS):
        count = start_solution(table, factors, local, solution, basis, active, rows, skewed)
        outcome = OPTIMAL
        # The box first: a row that holds at the box projection must not count as an intervention.
        for stage in range(0 if skewed else 1, 2):
            if outcome == OPTIMAL:
                first = rows - stage * rows
                outcome, count = solve_dual(table, columns, solution, basis, active, count, slack, first)
        if outcome == OPTIMAL:
            return count, culprits if slack > RELAXED * size else 0, slack
        step = 0.0
        if outcome == CONTRADICTION:
            step, size, culprits = read_contradiction(table, solution, active, count, slack)
        slack += max(step, floor * size)
        floor *= 2.0
    return -1, 0, slack


@kernel
def finish(table, factors, local, solution, basis, active, count, slack):
    """Correct ``v`` onto its active faces and write the action; False where numbers overflowed.

    One Newton step removes the rounding that a far start has left.
    """
    dim = local.shape[1]
    for i in range(count):
        k = active[0, i]
        r = slack * table[k, dim + 2] - table[k, dim]
        for j in range(dim):
            r += table[k, j] * solution[0, j]
        for j in range(i):
            r -= basis[1, j, i] * solution[2, j]
        solution[2, i] = r / basis[1, i, i]
    for i in range(count):
        for j in range(dim):
            solution[0, j] -= solution[2, i] * basis[0, i, j]
    finite = 0
    for i in range(dim):
        value = 0.0
        for j in range(i, dim):
            value += factors[1, j, i] * solution[0, j]
        finite += int(abs(value) <= LARGEST)
        local[3, i] = value
    return finite == dim


@kernel
def gather_faces(active, count, culprits, found):
    """Contradicting constraints first, then the other active ones; how many."""
    for i in range(culprits):
        found[i] = active[1, i]
    faces = culprits
    for i in range(count):
        known = faces == found.shape[0]
        for k in range(culprits):
            known |= found[k] == active[0, i]
        if not known:
            found[faces] = active[0, i]
            faces += 1
    return faces


@kernel
def worst_violation(local, A, A_row, c, rows):
    """Largest violation of a row, in the row's own units."""
    worst = 0.0
    for k in range(rows):
        r = load64(c, k)
        for j in range(local.shape[1]):
            r += load64(A, k * A_row + j) * local[3, j]
        worst = max(worst, -r)
    return worst


def _make_solve_pending(stamp: str) -> Any:
    @entry
    def solve_pending(
        rows, dim, u, single, A, A_batch, A_row, c, low, high, box_batch, weight, weight_kind,
        backup, backup_batch, start, stop, action, slack, status, faces,
    ):  # fmt: skip
        """Solve those of the samples ``start`` to ``stop`` that are ``PENDING``; arguments as in ``screen``.

        :param weight: address; the diagonal weight if ``weight_kind`` is 1; ``L`` and its inverse,
            ``(2, M, M)``, if 2; the same for each sample if 3; a sample with ``L[0, 0]`` 0 is invalid
        :return: 0
        """
        _ = stamp
        size = 4 if single else 8
        local = np.empty((LOCAL_ROWS, dim))
        factors = np.empty((2, dim, dim))
        table = np.empty((rows + 2 * dim, dim + 5))
        columns = np.empty((dim + 4, rows + 2 * dim))
        solution = np.empty((4, dim + 1))
        basis = np.empty((2, dim, dim))
        active = np.empty((2, dim + 1), np.int64)
        found = np.empty(dim + 1, np.int64)
        for sample in range(start, stop):
            if status[sample] != PENDING:
                continue
            row = A + 8 * sample * A_batch
            shift = c + 8 * sample * rows
            box = 8 * sample * box_batch
            load_sample(local, u + size * sample * dim, single, low + box, high + box)
            count = -1
            culprits = 0
            verdict = INVALID
            slack[sample] = np.inf
            if fill_factors(factors, weight, weight_kind, sample):
                hopeless = fill_table(table, columns, factors, local, row, A_row, shift, rows, weight_kind > 1)
                count, culprits, lift = relax_and_solve(
                    table, columns, factors, local, solution, basis, active, rows, weight_kind > 1
                )
                if count >= 0 and finish(table, factors, local, solution, basis, active, count, lift):
                    touched = 0
                    for i in range(count):
                        touched += active[0, i] < rows
                    verdict = ACTIVE if touched > 0 or lift > 0.0 else INACTIVE
                    count = gather_faces(active, count, culprits, found)
                    keep_on_bounds(local, rows, found, count)
                    slack[sample] = 0.0
                    if hopeless or culprits > 0:
                        verdict = INFEASIBLE
                        slack[sample] = worst_violation(local, row, A_row, shift, rows)
            if verdict == INVALID:
                load_backup(local, backup + 8 * sample * backup_batch, backup != 0)
                count = 0
                culprits = -1
            status[sample] = verdict
            store_action(local, action.ctypes.data + size * sample * dim, single)
            faces[sample, 0] = culprits
            for i in range(dim + 1):
                faces[sample, i + 1] = found[i] if i < count else -1
        return 0

    return solve_pending


solve_pending = _make_solve_pending(source_stamp())
