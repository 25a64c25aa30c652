"""One sample's actions and box, copied next to each other; and the action written back."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.memory import load32, load64, store32, store64

LOCAL_ROWS = 5
"""Rows of ``local``: nominal action, lower and upper bounds, the action to be returned (at first the clip), and
the magnitude that each action may have, which rounding errors are relative to."""

LARGEST = np.finfo(np.float64).max


@kernel
def load_sample(local, u, single, low, high):
    """Fill ``local`` from the addresses of one sample; False where a number or the box is invalid."""
    valid = True
    dim = local.shape[1]
    for j in range(dim):
        value = load32(u, j) if single else load64(u, j)
        below = load64(low, j)
        above = load64(high, j)
        valid &= (below <= above) & (abs(value) <= LARGEST) & (below <= LARGEST) & (above >= -LARGEST)
        local[0, j] = value
        local[1, j] = below
        local[2, j] = above
        point = min(max(value, below), above)
        local[3, j] = point
        size = abs(point)
        size = max(size, -below if below >= -LARGEST else 0.0)
        local[4, j] = max(size, above if above <= LARGEST else 0.0)
    return valid


@kernel
def load_backup(local, backup, has_backup):
    """The backup action, or 0, clipped to those bounds that are numbers."""
    for j in range(local.shape[1]):
        value = load64(backup, j) if has_backup else 0.0
        if value < local[1, j] and local[1, j] <= LARGEST:
            value = local[1, j]
        if value > local[2, j] and local[2, j] >= -LARGEST:
            value = local[2, j]
        local[3, j] = value


@kernel
def store_action(local, action, single):
    """Write the action, which lies in the box, so that it still does after rounding to float32."""
    for j in range(local.shape[1]):
        value = local[3, j]
        if not single:
            store64(action, j, value)
            continue
        rounded = np.float32(value)
        if rounded < local[1, j]:
            rounded = np.nextafter(rounded, np.float32(np.inf))
        elif rounded > local[2, j]:
            rounded = np.nextafter(rounded, np.float32(-np.inf))
        store32(action, j, rounded)
