"""Dual active-set method of Goldfarb and Idnani (1983) for a Euclidean projection.

Every iterate is optimal for the constraints that it knows; the most violated of the others is added until none
is violated. The method starts from the nominal action (or its clip to the box, which is optimal for the box),
needs no feasible start, and ends either at the projection or with a proof that no action is feasible.

A constraint is a row of ``table (C, M + 5)``. It reads ``normal . v >= offset - slack * lift``. Its columns are
the unit normal (M); the offset; the size of the terms that cancel in it, to which its rounding errors are
relative; the lift, 1 for rows, which may be relaxed, and 0 for the box; the length of the normal before it was
normalised, 0 where it plays no part; and 1 while it is active. Rows come first, then lower bounds, then upper
bounds.

``solution (4, M + 1)`` holds in its rows the action ``v``, the multipliers, and two scratch vectors.
``basis (2, M, M)`` holds the orthonormal basis ``Q`` of the active normals, one a row, and the triangular ``R``
with ``normal j = sum_i R[i, j] Q[i]``. ``active (2, M + 1)`` holds the active constraints and, after a
contradiction, those that take part in it (their weights are in ``solution[3]``).
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.screening import FEASIBILITY

INDEPENDENT = 1e-12
"""A unit normal that lies this close to the span of the active ones counts as part of it."""

CONTRIBUTES = 1e-13
"""Coefficients of unit normals below this are rounding."""

OPTIMAL = 0
CONTRADICTION = 1
STALLED = 2


@kernel
def most_violated(table, columns, solution, slack, first):
    """The most violated constraint from ``first`` on that is not active, -1 for none; and its residual.

    :param columns: ``(M + 4, C)``: the first ``M + 3`` columns of the table turned into rows, because a sum over
        actions for all constraints at once runs in SIMD; and the residuals
    """
    dim = solution.shape[1] - 1
    last = table.shape[0]
    for i in range(first, last):
        columns[dim + 3, i] = slack * columns[dim + 2, i] - columns[dim, i]
    for j in range(dim):
        value = solution[0, j]
        for i in range(first, last):
            columns[dim + 3, i] += columns[j, i] * value
    worst = 0.0
    index = -1
    for i in range(first, last):
        r = columns[dim + 3, i]
        if r < worst and r < -FEASIBILITY * table[i, dim + 1] and table[i, dim + 4] == 0.0:
            worst = r
            index = i
    return index, worst


@kernel
def append(table, solution, basis, position, index):
    """Extend the basis at ``position`` by normal ``index``; the length of the part that is new.

    Gram-Schmidt done twice is as orthogonal as Householder. Coordinates go to ``R[:, position]``. Up to
    :data:`INDEPENDENT` the new direction is rounding and must not be used.
    """
    dim = solution.shape[1] - 1
    for j in range(dim):
        solution[2, j] = table[index, j]
    for i in range(position):
        solution[3, i] = 0.0
    for _ in range(2):
        for i in range(position):
            dot = 0.0
            for j in range(dim):
                dot += basis[0, i, j] * solution[2, j]
            solution[3, i] += dot
            for j in range(dim):
                solution[2, j] -= dot * basis[0, i, j]
    square = 0.0
    for j in range(dim):
        square += solution[2, j] * solution[2, j]
    length = np.sqrt(square)
    if position == dim or not length > INDEPENDENT:
        return 0.0
    for i in range(position):
        basis[1, i, position] = solution[3, i]
    basis[1, position, position] = length
    for j in range(dim):
        basis[0, position, j] = solution[2, j] / length
    return length


@kernel
def dual_step(solution, basis, count):
    """Write to ``solution[3]`` the incoming normal as a combination of the active ones.

    :return: the longest step along it that keeps every multiplier at least 0, and what limits it (-1: nothing)
    """
    longest = np.inf
    leaving = -1
    for i in range(count - 1, -1, -1):
        value = solution[3, i]
        for j in range(i + 1, count):
            value -= basis[1, i, j] * solution[3, j]
        value /= basis[1, i, i]
        solution[3, i] = value
        if value > CONTRIBUTES:
            step = max(solution[1, i], 0.0) / value
            if step < longest:
                longest = step
                leaving = i
    return longest, leaving


@kernel
def solve_dual(table, columns, solution, basis, active, count, slack, first):
    """Continue from ``count`` active constraints until constraints ``first`` and later hold.

    A contradiction is a combination with positive weights of ``count + 1`` constraints whose normals cancel.

    :return: outcome and number of active constraints
    """
    dim = solution.shape[1] - 1
    incoming = -1
    violation = 0.0
    multiplier = 0.0
    for _ in range(20 + 8 * table.shape[0]):
        if incoming < 0:
            incoming, violation = most_violated(table, columns, solution, slack, first)
            multiplier = 0.0
        if incoming < 0:
            return OPTIMAL, count
        length = append(table, solution, basis, count, incoming)
        step, leaving = dual_step(solution, basis, count)
        if leaving < 0 and length == 0.0:
            for i in range(count):
                solution[3, i] = max(-solution[3, i], 0.0)
                active[1, i] = active[0, i]
            solution[3, count] = 1.0
            active[1, count] = incoming
            return CONTRADICTION, count
        # A violation that rounding has already closed still has to be added: its multiplier counts.
        full = length > 0.0 and max(-violation, 0.0) <= step * length * length
        if full:
            step = max(-violation, 0.0) / (length * length)
        for i in range(count):
            solution[1, i] -= step * solution[3, i]
        multiplier += step
        if length > 0.0:
            violation += step * length * length
            for j in range(dim):
                solution[0, j] += step * length * basis[0, count, j]
        if full:
            active[0, count] = incoming
            solution[1, count] = multiplier
            table[incoming, dim + 4] = 1.0
            count += 1
            incoming = -1
            continue
        table[active[0, leaving], dim + 4] = 0.0
        count -= 1
        for i in range(leaving, count):
            active[0, i] = active[0, i + 1]
            solution[1, i] = solution[1, i + 1]
            append(table, solution, basis, i, active[0, i])
    return STALLED, count
