"""One sample's actions and box, copied next to each other; and what is written back."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.views import reals, singles, words

LOCAL_ROWS = 4
"""Rows of ``local``: nominal action, lower and upper bounds, and the action to be returned, at first the clip."""

LARGEST = np.finfo(np.float64).max
TINY = float(np.finfo(np.float32).smallest_subnormal)


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
def read(address, index, single):
    """A number that is float32 or float64."""
    return np.float64(singles(address, 1)[index]) if single else reals(address, 1)[index]


@kernel
def write(address, index, single, value):
    """Write a number as float32 or float64."""
    if single:
        singles(address, 1)[index] = value
    else:
        reals(address, 1)[index] = value


@kernel
def widen(singles_at, numbers):
    """Copy float32 to float64 ``numbers``, and return those."""
    for j in range(numbers.width):
        numbers[j] = np.float64(singles(singles_at, 1)[j])
    return numbers


@kernel
def load_sample(local, u, single, low, high):
    """Fill ``local`` from the addresses of one sample; False where a number or the box is invalid."""
    valid = True
    for j in range(local.width):
        value = read(u, j, single)
        below = reals(low, 1)[j]
        above = reals(high, 1)[j]
        valid &= (below <= above) & (abs(value) <= LARGEST) & (below <= LARGEST) & (above >= -LARGEST)
        local[0, j] = value
        local[1, j] = below
        local[2, j] = above
        clip_one(local, j)
    return valid


@kernel
def clip_one(local, j):
    """Write one nominal action's clip to ``local``."""
    local[3, j] = min(max(local[0, j], local[1, j]), local[2, j])


@kernel
def clear(address, first, count, size):
    """Set the ``size`` numbers of each of ``count`` samples to 0; the address of the first, or 0 where they have none
    because nobody wants them."""
    if address == 0:
        return 0
    numbers = reals(address + 8 * first * size, 1)
    for i in range(count * size):
        numbers[i] = 0.0
    return numbers.address


@kernel
def pass_on(given, first, count):
    """The gradient for the nominal actions of ``count`` samples is that for their actions."""
    if given[layout.GRAD_U] != 0:
        dim, single = given[layout.DIM], given[layout.SINGLE] == 1
        for i in range(dim * first, dim * (first + count)):
            write(given[layout.GRAD_U], i, single, read(given[layout.GRADIENT], i, single))


@kernel
def load_backup(local, backup):
    """The backup action, or 0 where it has no address, clipped to those bounds that are numbers."""
    for j in range(local.width):
        value = reals(backup, 1)[j] if backup != 0 else 0.0
        if value < local[1, j] and local[1, j] <= LARGEST:
            value = local[1, j]
        if value > local[2, j] and local[2, j] >= -LARGEST:
            value = local[2, j]
        local[3, j] = value


@kernel
def keep_on_bounds(local, rows, found, count):
    """Put the action into the box and, where a bound is a face, exactly on it."""
    dim = local.width
    for j in range(dim):
        local[3, j] = min(max(local[3, j], local[1, j]), local[2, j])
    for i in range(count):
        face = found[i] - rows
        if face >= dim:
            local[3, face - dim] = local[2, face - dim]
        elif face >= 0:
            local[3, face] = local[1, face]


@kernel
def store_action(local, action, single):
    """Write the action, which lies in the box."""
    for j in range(local.width):
        write_within(action, j, single, local[3, j], local[1, j], local[2, j])


@kernel
def write_within(address, index, single, value, low, high):
    """Write a number between two bounds so that it still is after rounding to float32."""
    write(address, index, single, value)
    if single:
        rounded = singles(address, 1)[index]
        if rounded < low:
            move_to_neighbour(address, index, 1)
        elif rounded > high:
            move_to_neighbour(address, index, -1)


@kernel
def move_to_neighbour(address, index, direction):
    """Replace a float32 by the next one up or down: their bits count away from zero, on either side of it."""
    value = singles(address, 1)[index]
    bits = words(address, 1)
    if value == 0.0:
        singles(address, 1)[index] = direction * TINY
    else:
        bits[index] += direction if value > 0.0 else -direction


@kernel
def store_faces(faces, sample, culprits, found, count):
    """Write the active set of one sample: how many contradict each other, then the faces, then -1."""
    faces[sample, 0] = culprits
    for i in range(faces.width - 1):
        faces[sample, i + 1] = found[i] if i < count else -1
