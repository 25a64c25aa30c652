"""What became of a sample, written where the caller wants it."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels import layout
from sb3_barriernet.projection.kernels.compiling import kernel
from sb3_barriernet.projection.kernels.layout import PENDING
from sb3_barriernet.projection.kernels.sample import load_backup, store_action, store_faces, write
from sb3_barriernet.projection.kernels.views import bytes_, reals, shorts
from sb3_barriernet.projection.status import Status

INACTIVE = int(Status.INACTIVE)
ACTIVE = int(Status.ACTIVE)
INVALID = int(Status.INVALID)


@kernel
def store_outcome(given, sample, local, verdict, found, count):
    """Write status, action and the ``count`` active faces of a sample; 1 if it still is to be solved, else 0.

    An invalid sample gets its backup action.
    """
    dim, single = local.width, given[layout.SINGLE] == 1
    bytes_(given[layout.STATUS], 1)[sample] = verdict
    if verdict == PENDING:
        return 1
    if verdict == INVALID:
        count = 0
        reals(given[layout.SLACK], 1)[sample] = np.inf
        backup = given[layout.BACKUP]
        load_backup(local, backup + 8 * sample * given[layout.BACKUP_BATCH] if backup != 0 else 0)
    store_action(local, given[layout.ACTION] + sample * (4 if single else 8) * dim, single)
    faces = shorts(given[layout.FACES], dim + 2)
    store_faces(faces, sample, -1 if verdict == INVALID else 0, found, count)
    return 0


@kernel
def store_nominal(given, sample, point, found):
    """Write the outcome of a sample to which nothing is done, given its nominal action and a list of no faces."""
    dim, single = point.width, given[layout.SINGLE] == 1
    bytes_(given[layout.STATUS], 1)[sample] = INACTIVE
    action = given[layout.ACTION] + sample * (4 if single else 8) * dim
    for j in range(dim):
        write(action, j, single, point[j])
    store_faces(shorts(given[layout.FACES], dim + 2), sample, 0, found, 0)
