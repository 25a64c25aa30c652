"""Stops a training before it learns from something that is no number."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.barrier_ppo.buffers import BarrierRolloutBuffer
from sb3_barriernet.errors import DivergedError, InvalidRowsError
from sb3_barriernet.projection import Status


def refuse_invalid(status: np.ndarray, observation: dict[str, np.ndarray]) -> None:
    """Training on NaN would destroy the weights, so it stops with a name; ``predict`` flags and goes on."""
    if status.max() < Status.INVALID:
        return
    env_index = int(status.argmax())
    bad_keys = [key for key, value in observation.items() if not np.isfinite(value[env_index]).all()]
    cause = f"its observation holds NaN or infinity under {bad_keys}" if bad_keys else "the policy's output is NaN"
    raise InvalidRowsError(
        f"No action could be projected in environment {env_index}: {cause}. Check the environment's state and "
        "barrier; if the output itself is NaN, training diverged: lower the learning rate or scale the rewards."
    )


def refuse_diverged(rollout_buffer: BarrierRolloutBuffer) -> None:
    """One number that is none, in a reward or an observation, would make every weight NaN."""
    learned_from = {"advantage": rollout_buffer.advantages, **rollout_buffer.observations}
    bad = {name: ~np.isfinite(values) for name, values in learned_from.items() if not np.isfinite(values).all()}
    if not bad:
        return
    env_index = min(int(np.nonzero(where)[1][0]) for where in bad.values())
    seen = [name for name in bad if name != "advantage"]
    if seen:
        cause = f"its observation holds NaN or infinity under {seen}"
    elif not np.isfinite(rollout_buffer.rewards[:, env_index]).all():
        cause = "a reward, or the observation at the end of an episode, is NaN or infinite"
    else:
        cause = "a value is NaN or infinite, or the last observation"
    raise DivergedError(
        f"Nothing could be learned from the rollout of environment {env_index}: {cause}. The weights are as they were. "
        "Check the environment's reward and observation; if values alone are infinite, training diverged: lower the "
        "learning rate or scale the rewards."
    )
