"""The forward kernel: screen every sample and solve the broken ones with one or two actions on the spot.

Samples that need the general solver come back as ``PENDING``. Nothing a sample holds reaches another one.
"""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import entry, kernel
from sb3_barriernet.projection.kernels.interval import solve_interval
from sb3_barriernet.projection.kernels.layout import BAD_WEIGHT, PENDING
from sb3_barriernet.projection.kernels.planar import solve_planar
from sb3_barriernet.projection.kernels.sample import (
    LARGEST,
    LOCAL_ROWS,
    keep_on_bounds,
    load_backup,
    load_sample,
    read,
    store_action,
    store_faces,
    write,
)
from sb3_barriernet.projection.kernels.screening import (
    HOLDS,
    NOT_FINITE,
    clipped_faces,
    inspect_rows,
    planar_rows_hold,
    rows_hold,
)
from sb3_barriernet.projection.kernels.views import bytes_, integers, reals, shorts
from sb3_barriernet.projection.status import Status

INACTIVE = int(Status.INACTIVE)
ACTIVE = int(Status.ACTIVE)
INVALID = int(Status.INVALID)


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
def pass_untouched(
    sample, stop, u, single, low, high, box_step, A, A_step, A_row, c, rows, action, status, faces
):  # fmt: skip
    """The commonest outcome over two actions, in the tightest loop: in the box, no row broken.

    :return: the first sample from ``sample`` on that is different, or ``stop``
    """
    A += sample * A_step
    c += sample * 8 * rows
    low += sample * box_step
    high += sample * box_step
    while sample < stop:
        x, y = read(u, 2 * sample, single), read(u, 2 * sample + 1, single)
        below, above = reals(low, 1), reals(high, 1)
        inside = (x >= below[0]) & (x <= above[0]) & (y >= below[1]) & (y <= above[1])
        inside &= abs(x) + abs(y) <= LARGEST
        if not (inside and planar_rows_hold(x, y, A, A_row, c, rows)):
            break
        A += A_step
        c += 8 * rows
        low += box_step
        high += box_step
        write(action, 2 * sample, single, x)
        write(action, 2 * sample + 1, single, y)
        status[sample] = INACTIVE
        faces[sample, 0] = 0
        faces[sample, 1] = -1
        faces[sample, 2] = -1
        faces[sample, 3] = -1
        sample += 1
    return sample


@kernel
def correct(local, scale, A, A_row, c, rows, lines, found, weight_kind):
    """Solve a broken sample whose weight is diagonal; the number of faces, -1 if the general solver has to."""
    dim = local.width
    count = -1
    if dim == 2 and weight_kind < 2:
        count = solve_planar(local, scale, A, A_row, c, rows, lines, found)
    elif dim == 1 and weight_kind < 2:
        count = solve_interval(local, A, A_row, c, rows, found)
    if count >= 0:
        keep_on_bounds(local, rows, found, count)
    return count


@kernel
def judge(local, point, A, A_row, c, rows):
    """Status of a valid sample at the clipped action."""
    # Over two actions the first look was in `pass_untouched`.
    if local.width != 2 and rows_hold(local, point, A, A_row, c, rows):
        return INACTIVE
    second = inspect_rows(local, A, A_row, c, rows)
    if second == HOLDS:
        return INACTIVE
    return INVALID if second == NOT_FINITE else ACTIVE


@entry
def screen(arguments):
    """Solve the samples unless they need the general solver.

    :param arguments: address of what :mod:`~sb3_barriernet.projection.kernels.layout` lists
    :return: number of pending samples, or ``BAD_WEIGHT``
    """
    given = integers(arguments, 1)
    rows, dim, A_row, single = given[layout.ROWS], given[layout.DIM], given[layout.A_ROW], given[layout.SINGLE] == 1
    weight_kind, backup = given[layout.WEIGHT_KIND], given[layout.BACKUP]
    # Bytes from one sample to the next.
    u_step, A_step, c_step = (4 if single else 8) * dim, 8 * given[layout.A_BATCH], 8 * rows
    box_step, backup_step = 8 * given[layout.BOX_BATCH], 8 * given[layout.BACKUP_BATCH]
    slack, status = reals(given[layout.SLACK], 1), bytes_(given[layout.STATUS], 1)
    faces = shorts(given[layout.FACES], dim + 2)

    scratch = given[layout.SCRATCH]
    local, point = reals(scratch, dim), scratch + 8 * 3 * dim
    scratch += 8 * LOCAL_ROWS * dim
    scale, found, lines = reals(scratch, dim), integers(scratch + 8 * dim, 1), scratch + 8 * (2 * dim + 1)
    if not fill_scale(scale, given[layout.WEIGHT], weight_kind):
        return BAD_WEIGHT
    pending = 0
    sample, stop = given[layout.START], given[layout.STOP]
    while True:
        if dim == 2:
            sample = pass_untouched(
                sample, stop, given[layout.U], single, given[layout.LOW], given[layout.HIGH], box_step,
                given[layout.A], A_step, A_row, given[layout.C], rows, given[layout.ACTION], status, faces,
            )  # fmt: skip
        if sample >= stop:
            return pending
        A, c = given[layout.A] + sample * A_step, given[layout.C] + sample * c_step
        low, high = given[layout.LOW] + sample * box_step, given[layout.HIGH] + sample * box_step
        count = 0
        verdict = INVALID
        if load_sample(local, given[layout.U] + sample * u_step, single, low, high):
            verdict = judge(local, point, A, A_row, c, rows)
            count = clipped_faces(local, rows, found)
            if verdict == INACTIVE and count > 0 and weight_kind > 1:
                verdict = PENDING  # A clip is no projection in a skewed metric.
            elif verdict == ACTIVE:
                count = correct(local, scale, A, A_row, c, rows, lines, found, weight_kind)
                verdict = ACTIVE if count >= 0 else PENDING
        status[sample] = verdict
        if verdict == PENDING:
            pending += 1
        else:
            if verdict == INVALID:
                count = 0
                slack[sample] = np.inf
                load_backup(local, backup + sample * backup_step if backup != 0 else 0)
            store_action(local, given[layout.ACTION] + sample * u_step, single)
            store_faces(faces, sample, -1 if verdict == INVALID else 0, found, count)
        sample += 1
