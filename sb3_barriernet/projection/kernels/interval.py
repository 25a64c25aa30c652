"""One action: every row is a bound, so the solution is a clip to an interval."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.memory import coefficient, lower, nominal, offset, upper


@kernel
def solve_interval(problem, sample, point, found):  # type: ignore[no-untyped-def]
    """Write the action into ``point`` and its face into ``found``; the number of faces, -1 if undecided.

    Rows without a coefficient, quotients that overflow and empty intervals are left to the general solver.
    """
    low = lower(problem, sample, 0)
    high = upper(problem, sample, 0)
    low_face = problem.rows
    high_face = problem.rows + 1
    for k in range(problem.rows):
        a = coefficient(problem, sample, k, 0)
        bound = -offset(problem, sample, k) / a
        if not abs(bound) < np.inf:
            return -1
        if a > 0.0 and bound > low:
            low = bound
            low_face = k
        elif a < 0.0 and bound < high:
            high = bound
            high_face = k
    if not low <= high:
        return -1
    u = nominal(problem, sample, 0)
    point[0] = min(max(u, low), high)
    if u < low:
        found[0] = low_face
        return 1
    if u > high:
        found[0] = high_face
        return 1
    return 0
