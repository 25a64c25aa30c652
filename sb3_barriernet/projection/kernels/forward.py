"""The forward kernel: screen every sample and solve the broken ones with one or two actions on the spot.

Samples that need the general solver come back as ``PENDING``. Nothing a sample holds reaches another one.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import entry, kernel
from sb3_barriernet.projection.kernels.interval import solve_interval
from sb3_barriernet.projection.kernels.layout import BAD_WEIGHT, PENDING
from sb3_barriernet.projection.kernels.outcome import ACTIVE, INACTIVE, INVALID, store_outcome
from sb3_barriernet.projection.kernels.planar_forward import screen_planar
from sb3_barriernet.projection.kernels.sample import LARGEST, LOCAL_ROWS, keep_on_bounds, load_sample
from sb3_barriernet.projection.kernels.screening import HOLDS, NOT_FINITE, clipped_faces, inspect_rows, rows_hold
from sb3_barriernet.projection.kernels.views import integers, reals


@entry
def screen(arguments):
    """Solve the samples unless they need the general solver.

    :param arguments: address of what :mod:`~sb3_barriernet.projection.kernels.layout` lists
    :return: number of pending samples, or ``BAD_WEIGHT``
    """
    given = integers(arguments, 1)
    scratch, dim = given[layout.SCRATCH], given[layout.DIM]
    scale = reals(scratch, dim)
    if not fill_scale(scale, given[layout.WEIGHT], given[layout.WEIGHT_KIND]):
        return BAD_WEIGHT
    scratch += 8 * dim
    return screen_planar(given, scale, scratch) if dim == 2 else screen_each(given, scratch)


@kernel
def fill_scale(scale, weight, kind):
    """Square roots of the diagonal weight; False where an entry is no weight."""
    for j in range(scale.width):
        value = reals(weight, 1)[j] if kind == 1 else 1.0
        if not (value > 0.0 and value <= LARGEST):
            return False
        scale[j] = np.sqrt(value)
    return True


@kernel
def screen_each(given, scratch):
    """Any number of actions but two, one sample after the other; how many are pending."""
    rows, dim, A_row, single = given[layout.ROWS], given[layout.DIM], given[layout.A_ROW], given[layout.SINGLE] == 1
    weight_kind = given[layout.WEIGHT_KIND]
    u_step, box_step = (4 if single else 8) * dim, 8 * given[layout.BOX_BATCH]
    local, point, found = reals(scratch, dim), scratch + 24 * dim, integers(scratch + 8 * LOCAL_ROWS * dim, 1)
    pending = 0
    for sample in range(given[layout.START], given[layout.STOP]):
        A, c = given[layout.A] + 8 * sample * given[layout.A_BATCH], given[layout.C] + 8 * sample * rows
        low, high = given[layout.LOW] + sample * box_step, given[layout.HIGH] + sample * box_step
        count, verdict = 0, INVALID
        if load_sample(local, given[layout.U] + sample * u_step, single, low, high):
            verdict = judge(local, point, A, A_row, c, rows)
            count = clipped_faces(local, rows, found)
            if verdict == INACTIVE and count > 0 and weight_kind > 1:
                verdict = PENDING  # A clip is no projection in a skewed metric.
            elif verdict == ACTIVE:
                count = solve_interval(local, A, A_row, c, rows, found) if dim == 1 and weight_kind < 2 else -1
                verdict = ACTIVE if count >= 0 else PENDING
                if count >= 0:
                    keep_on_bounds(local, rows, found, count)
        pending += store_outcome(given, sample, local, verdict, found, count)
    return pending


@kernel
def judge(local, point, A, A_row, c, rows):
    """Status of a valid sample at the clipped action, which lies at the address ``point``."""
    if rows_hold(local, point, A, A_row, c, rows):
        return INACTIVE
    second = inspect_rows(local, A, A_row, c, rows)
    if second == HOLDS:
        return INACTIVE
    return INVALID if second == NOT_FINITE else ACTIVE
