"""Violations, counted from the environment's own state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym


class ViolationCounter(gym.Wrapper):
    """Counts the steps that end in a violation, and reports them in ``info``.

    Adds ``info["clearance"]`` and ``info["violation"]``, which logs (``rollout/violation_rate``) and
    :class:`~sb3_barriernet.evaluation.TrainingRecorder` read, also from worker processes.

    :param env: the environment, with or without rows
    :param clearance: how far the *unwrapped* environment is from a violation, negative in one. Write it from the
        task's geometry; a metric that reuses the barrier judges nothing.
    """

    def __init__(self, env: gym.Env, clearance: Callable[[gym.Env], float]):
        super().__init__(env)
        self.clearance = clearance
        self.steps = 0
        self.violations = 0

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        clearance = float(self.clearance(self.unwrapped))
        violation = not clearance >= 0.0
        self.steps += 1
        self.violations += violation
        info = {**info, "clearance": clearance, "violation": violation}
        return observation, reward, terminated, truncated, info
