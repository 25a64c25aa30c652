"""What the tasks of the literature share: an episode of so many steps, judged by geometry at every one."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np


class LiteratureTask(gym.Env):
    """Counts steps and violations, and reports both in ``info``.

    ``info["clearance"]`` is the distance of the state from a violation, ``info["violation"]`` whether it is negative,
    ``info["violation_steps"]`` how often it was in this episode; tasks with a goal add ``info["is_success"]``.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  (Gymnasium declares it so)
    max_steps: ClassVar[int]
    steps = 0
    violation_steps = 0

    def clearance(self) -> float:
        """How far the state is from a violation, negative in one."""
        raise NotImplementedError

    def observation(self) -> np.ndarray:
        """What the agent sees of the state."""
        raise NotImplementedError

    def reached_goal(self) -> bool | None:
        """Whether the state is a goal, which ends the episode; None for a task without one."""
        return None

    def begin(self) -> tuple[np.ndarray, dict[str, Any]]:
        """What ``reset`` returns, once the state is set."""
        self.steps = self.violation_steps = 0
        return self.observation(), self._info()

    def finish(self, reward: float) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """What ``step`` returns, once the state has moved on."""
        self.steps += 1
        self.violation_steps += self.clearance() < 0.0
        return self.observation(), reward, bool(self.reached_goal()), self.steps >= self.max_steps, self._info()

    def _info(self) -> dict[str, Any]:
        clearance, reached = self.clearance(), self.reached_goal()
        goal = {} if reached is None else {"is_success": reached}
        return {
            "clearance": clearance,
            "violation": clearance < 0.0,
            "violation_steps": self.violation_steps,
            **goal,
        }
