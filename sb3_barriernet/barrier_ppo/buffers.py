"""The rollout buffer that keeps what the policy proposed beside what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.preprocessing import get_action_dim

from sb3_barriernet.barrier_ppo.extractor import ROW_FEATURES_KEY
from sb3_barriernet.projection import Projection
from sb3_barriernet.rows import BARRIER_KEY


class BarrierRolloutBuffer(DictRolloutBuffer):
    """SB3's dictionary buffer, whose ``actions`` are the nominal ones, with the projection's outcome.

    The update reads ``actions`` alone: the projection belongs to the environment side of PPO.

    * ``actions``: decisions as sampled, unclipped, ``(n_steps, n_envs, M + G)``: ``u_nom``, then ``log kappa`` of
      every gain that is learned
    * ``safe_actions``: ``u_safe``, what the environment received, ``(n_steps, n_envs, M)``
    * ``status``: :class:`~sb3_barriernet.projection.Status` per step, ``(n_steps, n_envs)``

    :param num_gains: ``G``
    :param args: as SB3's ``DictRolloutBuffer``, like ``kwargs``
    """

    safe_actions: np.ndarray
    status: np.ndarray

    def __init__(self, *args: Any, num_gains: int = 0, **kwargs: Any):
        self.num_gains = num_gains
        super().__init__(*args, **kwargs)

    def look_at_rows(self, features: Callable[[th.Tensor], th.Tensor]) -> None:
        """Compute once for all epochs of an update what the network sees of the rows.

        :param features: of rows ``(B, K, M + 2)``, without parameters
        """
        if ROW_FEATURES_KEY not in self.observations:
            rows = self.observations[BARRIER_KEY]
            seen = features(self.to_torch(rows.reshape(-1, *rows.shape[-2:])).float())
            self.observations[ROW_FEATURES_KEY] = seen.cpu().numpy().reshape(*rows.shape[:-2], -1)

    def to_torch(self, array: np.ndarray, copy: bool = True) -> th.Tensor:
        """Without SB3's copy: minibatches are copies already."""
        return super().to_torch(array, copy=False)

    @property
    def nominal_actions(self) -> np.ndarray:
        """``u_nom`` alone, ``(..., M)``."""
        return self.actions[..., : self.action_dim - self.num_gains]

    @property
    def log_kappa(self) -> np.ndarray:
        """``log kappa`` alone, as sampled, ``(..., G)``."""
        return self.actions[..., self.action_dim - self.num_gains :]

    def reset(self) -> None:
        self.action_dim = get_action_dim(self.action_space) + self.num_gains
        super().reset()
        self.safe_actions = np.zeros_like(self.nominal_actions)
        self.status = np.zeros((self.buffer_size, self.n_envs), dtype=np.uint8)

    def add(self, *args: Any, projection: Projection | None = None, **kwargs: Any) -> None:
        """Store one step of all environments.

        :param args: as ``DictRolloutBuffer.add``; ``action`` is the decision
        :param projection: outcome of projecting it
        """
        assert projection is not None, "BarrierRolloutBuffer.add needs the projection of the action"
        self.safe_actions[self.pos] = projection.action.cpu().numpy().reshape(self.n_envs, -1)
        self.status[self.pos] = projection.status.cpu().numpy()
        super().add(*args, **kwargs)
