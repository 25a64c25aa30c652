"""What happened to a sample."""

from __future__ import annotations

import enum


class Status(enum.IntEnum):
    """Outcome of one sample."""

    INACTIVE = 0
    """Every row already holds at the box projection of ``u_nom``. A clip to the box alone is no intervention."""
    ACTIVE = 1
    """At least one row changed the action; every row holds."""
    INFEASIBLE = 2
    """No action in the box satisfies every row. The action breaks the rows as little as possible."""
    INVALID = 3
    """NaN or infinity in this sample, an empty box, or numbers so far apart that rounding leaves no solution that can
    be told from a wrong one. The action is the backup action."""
