"""One action: every row is a bound, so the solution is a clip to an interval."""

from __future__ import annotations

from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.sample import LARGEST
from sb3_barriernet.projection.kernels.views import reals


@kernel
def solve_interval(local, A, A_row, c, rows, found):
    """Write the action into ``local`` and its face into ``found``; the number of faces, -1 if undecided.

    Rows without a coefficient, quotients that overflow and empty intervals are left to the general solver.
    """
    low = local[1, 0]
    high = local[2, 0]
    low_face = rows
    high_face = rows + 1
    for k in range(rows):
        a = reals(A, 1)[k * A_row]
        bound = -reals(c, 1)[k] / a
        if not abs(bound) <= LARGEST:
            return -1
        if a > 0.0 and bound > low:
            low = bound
            low_face = k
        elif a < 0.0 and bound < high:
            high = bound
            high_face = k
    if low > high:
        return -1
    u = local[0, 0]
    local[3, 0] = min(max(u, low), high)
    found[0] = low_face if u < low else high_face
    return 1 if u < low or u > high else 0
