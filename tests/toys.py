"""Small environments whose right behaviour is obvious."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.rows import padding_rows


class DriftingPoint(gym.Env):
    """A point in the plane, moved by ``u`` in ``[-1, 1]^2``; rewarded for moving in +x; episodes of 20 steps.

    ``received`` lists every action that reached the environment.
    """

    metadata: ClassVar = {"render_modes": []}

    def __init__(self, episode_length: int = 20):
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), dtype=np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), dtype=np.float32)
        self.episode_length = episode_length
        self.received: list[np.ndarray] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.position = self.np_random.uniform(-0.1, 0.1, size=2)
        self.steps = 0
        return self._observation(), {}

    def step(self, action):
        action = np.asarray(action, dtype=np.float64)
        self.received.append(action)
        self.position = self.position + 0.1 * action
        self.steps += 1
        truncated = self.steps >= self.episode_length
        return self._observation(), float(action[0]), False, truncated, {"violation": False}

    def _observation(self):
        return self.position.astype(np.float32)


class Scribbling(DriftingPoint):
    """Writes into the action that it is given."""

    def step(self, action):
        outcome = super().step(action)
        action *= 0.0
        return outcome


class SpeedLimit:
    """The row ``u_x <= limit`` and padding; with an infinite limit nothing but padding."""

    action_dim = 2
    num_rows = 3

    def __init__(self, limit: float = np.inf):
        self.limit = limit

    def rows(self, position: np.ndarray) -> np.ndarray:
        rows = padding_rows(self.num_rows, self.action_dim)
        if np.isfinite(self.limit):
            rows[1] = [-1.0, 0.0, 0.0, self.limit]
        return rows

    def start_values(self, position: np.ndarray) -> np.ndarray:
        return np.ones(1)


class WallAhead:
    """Keeps the drifting point, ``q+ = q + 0.1 u``, at ``q <= 1`` in both coordinates; the third row is padding."""

    action_dim = 2
    num_rows = 3

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha
        self.max_kappa = 1.0 / (0.1 * alpha)

    def rows(self, position: np.ndarray) -> np.ndarray:
        rows = padding_rows(self.num_rows, self.action_dim)
        for i in range(2):
            rows[i] = 0.0
            rows[i, [i, 3]] = -1.0, self.alpha * (1.0 - position[i])
        return rows

    def start_values(self, position: np.ndarray) -> np.ndarray:
        return 1.0 - position


def walled_point(alpha: float = 1.0, **kwargs: Any) -> BarrierObservation:
    """The drifting point behind two walls."""
    return BarrierObservation(DriftingPoint(**kwargs), WallAhead(alpha), read_position)


def read_position(env: gym.Env) -> tuple[np.ndarray]:
    return (env.position,)


def limited_point(limit: float = np.inf, **kwargs: Any) -> BarrierObservation:
    """The drifting point with rows that limit its speed in +x."""
    return BarrierObservation(DriftingPoint(**kwargs), SpeedLimit(limit), read_position)
