"""The forward kernel over two actions, the commonest number: look at many samples, then solve the broken ones.

The first look writes every outcome as if nothing was broken, and lists what is. Four of those at a time go to
:func:`~sb3_barriernet.projection.kernels.planar_group.solve_group`, which writes theirs again.
"""

from __future__ import annotations

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import (
    join,
    join_singles,
    lanes_of,
    store_pair,
    store_pair_of_singles,
)
from sb3_barriernet.projection.kernels.layout import LANES, LIST_LENGTH, NO_FACES
from sb3_barriernet.projection.kernels.outcome import INACTIVE
from sb3_barriernet.projection.kernels.planar_group import solve_group
from sb3_barriernet.projection.kernels.screening import planar_rows_hold
from sb3_barriernet.projection.kernels.views import bytes_, integers


@kernel
def screen_planar(given, scale, scratch):
    """Solve the samples unless they need the general solver; how many do.

    :param given: what :mod:`~sb3_barriernet.projection.kernels.layout` lists
    :param scale: square roots of the diagonal weight, (2,)
    :param scratch: address of working memory
    """
    found, broken = integers(scratch, 1), integers(scratch + 8, 1)
    scratch += 8 * (1 + LIST_LENGTH)
    sample, pending = given[layout.START], 0
    while sample < given[layout.STOP]:
        sample = list_broken(given, sample, broken, found)
        for i in range(0, found[0], LANES):
            pending += solve_group(given, broken.address + 8 * i, min(found[0] - i, LANES), scale, scratch)
    return pending


@kernel
def list_broken(given, sample, broken, found):
    """List the broken samples: in a loop of its own where all is as it mostly is, for this is the tightest there is."""
    single, own_box = given[layout.SINGLE] == 1, given[layout.BOX_BATCH] != 0
    if single or own_box or given[layout.A_ROW] != 2:
        return look_at(given, sample, broken, found, single, own_box, given[layout.A_ROW])
    return look_at(given, sample, broken, found, False, False, 2)


@kernel
def look_at(given, sample, broken, found, single, own_box, A_row):
    """Write the outcome of samples that lie in the box and break no row: the nominal action, without a face. The others
    get the same and are listed.

    :param sample: the first one
    :param broken: the list, which has room for ``LIST_LENGTH``
    :param found: how many are listed then
    :return: the sample after the last one looked at
    """
    rows = given[layout.ROWS]
    box_step, A_step, c_step = 8 * given[layout.BOX_BATCH], 8 * given[layout.A_BATCH], 8 * rows
    u_step = 8 if single else 16
    u, action = given[layout.U] + sample * u_step, given[layout.ACTION] + sample * u_step
    A, c = given[layout.A] + sample * A_step, given[layout.C] + sample * c_step
    low, high = given[layout.LOW] + sample * box_step, given[layout.HIGH] + sample * box_step
    status, faces = bytes_(given[layout.STATUS], 1), integers(given[layout.FACES], 1)
    signs = lanes_of(1.0, 1.0, -1.0, -1.0)
    box = join(low, high) * signs
    count, stop = 0, given[layout.STOP]
    while sample < stop and count < LIST_LENGTH:
        point = join_singles(u, u) if single else join(u, u)
        if own_box:
            box = join(low, high) * signs
            low += box_step
            high += box_step
        inside = point * signs >= box
        holds = planar_rows_hold(point, inside, A, A_row, c, rows)
        if single:
            store_pair_of_singles(action, point)
        else:
            store_pair(action, point)
        status[sample] = INACTIVE
        faces[sample] = NO_FACES
        if not holds:
            broken[count] = sample
            count += 1
        u += u_step
        action += u_step
        A += A_step
        c += c_step
        sample += 1
    found[0] = count
    return sample
