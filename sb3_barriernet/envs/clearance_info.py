"""The truth about safety in ``info``, for environments that do not report it themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym


class ClearanceInfo(gym.Wrapper):
    """Adds ``info["clearance"]`` and ``info["violation"]`` to every step, read from the environment's own state.

    Training records, evaluations and attacks count what is written there. Put it *below*
    :class:`~sb3_barriernet.BarrierObservation`.

    :param env: the environment
    :param clearance: how far the *unwrapped* environment is from a violation, negative in one; write it from the
        task's geometry, because a metric that reuses the barrier judges nothing
    """

    def __init__(self, env: gym.Env, clearance: Callable[[Any], float]):
        super().__init__(env)
        self.clearance = clearance

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        clearance = float(self.clearance(self.env.unwrapped))
        truth = {"clearance": clearance, "violation": not clearance >= 0.0}  # NaN is a violation too
        return observation, reward, terminated, truncated, {**info, **truth}
