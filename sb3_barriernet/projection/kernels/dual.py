"""Dual active-set method of Goldfarb and Idnani (1983) for a Euclidean projection.

Every iterate is optimal for the constraints that it knows; the most violated of the others is added until none
is violated. The method starts from the nominal action (or its clip to the box, which is optimal for the box),
needs no feasible start, and ends either at the projection or with a proof that no action is feasible.

A constraint is a row of ``table (C, M + 4)``. It reads ``normal . v >= offset - slack * lift``. Its columns are
the unit normal (M); the offset; the size of the terms that cancel in it, to which its rounding errors are
relative; the lift, 1 for rows, which may be relaxed, and 0 for the box; and the length of the normal before it was
normalised, 0 where it plays no part. Rows come first, then lower bounds, then upper bounds. ``columns (M + 4, C)``
holds the same turned round, so that all constraints can be compared at once, with 1 while a constraint is active in
place of the length, and filled up with constraints that always hold.

``solution (4, M + 1)`` holds in its rows the action ``v``, the multipliers, and two scratch vectors.
``basis (M, M)`` is the orthonormal basis ``Q`` of the active normals, one a row, and ``corner (M, M)`` the triangular
``R`` with ``normal j = sum_i R[i, j] Q[i]``. ``active (2, M + 1)`` holds the active constraints and, after a
contradiction, those that take part in it (their weights are in ``solution[3]``).
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import LANES, choose, count_from, fill, load, smallest
from sb3_barriernet.projection.kernels.screening import FEASIBILITY

INDEPENDENT = 1e-12
"""A unit normal that lies this close to the span of the active ones counts as part of it."""

LITTLE = 0.5
"""Squared length of what is left of a unit normal, above which it has lost no digits."""

CONTRIBUTES = 1e-13
"""Coefficients of unit normals below this are rounding."""

OPTIMAL = 0
CONTRADICTION = 1
STALLED = 2


@kernel
def most_violated(columns, solution, slack, first, travel):
    """The most violated constraint from ``first`` on that is not active, -1 for none; and its residual.

    :param travel: how far ``v`` has come, to which rounding errors are relative, too: a bound at 0 has no size
    """
    dim = solution.width - 1
    row = 8 * columns.width
    zero, firsts = fill(0.0), fill(np.float64(first))
    worst, index = zero, fill(-1.0)
    for i in range(first // LANES * LANES, columns.width, LANES):
        here = columns.address + 8 * i
        r = fill(slack) * load(here + (dim + 2) * row) - load(here + dim * row)
        for j in range(dim):
            r += load(here + j * row) * fill(solution[0, j])
        known = count_from(np.float64(i))
        counts = (load(here + (dim + 3) * row) == zero) & (known >= firsts)
        size = load(here + (dim + 1) * row) + fill(travel)
        worse = counts & (r < worst) & (r < fill(-FEASIBILITY) * size)
        worst = choose(worse, r, worst)
        index = choose(worse, known, index)
    least = smallest(worst)
    if not least < 0.0:
        return -1, 0.0
    return int(smallest(choose(worst == fill(least), index, fill(np.inf)))), least


@kernel
def append(table, solution, basis, corner, position, index):
    """Extend the basis at ``position`` by normal ``index``; the length of the part that is new.

    Gram-Schmidt, done twice where the first time leaves little of the normal, is as orthogonal as Householder (Parlett
    1980, section 6-9). Coordinates go to ``R[:, position]``. Up to :data:`INDEPENDENT` the new direction is rounding
    and must not be used.
    """
    dim = solution.width - 1
    for j in range(dim):
        solution[2, j] = table[index, j]
    for i in range(position):
        solution[3, i] = 0.0
    square = 0.0
    for _ in range(2):
        for i in range(position):
            dot = 0.0
            for j in range(dim):
                dot += basis[i, j] * solution[2, j]
            solution[3, i] += dot
            for j in range(dim):
                solution[2, j] -= dot * basis[i, j]
        square = 0.0
        for j in range(dim):
            square += solution[2, j] * solution[2, j]
        if square > LITTLE:
            break
    length = np.sqrt(square)
    if position == dim or not length > INDEPENDENT:
        return 0.0
    for i in range(position):
        corner[i, position] = solution[3, i]
    corner[position, position] = length
    for j in range(dim):
        basis[position, j] = solution[2, j] / length
    return length


@kernel
def dual_step(solution, corner, count):
    """Write to ``solution[3]`` the incoming normal as a combination of the active ones.

    :return: the longest step along it that keeps every multiplier at least 0, and what limits it (-1: nothing)
    """
    longest = np.inf
    leaving = -1
    for i in range(count - 1, -1, -1):
        value = solution[3, i]
        for j in range(i + 1, count):
            value -= corner[i, j] * solution[3, j]
        value /= corner[i, i]
        solution[3, i] = value
        if value > CONTRIBUTES:
            step = max(solution[1, i], 0.0) / value
            if step < longest:
                longest = step
                leaving = i
    return longest, leaving


@kernel
def solve_dual(table, columns, solution, basis, corner, active, count, slack, first, travel, reach):
    """Continue from ``count`` active constraints until constraints ``first`` and later hold.

    A contradiction is a combination with positive weights of ``count + 1`` constraints whose normals cancel.

    :param travel: how far ``v`` has come already
    :param reach: size of the largest constraint; coming from farther away makes constraints no less exact
    :return: outcome, number of active constraints, and how far ``v`` has come
    """
    dim = solution.width - 1
    incoming = -1
    violation = 0.0
    multiplier = 0.0
    for _ in range(20 + 8 * columns.width):
        if incoming < 0:
            incoming, violation = most_violated(columns, solution, slack, first, min(travel, reach))
            multiplier = 0.0
        if incoming < 0:
            return OPTIMAL, count, travel
        length = append(table, solution, basis, corner, count, incoming)
        step, leaving = dual_step(solution, corner, count)
        if leaving < 0 and length == 0.0:
            for i in range(count):
                solution[3, i] = max(-solution[3, i], 0.0)
                active[1, i] = active[0, i]
            solution[3, count] = 1.0
            active[1, count] = incoming
            return CONTRADICTION, count, travel
        # A violation that rounding has already closed still has to be added: its multiplier counts.
        full = length > 0.0 and max(-violation, 0.0) <= step * length * length
        if full:
            step = max(-violation, 0.0) / (length * length)
        for i in range(count):
            solution[1, i] -= step * solution[3, i]
        multiplier += step
        if length > 0.0:
            travel += step * length
            violation += step * length * length
            for j in range(dim):
                solution[0, j] += step * length * basis[count, j]
        if full:
            active[0, count] = incoming
            solution[1, count] = multiplier
            columns[dim + 3, incoming] = 1.0
            count += 1
            incoming = -1
            continue
        columns[dim + 3, active[0, leaving]] = 0.0
        count -= 1
        for i in range(leaving, count):
            active[0, i] = active[0, i + 1]
            solution[1, i] = solution[1, i + 1]
            append(table, solution, basis, corner, i, active[0, i])
    return STALLED, count, travel
