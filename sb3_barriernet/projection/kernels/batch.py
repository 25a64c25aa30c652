"""The forward kernel: screen every sample, solve what screening leaves, one sample independent of all others."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_barriernet.projection.kernels.compiling import entry, kernel, source_stamp
from sb3_barriernet.projection.kernels.general import solve_general
from sb3_barriernet.projection.kernels.interval import solve_interval
from sb3_barriernet.projection.kernels.memory import (
    Problem,
    coefficient,
    load64,
    lower,
    nominal,
    offset,
    store_action,
    upper,
)
from sb3_barriernet.projection.kernels.planar import solve_planar
from sb3_barriernet.projection.kernels.scaling import factor_weight, has_diagonal_weight
from sb3_barriernet.projection.kernels.screening import (
    HOLDS,
    LARGEST,
    NOT_FINITE,
    clip_nominal,
    count_holding,
    inspect_rows,
)
from sb3_barriernet.projection.kernels.workspace import make_workspace
from sb3_barriernet.projection.result import Status

INACTIVE = int(Status.INACTIVE)
ACTIVE = int(Status.ACTIVE)
INFEASIBLE = int(Status.INFEASIBLE)
INVALID = int(Status.INVALID)
PENDING = -1

DONE = 0
BAD_WEIGHT = 1


@kernel
def _quick(problem, sample, point, lines, found):  # type: ignore[no-untyped-def]
    """Decide a sample without the general solver, if that is possible: status and number of faces."""
    if not clip_nominal(problem, sample, point):
        return INVALID, 0
    diagonal_weight = has_diagonal_weight(problem)
    moved = 0
    for j in range(problem.dim):
        u = nominal(problem, sample, j)
        if point[j] != u:
            found[moved] = problem.rows + j + (0 if u < point[j] else problem.dim)
            moved += 1
    if count_holding(problem, sample, point) < problem.rows:
        verdict = inspect_rows(problem, sample, point)
        if verdict == NOT_FINITE:
            return INVALID, 0
        if verdict != HOLDS:
            if diagonal_weight and problem.dim <= 2:
                if problem.dim == 1:
                    count = solve_interval(problem, sample, point, found)
                else:
                    count = solve_planar(problem, sample, point, lines, found)
                return (ACTIVE if count >= 0 else PENDING), count
            return PENDING, 0
    if moved > 0 and not diagonal_weight:
        return PENDING, 0  # A clip is no projection in a skewed metric.
    return INACTIVE, moved


@kernel
def _hopeless(problem, sample, work):  # type: ignore[no-untyped-def]
    """Whether some row is broken whatever the action: it has no coefficients."""
    for k in range(problem.rows):
        if work.norms[k] == 0.0 and offset(problem, sample, k) < 0.0:
            return True
    return False


@kernel
def _worst_violation(problem, sample, point):  # type: ignore[no-untyped-def]
    worst = 0.0
    for k in range(problem.rows):
        r = offset(problem, sample, k)
        for j in range(problem.dim):
            r += coefficient(problem, sample, k, j) * point[j]
        worst = max(worst, -r)
    return worst


@kernel
def _write(problem, sample, point, found, count, culprits, action, faces):  # type: ignore[no-untyped-def]
    for j in range(problem.dim):
        store_action(problem, action, sample, j, point[j])
    faces[sample, 0] = culprits
    for i in range(problem.dim + 1):
        faces[sample, i + 1] = found[i] if i < count else -1


@kernel
def _write_backup(problem, sample, point, found, action, slack, faces):  # type: ignore[no-untyped-def]
    """The backup action; without one 0, clipped to those bounds that are numbers."""
    slack[sample] = np.inf
    for j in range(problem.dim):
        if problem.backup != 0:
            point[j] = load64(problem.backup, sample * problem.backup_batch + j)
            continue
        value = 0.0
        low = lower(problem, sample, j)
        high = upper(problem, sample, j)
        if value < low and low <= LARGEST:
            value = low
        if value > high and high >= -LARGEST:
            value = high
        point[j] = value
    _write(problem, sample, point, found, 0, 0, action, faces)


@kernel
def _solve_pending(problem, start, stop, point, found, action, slack, status, faces):  # type: ignore[no-untyped-def]
    work = make_workspace(problem.rows, problem.dim)
    for sample in range(start, stop):
        if status[sample] != PENDING:
            continue
        count, culprits, untouched, infeasible = solve_general(problem, sample, work, point, found)
        if count < 0:
            status[sample] = INVALID
            _write_backup(problem, sample, point, found, action, slack, faces)
            continue
        slack[sample] = 0.0
        if infeasible or _hopeless(problem, sample, work):
            status[sample] = INFEASIBLE
            slack[sample] = _worst_violation(problem, sample, point)
        else:
            status[sample] = INACTIVE if untouched else ACTIVE
        _write(problem, sample, point, found, count, culprits, action, faces)


@kernel
def _weight_is_sound(problem):  # type: ignore[no-untyped-def]
    """Whether a shared weight is finite and positive (definite)."""
    if has_diagonal_weight(problem):
        for j in range(problem.dim):
            value = load64(problem.weight, j) if problem.weight != 0 else 1.0
            if not (value > 0.0 and value <= LARGEST):
                return False
        return True
    factor = np.empty((problem.dim, problem.dim))
    return factor_weight(problem, 0, factor)


def _make_solve(stamp: str) -> Any:
    @entry
    def solve(  # type: ignore[no-untyped-def]
        rows, dim, u, single, A, A_batch, A_row, c, c_batch, low, high, box_batch, weight, weight_kind,
        backup, backup_batch, start, stop, action, slack, status, faces,
    ):  # fmt: skip
        """Solve samples ``start`` to ``stop``; arguments as in ``Problem``, results as in ``Projection``.

        :param action: contiguous bytes of the actions
        :return: ``DONE`` or ``BAD_WEIGHT``
        """
        _ = stamp
        problem = Problem(
            rows, dim, u, single, A, A_batch, A_row, c, c_batch, low, high, box_batch, weight, weight_kind,
            backup, backup_batch,
        )  # fmt: skip
        if weight != 0 and weight_kind < 3 and not _weight_is_sound(problem):
            return BAD_WEIGHT
        destination = action.ctypes.data
        point = np.empty(dim)
        found = np.empty(dim + 1, np.int64)
        lines = np.empty((3, rows + 4 if dim == 2 else 0))
        pending = 0
        for sample in range(start, stop):
            verdict, count = _quick(problem, sample, point, lines, found)
            status[sample] = verdict
            if verdict == PENDING:
                pending += 1
            elif verdict == INVALID:
                _write_backup(problem, sample, point, found, destination, slack, faces)
            else:
                slack[sample] = 0.0
                _write(problem, sample, point, found, count, 0, destination, faces)
        if pending > 0:
            _solve_pending(problem, start, stop, point, found, destination, slack, status, faces)
        return DONE

    return solve


solve = _make_solve(source_stamp())
