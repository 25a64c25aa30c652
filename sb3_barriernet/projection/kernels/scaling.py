"""From actions to scaled actions, in which the projection is Euclidean, and back."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.memory import (
    WEIGHT_DIAGONAL,
    WEIGHT_FULL_BATCH,
    WEIGHT_NONE,
    coefficient,
    diagonal,
    load64,
    lower,
    nominal,
    offset,
    upper,
)
from sb3_barriernet.projection.kernels.screening import LARGEST, reach


@kernel
def has_diagonal_weight(problem):  # type: ignore[no-untyped-def]
    """Whether scaling keeps the box a box."""
    return problem.weight_kind == WEIGHT_NONE or problem.weight_kind == WEIGHT_DIAGONAL


@kernel
def factor_weight(problem, sample, factor):  # type: ignore[no-untyped-def]
    """Write the lower triangular ``L`` with ``W = L L'``; False where ``W`` is not positive definite."""
    dim = problem.dim
    for i in range(dim):
        for j in range(dim):
            factor[i, j] = 0.0
    if has_diagonal_weight(problem):
        for j in range(dim):
            factor[j, j] = np.sqrt(diagonal(problem, j))
        return True
    base = sample * dim * dim if problem.weight_kind == WEIGHT_FULL_BATCH else 0
    for i in range(dim):
        for j in range(i + 1):
            above = load64(problem.weight, base + j * dim + i)
            below = load64(problem.weight, base + i * dim + j)
            value = 0.5 * (above + below)
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            if i > j:
                factor[i, j] = value / factor[j, j]
            elif value > 1e-14 * below and value <= LARGEST:
                factor[i, i] = np.sqrt(value)
            else:
                return False
    return True


@kernel
def solve_lower(factor, vector):  # type: ignore[no-untyped-def]
    """Replace ``vector`` by the solution ``x`` of ``L x = vector``."""
    for i in range(vector.shape[0]):
        value = vector[i]
        for j in range(i):
            value -= factor[i, j] * vector[j]
        vector[i] = value / factor[i, i]


@kernel
def solve_upper(factor, vector):  # type: ignore[no-untyped-def]
    """Replace ``vector`` by the solution ``x`` of ``L' x = vector``."""
    dim = vector.shape[0]
    for i in range(dim - 1, -1, -1):
        value = vector[i]
        for j in range(i + 1, dim):
            value -= factor[j, i] * vector[j]
        vector[i] = value / factor[i, i]


@kernel
def scale_problem(problem, sample, work):  # type: ignore[no-untyped-def]
    """Fill the workspace with unit normals; False where the weight is indefinite."""
    if not factor_weight(problem, sample, work.factor):
        return False
    dim = problem.dim
    for i in range(dim):
        value = 0.0
        for j in range(i, dim):
            value += work.factor[j, i] * nominal(problem, sample, j)
        work.start[i] = value
    for k in range(problem.rows):
        _scale_row(problem, sample, work, k)
    for j in range(dim):
        _scale_bound(problem, sample, work, j, problem.rows + j, 1.0, lower(problem, sample, j))
        _scale_bound(problem, sample, work, j, problem.rows + dim + j, -1.0, -upper(problem, sample, j))
    return True


@kernel
def _scale_row(problem, sample, work, k):  # type: ignore[no-untyped-def]
    largest = 0.0
    for j in range(problem.dim):
        largest = max(largest, abs(coefficient(problem, sample, k, j)))
    size = 0.0
    for j in range(problem.dim):
        # Divided by the largest coefficient first: squares of 1e-200 or 1e200 would vanish or overflow.
        a = coefficient(problem, sample, k, j) / largest if largest > 0.0 else 0.0
        work.normals[k, j] = a
        u = nominal(problem, sample, j)
        clipped = min(max(u, lower(problem, sample, j)), upper(problem, sample, j))
        if a != 0.0:
            size += abs(a) * reach(problem, sample, j, clipped)
    norm = _normalise(work, k)
    work.norms[k] = norm * largest
    work.lifts[k] = 1.0
    if norm > 0.0:
        work.offsets[k] = -offset(problem, sample, k) / largest / norm
        work.sizes[k] = size / norm + abs(work.offsets[k])
    else:
        work.offsets[k] = 0.0
        work.sizes[k] = 0.0
    if not abs(work.offsets[k]) <= LARGEST:
        work.norms[k] = 0.0  # No action of finite size decides this row: it plays no part.


@kernel
def _scale_bound(problem, sample, work, j, i, sign, bound):  # type: ignore[no-untyped-def]
    for axis in range(problem.dim):
        work.normals[i, axis] = 0.0
    work.normals[i, j] = sign
    norm = _normalise(work, i)
    work.norms[i] = norm
    work.lifts[i] = 0.0
    work.offsets[i] = bound / norm
    work.sizes[i] = abs(work.offsets[i]) if abs(bound) <= LARGEST else 0.0


@kernel
def _normalise(work, i):  # type: ignore[no-untyped-def]
    """Bring normal ``i`` into scaled actions, make it a unit vector and return its length."""
    solve_lower(work.factor, work.normals[i])
    square = 0.0
    for j in range(work.v.shape[0]):
        square += work.normals[i, j] * work.normals[i, j]
    norm = np.sqrt(square)
    if norm > 0.0:
        for j in range(work.v.shape[0]):
            work.normals[i, j] /= norm
    return norm


@kernel
def unscale_action(problem, sample, work, count, point):  # type: ignore[no-untyped-def]
    """Write the action, on its bounds to the last bit; False where numbers overflowed."""
    dim = problem.dim
    for j in range(dim):
        point[j] = work.v[j]
    solve_upper(work.factor, point)
    finite = True
    for j in range(dim):
        finite &= abs(point[j]) <= LARGEST
        point[j] = min(max(point[j], lower(problem, sample, j)), upper(problem, sample, j))
    for i in range(count):
        face = work.active[i] - problem.rows
        if face >= dim:
            point[face - dim] = upper(problem, sample, face - dim)
        elif face >= 0:
            point[face] = lower(problem, sample, face)
    return finite
