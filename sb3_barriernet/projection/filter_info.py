"""What a filter inside an environment says about a step, in ``info``."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.projection.status import Status
from sb3_barriernet.rows import EXTRA_COLUMNS

SAFE_ACTION = "safe_action"
"""``(M,)``, what was executed, action units"""
STATUS = "filter_status"
"""an int, a :class:`~sb3_barriernet.projection.Status`"""
INTERVENTION = "intervention"
"""whether a row changed the action"""
CORRECTION = "correction"
"""``|(u_safe - clip(u_nom)) / half_range|``"""
BARRIER_MIN = "barrier_min"
"""smallest restoring term of the rows in use, ``inf`` without any"""


def filter_info(
    nominal: np.ndarray, safe: np.ndarray, status: int, rows: np.ndarray, action_space: spaces.Box
) -> dict[str, Any]:
    """The entries of one step.

    :param nominal: ``(M,)``, what the agent proposed
    :param safe: ``(M,)``, what was executed
    :param status: of the projection
    :param rows: ``(K, M + 2)``, those it was projected onto
    :param action_space: the box
    """
    low, high = action_space.low, action_space.high
    change = (safe - np.clip(nominal, low, high)) * (2.0 / (high - low))
    used = rows[:, :-EXTRA_COLUMNS].any(axis=1)
    return {
        SAFE_ACTION: safe,
        STATUS: status,
        INTERVENTION: status >= Status.ACTIVE,
        CORRECTION: float(np.linalg.norm(change)),
        BARRIER_MIN: float(np.min(rows[:, -1], where=used, initial=np.inf)),
    }


def refuse_unfiltered(infos: list[dict[str, Any]]) -> None:
    """Refuse to go on with an environment that filters nothing.

    :raises ConfigurationError: if one of its infos lacks these entries
    """
    if any(SAFE_ACTION not in info for info in infos):
        raise ConfigurationError(
            f"Found no {SAFE_ACTION!r} in the environment's info, which says what a filter executed. Wrap every "
            "environment before it is vectorised: `env = FilteredEnv(env)`."
        )
