"""The forward kernel: screen every sample and solve the broken ones with one or two actions on the spot.

Samples that need the general solver come back as ``PENDING``. Nothing a sample holds reaches another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_barriernet.projection.kernels.compiling import entry, kernel, source_stamp
from sb3_barriernet.projection.kernels.interval import solve_interval
from sb3_barriernet.projection.kernels.memory import load64
from sb3_barriernet.projection.kernels.planar import solve_planar
from sb3_barriernet.projection.kernels.sample import LARGEST, LOCAL_ROWS, load_backup, load_sample, store_action
from sb3_barriernet.projection.kernels.screening import (
    HOLDS,
    NOT_FINITE,
    clipped_faces,
    inspect_rows,
    pass_untouched,
    rows_hold,
)
from sb3_barriernet.projection.result import Status

INACTIVE = int(Status.INACTIVE)
ACTIVE = int(Status.ACTIVE)
INVALID = int(Status.INVALID)
PENDING = -1

BAD_WEIGHT = -1


@kernel
def keep_on_bounds(local, rows, found, count):
    """Put the action into the box and, where a bound is a face, exactly on it."""
    dim = local.shape[1]
    for j in range(dim):
        local[3, j] = min(max(local[3, j], local[1, j]), local[2, j])
    for i in range(count):
        face = found[i] - rows
        if face >= dim:
            local[3, face - dim] = local[2, face - dim]
        elif face >= 0:
            local[3, face] = local[1, face]


def _make_screen(stamp: str) -> Any:
    @entry
    def screen(
        rows, dim, u, single, A, A_batch, A_row, c, low, high, box_batch, weight, weight_kind,
        backup, backup_batch, start, stop, action, slack, status, faces,
    ):  # fmt: skip
        """Solve samples ``start`` to ``stop`` unless they need the general solver.

        :param rows: K
        :param dim: M
        :param u: address of the contiguous nominal actions, float32 if ``single`` is 1
        :param A: address, with strides of batch and row in elements
        :param c: address, contiguous
        :param low: address, like ``high``; ``box_batch`` is 0 where all samples share the box
        :param weight: address of the diagonal weight if ``weight_kind`` is 1
        :param backup: address, 0 for the default
        :param action: contiguous bytes of the actions
        :return: number of pending samples, or ``BAD_WEIGHT``
        """
        _ = stamp
        scale = np.ones(dim)
        if weight_kind == 1:
            for j in range(dim):
                value = load64(weight, j)
                if not (value > 0.0 and value <= LARGEST):
                    return BAD_WEIGHT
                scale[j] = np.sqrt(value)
        size = 4 if single else 8
        local = np.empty((LOCAL_ROWS, dim))
        found = np.empty(dim + 1, np.int64)
        lines = np.empty((4, rows + 4 if dim == 2 else 0))
        destination = action.ctypes.data
        planar = dim == 2 and A_row == 2
        pending = 0
        for sample in range(start, stop):
            row = A + 8 * sample * A_batch
            shift = c + 8 * sample * rows
            here = u + size * sample * dim
            box = 8 * sample * box_batch
            target = destination + size * sample * dim
            if planar and pass_untouched(here, single, low + box, high + box, row, shift, rows, target):
                status[sample] = INACTIVE
                slack[sample] = 0.0
                faces[sample, 0] = 0
                faces[sample, 1] = -1
                faces[sample, 2] = -1
                faces[sample, 3] = -1
                continue
            count = 0
            culprits = 0
            verdict = INACTIVE
            if not load_sample(local, here, single, low + box, high + box):
                verdict = INVALID
            else:
                count = clipped_faces(local, rows, found)
                if count > 0 and weight_kind > 1:
                    verdict = PENDING  # A clip is no projection in a skewed metric.
                if not rows_hold(local, row, A_row, shift, rows):
                    second = inspect_rows(local, row, A_row, shift, rows)
                    if second == NOT_FINITE:
                        verdict = INVALID
                    elif second != HOLDS:
                        verdict = ACTIVE
            if verdict == ACTIVE:
                count = -1
                if weight_kind < 2 and dim == 2:
                    count = solve_planar(local, scale, row, A_row, shift, rows, lines, found)
                elif weight_kind < 2 and dim == 1:
                    count = solve_interval(local, row, A_row, shift, rows, found)
                if count < 0:
                    verdict = PENDING
                else:
                    keep_on_bounds(local, rows, found, count)
            status[sample] = verdict
            slack[sample] = 0.0
            if verdict == PENDING:
                pending += 1
                continue
            if verdict == INVALID:
                count = 0
                culprits = -1
                slack[sample] = np.inf
                load_backup(local, backup + 8 * sample * backup_batch, backup != 0)
            store_action(local, target, single)
            faces[sample, 0] = culprits
            for i in range(dim + 1):
                faces[sample, i + 1] = found[i] if i < count else -1
        return pending

    return screen


screen = _make_screen(source_stamp())
