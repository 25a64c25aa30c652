"""What being corrected costs the algorithm."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from gymnasium import spaces

from sb3_barriernet.barrier_ppo.rollout_statistics import squared_correction
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.projection import Status

CorrectionCost = Literal["squared", "constant"]
"""By the size of the correction, or the same for each."""


def cost_of_corrections(
    kind: CorrectionCost, nominal: np.ndarray, safe: np.ndarray, status: np.ndarray, action_space: spaces.Box
) -> np.ndarray:
    """Cost ``(...,)`` of turning actions ``nominal (..., M)`` into ``safe (..., M)``.

    :param kind: ``"squared"``: ``|(u_safe - clip(u_nom)) / half_range|^2``; ``"constant"``: 1 wherever a row changed
        the action
    :param status: :class:`~sb3_barriernet.projection.Status` of each, ``(...,)``
    """
    if kind == "constant":
        return (status >= Status.ACTIVE).astype(np.float64)
    return squared_correction(nominal, safe, action_space)


def check_correction_cost(kind: str) -> None:
    """Refuse costs that do not exist.

    :raises ConfigurationError: unless it is a :data:`CorrectionCost`
    """
    if kind not in get_args(CorrectionCost):
        raise ConfigurationError(
            f"Found correction_cost={kind!r}; expected one of {get_args(CorrectionCost)}. 'squared' forgives small "
            "corrections."
        )
