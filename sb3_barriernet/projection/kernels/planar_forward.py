"""The forward kernel over two actions, the commonest number: look at many samples, then solve the broken ones.

The first look writes every action as if nothing was broken, and lists what is. Four of those at a time go to
:func:`~sb3_barriernet.projection.kernels.planar_group.solve_group`, which finds the memory for their outcome near: it
was asked for when they were listed.
"""

from __future__ import annotations

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.lanes import (
    join,
    join_singles,
    lanes_of,
    prefetch_to_write,
    store_pair,
    store_pair_of_singles,
)
from sb3_barriernet.projection.kernels.layout import CHUNK, LANES
from sb3_barriernet.projection.kernels.planar_group import solve_group
from sb3_barriernet.projection.kernels.screening import planar_rows_hold
from sb3_barriernet.projection.kernels.views import integers


@kernel
def screen_planar(given, scale, scratch):
    """Solve the samples unless they need the general solver; how many do.

    :param given: what :mod:`~sb3_barriernet.projection.kernels.layout` lists
    :param scale: square roots of the diagonal weight, (2,)
    :param scratch: address of working memory
    """
    broken, start, stop = integers(scratch, 1), given[layout.START], given[layout.STOP]
    scratch += 8 * (CHUNK + LANES)
    waiting = pending = 0
    while start < stop:
        end = min(start + CHUNK, stop)
        count = list_broken(given, start, end, broken, waiting)
        i = 0
        while i + LANES <= count or (i < count and end == stop):
            pending += solve_group(given, broken.address + 8 * i, min(count - i, LANES), scale, scratch)
            i += LANES
        waiting = 0
        while i < count:
            broken[waiting] = broken[i]
            waiting += 1
            i += 1
        start = end
    return pending


@kernel
def list_broken(given, sample, stop, broken, count):
    """Write nominal actions as actions, and append to the ``count`` listed samples those where they are not: the others
    lie in the box and break no row, so that their status is ``INACTIVE``, without a face, as the memory says already.

    :return: how many are listed then
    """
    single, rows, A_row = given[layout.SINGLE] == 1, given[layout.ROWS], given[layout.A_ROW]
    box_step, A_step, c_step = 8 * given[layout.BOX_BATCH], 8 * given[layout.A_BATCH], 8 * rows
    u_step = 8 if single else 16
    u, action = given[layout.U] + sample * u_step, given[layout.ACTION] + sample * u_step
    A, c = given[layout.A] + sample * A_step, given[layout.C] + sample * c_step
    low, high = given[layout.LOW] + sample * box_step, given[layout.HIGH] + sample * box_step
    signs = lanes_of(1.0, 1.0, -1.0, -1.0)
    box = join(low, high) * signs
    while sample < stop:
        point = join_singles(u, u) if single else join(u, u)
        if box_step != 0:
            box = join(low, high) * signs
            low += box_step
            high += box_step
        inside = point * signs >= box
        holds = planar_rows_hold(point, inside, A, A_row, c, rows)
        if single:
            store_pair_of_singles(action, point)
        else:
            store_pair(action, point)
        if not holds:
            broken[count] = sample
            count += 1
            prefetch_to_write(given[layout.STATUS] + sample)
            prefetch_to_write(given[layout.FACES] + 8 * sample)
        u += u_step
        action += u_step
        A += A_step
        c += c_step
        sample += 1
    return count
