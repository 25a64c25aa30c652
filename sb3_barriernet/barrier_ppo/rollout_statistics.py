"""What the filter did during one rollout, for the logger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from sb3_barriernet.barrier_ppo.buffers import BarrierRolloutBuffer
from sb3_barriernet.projection import Status
from sb3_barriernet.rows import BARRIER_KEY


@dataclass(frozen=True)
class RolloutStatistics:
    """Rates are shares of all steps of the rollout.

    :param intervention_rate: steps whose action a row changed; a clip to the action box is none
    :param box_clip_rate: steps whose nominal action left the action box
    :param infeasible_rate: steps at which no action satisfied all rows
    :param correction_norm: mean of ``|(u_safe - clip(u_nom)) / half_range|``
    :param squared_correction: mean of its square
    :param barrier_min: smallest restoring term ``alpha psi`` of all rows that are not padding, in the rows' units;
        ``inf`` if all are. Barriers that publish ``max(h, 0)`` never show a negative one.
    """

    intervention_rate: float
    box_clip_rate: float
    infeasible_rate: float
    correction_norm: float
    squared_correction: float
    barrier_min: float


def summarise(buffer: BarrierRolloutBuffer, action_space: spaces.Box) -> RolloutStatistics:
    """Statistics of a full buffer that no minibatch was drawn from yet."""
    low, high = action_space.low, action_space.high
    nominal = buffer.nominal_actions
    clipped = np.clip(nominal, low, high)
    squared = squared_correction(nominal, buffer.safe_actions, action_space)
    return RolloutStatistics(
        intervention_rate=float(np.mean(buffer.status >= Status.ACTIVE)),
        box_clip_rate=float(np.mean((clipped != nominal).any(axis=-1))),
        infeasible_rate=float(np.mean(buffer.status == Status.INFEASIBLE)),
        correction_norm=float(np.sqrt(squared).mean()),
        squared_correction=float(squared.mean()),
        barrier_min=_smallest_restoring(buffer.observations[BARRIER_KEY]),
    )


def squared_correction(nominal: np.ndarray, safe: np.ndarray, action_space: spaces.Box) -> np.ndarray:
    """``|(u_safe - clip(u_nom)) / half_range|^2`` of actions ``(..., M)``; a clip to the box is no correction."""
    low, high = action_space.low, action_space.high
    correction = (safe - np.clip(nominal, low, high)) * (2.0 / (high - low))
    return np.square(correction).sum(axis=-1)


def _smallest_restoring(rows: np.ndarray) -> float:
    used = rows[..., :-2].any(axis=-1)
    return float(np.min(rows[..., -1], where=used, initial=np.inf))
