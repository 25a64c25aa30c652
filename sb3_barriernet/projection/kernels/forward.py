"""The forward kernel: screen every sample and solve the broken ones with one or two actions on the spot.

Samples that need the general solver come back as ``PENDING``. Nothing a sample holds reaches another one.
"""

from __future__ import annotations

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import entry, kernel
from sb3_barriernet.projection.kernels.interval import solve_interval
from sb3_barriernet.projection.kernels.layout import BAD_WEIGHT, PENDING
from sb3_barriernet.projection.kernels.outcome import ACTIVE, INACTIVE, INVALID, store_nominal, store_outcome
from sb3_barriernet.projection.kernels.planar_forward import screen_planar
from sb3_barriernet.projection.kernels.sample import LOCAL_ROWS, fill_scale, keep_on_bounds, load_sample, widen
from sb3_barriernet.projection.kernels.screening import (
    HOLDS,
    NOT_FINITE,
    clipped_faces,
    inspect_rows,
    nominal_holds,
    rows_hold,
)
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
def screen_each(given, scratch):
    """Any number of actions but two, one sample after the other; how many are pending.

    Most nominal actions hold as they are, and are found to do so where they lie, without a copy.
    """
    rows, dim, A_row, single = given[layout.ROWS], given[layout.DIM], given[layout.A_ROW], given[layout.SINGLE] == 1
    weight_kind = given[layout.WEIGHT_KIND]
    u_step, box_step = (4 if single else 8) * dim, 8 * given[layout.BOX_BATCH]
    local, point = reals(scratch, dim), reals(scratch + 24 * dim, dim)
    found = integers(scratch + 8 * LOCAL_ROWS * dim, 1)
    pending = 0
    for sample in range(given[layout.START], given[layout.STOP]):
        A, c = given[layout.A] + 8 * sample * given[layout.A_BATCH], given[layout.C] + 8 * sample * rows
        low, high = given[layout.LOW] + sample * box_step, given[layout.HIGH] + sample * box_step
        u = given[layout.U] + sample * u_step
        nominal = widen(u, point) if single else reals(u, dim)
        if nominal_holds(nominal, low, high, A, A_row, c, rows):
            store_nominal(given, sample, nominal, found)
            continue
        verdict, count = screen_sample(local, point, found, u, single, low, high, A, A_row, c, rows, weight_kind)
        pending += store_outcome(given, sample, local, verdict, found, count)
    return pending


@kernel
def screen_sample(local, point, found, u, single, low, high, A, A_row, c, rows, weight_kind):
    """Status and number of faces of a sample whose nominal action does not hold; with its action in ``local``."""
    if not load_sample(local, u, single, low, high):
        return INVALID, 0
    verdict = judge(local, point, A, A_row, c, rows)
    count = clipped_faces(local, rows, found)
    if verdict == INACTIVE and not (count > 0 and weight_kind > 1):  # A clip is no projection in a skewed metric.
        return INACTIVE, count
    if verdict == INVALID:
        return INVALID, 0
    if local.width > 1 or weight_kind > 1:
        return PENDING, 0
    count = solve_interval(local, A, A_row, c, rows, found)
    if count < 0:
        return PENDING, 0
    keep_on_bounds(local, rows, found, count)
    return ACTIVE, count


@kernel
def judge(local, point, A, A_row, c, rows):
    """Status of a valid sample at the clipped action ``point``, which is in ``local``, too."""
    if rows_hold(point, A, A_row, c, rows):
        return INACTIVE
    second = inspect_rows(local, A, A_row, c, rows)
    if second == HOLDS:
        return INACTIVE
    return INVALID if second == NOT_FINITE else ACTIVE
