"""Nominal actions that lie far from their projection come closer, so that rounding hides no contradiction."""

from __future__ import annotations

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.sample import clip_one

FAR = 16.0
"""Coming from farther away than this many times the size of the constraints leaves rounding that counts."""

APPROACHES = 30
"""Times that a nominal action comes closer, by a factor of 1e12 or so; once nearly always, 25 times from 1e300."""

LEAST = 1e-9
"""Solutions this many times smaller than the largest offset on the way count as 0, to which nothing is relative."""


@kernel
def come_closer(table, root, local, constraints, skewed):
    """Bring a nominal action closer to the solution, if the way from where the solver started was long: from the clip,
    which is far away in wide boxes only, or in a skewed metric from the nominal action itself.

    Every point between the two has the same projection. Seen from nearby, it has all its digits, and contradictions
    are no longer smaller than what rounding could have caused.

    :return: whether it was that far; if not, nothing has changed
    """
    dim = local.width
    way, size = 0.0, 0.0
    for i in range(dim):
        start, end = 0.0, 0.0
        for j in range(i, dim):
            start += root[j, i] * (local[0, j] if skewed else min(max(local[0, j], local[1, j]), local[2, j]))
            end += root[j, i] * local[3, j]
        way, size = max(way, abs(start)), max(size, abs(end))
    if not way > 2.0 * FAR * size:
        return False
    largest = 0.0
    for i in range(constraints):
        if table[i, dim + 3] > 0.0 and abs(table[i, dim]) <= way:
            largest = max(largest, abs(table[i, dim]))
    size = max(size, LEAST * largest)
    if largest == 0.0 or not way > 2.0 * FAR * size:  # a cone has no size
        return False
    share = 1.0
    while share * way > FAR * size:  # a power of two, which ties survive
        share *= 0.5
    for j in range(dim):
        local[0, j] = local[3, j] + share * (local[0, j] - local[3, j])
        clip_one(local, j)
    return True
