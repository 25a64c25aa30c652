"""Any number of actions, any weight, any outcome: the solver that the special ones fall back to.

Everything happens in scaled actions ``v = L' u`` with ``W = L L'``, where the projection is Euclidean.

Where no action satisfies the rows, the dual method proves it: positive multiples of the constraints add up to
``0 >= gap`` with ``gap > 0``. Every row then has to give way by at least ``gap`` over the sum of the rows'
multiples. Granting exactly that much and solving again is Newton's method on the least possible violation; it
ends after a few steps at that violation, with the closest of the actions that attain it.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.approach import APPROACHES, FAR, come_closer
from sb3_barriernet.projection.kernels.compiling import entry, kernel
from sb3_barriernet.projection.kernels.dual import CONTRADICTION, CONTRIBUTES, OPTIMAL, append, solve_dual
from sb3_barriernet.projection.kernels.lanes import LANES, load_at, store
from sb3_barriernet.projection.kernels.layout import PENDING
from sb3_barriernet.projection.kernels.outcome import ACTIVE, INACTIVE, INVALID
from sb3_barriernet.projection.kernels.sample import (
    LARGEST,
    keep_on_bounds,
    load_backup,
    load_sample,
    store_action,
    store_faces,
)
from sb3_barriernet.projection.kernels.views import bytes_, integers, reals, shorts
from sb3_barriernet.projection.status import Status

INFEASIBLE = int(Status.INFEASIBLE)

RELAXED = 1e-11
"""Least possible violation, relative to the size of the rows that contradict each other, above which a sample
counts as infeasible. Below it rounding could have caused the contradiction."""

LIFTS = 60
"""Newton steps on the slack; exact arithmetic needs about M. A step is never shorter than rounding, and that
minimum doubles every time, so the loop ends."""


@kernel
def fill_factors(root, unroot, weight, kind, sample):
    """Write ``L`` with ``W = L L'`` and its inverse, each ``(M, M)``; False where the sample's weight has none."""
    dim = root.width
    # Two matrices of M rows for each sample if the weight is not shared.
    given = reals(weight + (16 * sample * dim * dim if kind == 3 else 0), dim)
    for i in range(dim):
        for j in range(dim):
            if kind >= 2:
                root[i, j] = given[i, j]
                unroot[i, j] = given[dim + i, j]
            else:
                scale = np.sqrt(given[0, j]) if kind == 1 else 1.0
                root[i, j] = scale if i == j else 0.0
                unroot[i, j] = 1.0 / scale if i == j else 0.0
    return root[0, 0] > 0.0


@kernel
def fill_constraint(table, unroot, i, shift, size, lift, largest, skewed):
    """Turn the coefficients ``table[i, :M]`` of ``a . u + shift >= 0``, divided by ``largest``, into a unit
    normal in scaled actions."""
    dim = unroot.width
    square = 0.0
    for row in range(dim - 1, -1, -1):
        value = unroot[row, row] * table[i, row]
        if skewed:
            for j in range(row):
                value += unroot[row, j] * table[i, j]
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


@kernel
def fill_table(table, columns, root, unroot, local, A, A_row, c, rows, skewed):
    """All constraints of one sample. Returns whether some row is broken whatever the action."""
    dim = local.width
    hopeless = False
    for k in range(rows):
        row = reals(A + 8 * k * A_row, 1)
        shift = reals(c, 1)[k]
        largest = 0.0
        for j in range(dim):
            largest = max(largest, abs(row[j]))
        # Divided by the largest coefficient first: squares of 1e-200 or 1e200 would vanish or overflow.
        moderate = largest > 1e-100 and largest < 1e100
        largest = 1.0 if moderate else largest
        size = 0.0
        for j in range(dim):
            a = row[j]
            if not moderate:
                a = a / largest if largest > 0.0 else 0.0
            table[k, j] = a
            size += abs(a * local[3, j])
        fill_constraint(table, unroot, k, shift, size, 1.0, largest, skewed)
        hopeless |= table[k, dim + 3] == 0.0 and shift < 0.0
    for side in range(2):
        sign = 1.0 - 2.0 * side
        for j in range(dim):
            i = rows + side * dim + j
            for axis in range(dim):
                table[i, axis] = sign if axis == j else 0.0
            fill_constraint(table, unroot, i, -sign * local[1 + side, j], 0.0, 0.0, 1.0, skewed)
    for i in range(rows + 2 * dim, columns.width):
        for j in range(dim + 3):
            table[i, j] = 0.0
        table[i, dim] = -1.0
    turn_round(table, columns)
    return hopeless


@kernel
def turn_round(table, columns):
    """Copy all of the table but its last column; four numbers at a time, for whoever reads four that were written one
    by one has to wait for all."""
    step = 8 * table.width
    for i in range(0, columns.width, LANES):
        row, column = table.address + i * step, columns.address + 8 * i
        for _ in range(table.width - 1):
            store(column, load_at(row, row + step, row + 2 * step, row + 3 * step))
            row += 8
            column += 8 * columns.width


@kernel
def start_solution(table, columns, root, local, solution, basis, corner, active, rows, skewed):
    """Begin at the nominal action; with a diagonal weight at its clip, whose active set is known."""
    dim = local.width
    count = 0
    for i in range(columns.width):
        columns[dim + 3, i] = 0.0
    for i in range(dim):
        value = 0.0
        for j in range(i, dim):
            value += root[j, i] * local[0, j]
        solution[0, i] = value
        if skewed or local[0, i] == local[3, i]:
            continue
        face = rows + i if local[0, i] < local[3, i] else rows + dim + i
        solution[0, i] = local[3, i] * root[i, i]
        solution[1, count] = abs(value - solution[0, i])
        active[0, count] = face
        columns[dim + 3, face] = 1.0
        append(table, solution, basis, corner, count, face)
        count += 1
    return count


@kernel
def read_contradiction(table, solution, active, count, slack):
    """Keep in ``active[1]`` the constraints that contradict each other.

    :return: by how much each row has to give way, the size of these constraints, and their number
    """
    dim = solution.width - 1
    gap = 0.0
    share = 0.0
    size = 0.0
    kept = 0
    for i in range(count + 1):
        weight = solution[3, i]
        if weight > CONTRIBUTES:
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
def settle(table, solution, basis, corner, active, count, slack):
    """Correct ``v`` onto its active faces: one Newton step removes the rounding that a long way has left.

    :return: size of the terms that ``v`` is now the sum of
    """
    dim = solution.width - 1
    for i in range(count):
        k = active[0, i]
        r = slack * table[k, dim + 2] - table[k, dim]
        for j in range(dim):
            r += table[k, j] * solution[0, j]
        for j in range(i):
            r -= corner[j, i] * solution[2, j]
        solution[2, i] = r / corner[i, i]
    for i in range(count):
        for j in range(dim):
            solution[0, j] -= solution[2, i] * basis[i, j]
    size = 0.0
    for j in range(dim):
        size += abs(solution[0, j])
    return size


@kernel
def relax_and_solve(table, columns, root, unroot, local, solution, basis, corner, active, rows, skewed):
    """Closest action under the least possible violation.

    :return: number of active constraints (-1 for no success), number of contradicting ones (0 where the
        rows are feasible), and the violation that was granted
    """
    slack = 0.0
    floor = 1e-16
    size = 0.0
    culprits = 0
    reach = 0.0
    for i in range(columns.width):
        reach = max(reach, columns[solution.width, i])
    reach = reach if reach > 0.0 else np.inf  # a cone has no size
    for _ in range(LIFTS):
        count = start_solution(table, columns, root, local, solution, basis, corner, active, rows, skewed)
        outcome = OPTIMAL
        travel = 0.0
        if skewed:  # scaled actions are sums, with the rounding of their largest term
            for i in range(solution.width - 1):
                travel += abs(solution[0, i])
        # The box first: a row that holds at the box projection must not count as an intervention.
        stage = 0 if skewed else 1
        while outcome == OPTIMAL and stage < 2:
            far = travel > FAR * reach
            outcome, count, travel = solve_dual(
                table, columns, solution, basis, corner, active, count, slack, rows - stage * rows, travel,
                np.inf if far else reach,
            )  # fmt: skip
            if far:  # as exact as a long way allows; the rest of it is short
                travel = reach = max(reach, settle(table, solution, basis, corner, active, count, slack))
            else:
                stage += 1
        if outcome == OPTIMAL:
            return count, culprits if slack > RELAXED * size else 0, slack
        step = 0.0
        if outcome == CONTRADICTION:
            step, size, culprits = read_contradiction(table, solution, active, count, slack)
        slack += max(step, floor * size)
        floor *= 2.0
    return -1, 0, slack


@kernel
def finish(table, unroot, local, solution, basis, corner, active, count, slack):
    """Settle ``v`` and write the action; False where numbers overflowed."""
    settle(table, solution, basis, corner, active, count, slack)
    dim = local.width
    finite = 0
    for i in range(dim):
        value = 0.0
        for j in range(i, dim):
            value += unroot[j, i] * solution[0, j]
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
        known = faces == active.width
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
        row = reals(A + 8 * k * A_row, 1)
        r = reals(c, 1)[k]
        for j in range(local.width):
            r += row[j] * local[3, j]
        worst = max(worst, -r)
    return worst


@kernel
def solve_from_here(table, columns, root, unroot, local, solution, basis, corner, active, A, A_row, c, rows, skewed):
    """Write the solution for the nominal action in ``local`` into it, if it is found.

    :return: whether some row is broken whatever the action, and what :func:`relax_and_solve` returns
    """
    hopeless = fill_table(table, columns, root, unroot, local, A, A_row, c, rows, skewed)
    count, culprits, lift = relax_and_solve(
        table, columns, root, unroot, local, solution, basis, corner, active, rows, skewed
    )
    if count >= 0 and not finish(table, unroot, local, solution, basis, corner, active, count, lift):
        count = -1
    return hopeless, count, culprits, lift


@kernel
def solve_sample(
    table, columns, root, unroot, local, solution, basis, corner, active, found, A, A_row, c, rows, skewed
):
    """Solve one sample; status, number of faces, how many of them contradict each other, and remaining violation."""
    dim = local.width
    for approaches in range(APPROACHES + 1):
        hopeless, count, culprits, lift = solve_from_here(
            table, columns, root, unroot, local, solution, basis, corner, active, A, A_row, c, rows, skewed
        )
        if count < 0 or approaches == APPROACHES or not come_closer(table, root, local, rows + 2 * dim, skewed):
            break
    if count < 0:
        return INVALID, 0, -1, np.inf
    touched = lift > 0.0
    for i in range(count):
        touched |= active[0, i] < rows
    count = gather_faces(active, count, culprits, found)
    keep_on_bounds(local, rows, found, count)
    if hopeless or culprits > 0:
        return INFEASIBLE, count, culprits, worst_violation(local, A, A_row, c, rows)
    return ACTIVE if touched else INACTIVE, count, 0, 0.0


@entry
def solve_pending(arguments):
    """Solve those of the samples that are ``PENDING``.

    :param arguments: address of what :mod:`~sb3_barriernet.projection.kernels.layout` lists; of a weight for each
        sample, one with ``L[0, 0]`` 0 makes its sample invalid
    :return: 0
    """
    given = integers(arguments, 1)
    rows, dim, A_row, single = given[layout.ROWS], given[layout.DIM], given[layout.A_ROW], given[layout.SINGLE] == 1
    weight_kind, backup = given[layout.WEIGHT_KIND], given[layout.BACKUP]
    u_step, box_step = (4 if single else 8) * dim, 8 * given[layout.BOX_BATCH]
    slack, status = reals(given[layout.SLACK], 1), bytes_(given[layout.STATUS], 1)
    faces = shorts(given[layout.FACES], dim + 2)

    total, wide, square = rows + 2 * dim, 8 * (dim + 1), 8 * dim * dim
    total_padded = (total + LANES - 1) // LANES * LANES
    scratch = given[layout.SCRATCH]
    table, columns = reals(scratch, dim + 4), reals(scratch + 8 * total_padded * (dim + 4), total_padded)
    scratch += 16 * total_padded * (dim + 4)
    root, unroot = reals(scratch, dim), reals(scratch + square, dim)
    basis, corner = reals(scratch + 2 * square, dim), reals(scratch + 3 * square, dim)
    scratch += 4 * square
    solution, local = reals(scratch, dim + 1), reals(scratch + 4 * wide, dim)
    active, found = integers(scratch + 8 * wide, dim + 1), integers(scratch + 10 * wide, 1)
    for sample in range(given[layout.START], given[layout.STOP]):
        if status[sample] != PENDING:
            continue
        A, c = given[layout.A] + 8 * sample * given[layout.A_BATCH], given[layout.C] + 8 * sample * rows
        low, high = given[layout.LOW] + sample * box_step, given[layout.HIGH] + sample * box_step
        load_sample(local, given[layout.U] + sample * u_step, single, low, high)
        verdict, count, culprits, violation = INVALID, 0, -1, np.inf
        if fill_factors(root, unroot, given[layout.WEIGHT], weight_kind, sample):
            verdict, count, culprits, violation = solve_sample(
                table, columns, root, unroot, local, solution, basis, corner, active, found,
                A, A_row, c, rows, weight_kind > 1,
            )  # fmt: skip
        if verdict == INVALID:
            load_backup(local, backup + 8 * sample * given[layout.BACKUP_BATCH] if backup != 0 else 0)
        status[sample] = verdict
        slack[sample] = violation
        store_action(local, given[layout.ACTION] + sample * u_step, single)
        store_faces(faces, sample, culprits, found, count)
    return 0
