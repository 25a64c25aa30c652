"""Violations, counted from the environment's own state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from sb3_barriernet.errors import ConfigurationError


class ViolationCounter(gym.Wrapper):
    """Counts the steps that end in a violation, and reports them in ``info``.

    Adds ``info["clearance"]`` and ``info["violation"]``, which logs (``rollout/violation_rate``) and
    :class:`~sb3_barriernet.evaluation.TrainingRecorder` read, also from worker processes.

    :param env: the environment, with or without rows
    :param clearance: how far the *unwrapped* environment is from a violation, negative in one. Write it from the
        task's geometry; a metric that reuses the barrier judges nothing.
    :raises ConfigurationError: at a step, if the clearance is not one number
    """

    def __init__(self, env: gym.Env, clearance: Callable[[gym.Env], float]):
        super().__init__(env)
        self.clearance = clearance
        self.steps = 0
        self.violations = 0

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        clearance = measured(self.clearance, self)
        violation = not clearance >= 0.0
        self.steps += 1
        self.violations += violation
        info = {**info, "clearance": clearance, "violation": violation}
        return observation, reward, terminated, truncated, info


def measured(clearance: Callable[[gym.Env], float], env: gym.Env) -> float:
    """The clearance of the *unwrapped* environment.

    :raises ConfigurationError: unless it is one number; of a truth value no violation would ever be counted
    """
    value = clearance(env.unwrapped)
    if isinstance(value, bool | np.bool_) or np.ndim(value) != 0:
        raise ConfigurationError(
            f"Found that the clearance returns {value!r}; expected one number, how far the state is from a violation, "
            "negative in one. True and False are both >= 0. Write, say, `lambda env: 1.0 - abs(env.x)`, of several "
            "limits the `min`."
        )
    return float(value)
