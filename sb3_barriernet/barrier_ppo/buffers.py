"""The rollout buffer that keeps what the policy proposed beside what was done."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.buffers import DictRolloutBuffer

from sb3_barriernet.projection import Projection


class BarrierRolloutBuffer(DictRolloutBuffer):
    """SB3's dictionary buffer, whose ``actions`` are the nominal ones, with the projection's outcome.

    The update reads ``actions`` alone: the projection belongs to the environment side of PPO.

    * ``actions``: ``u_nom`` as sampled, unclipped, ``(n_steps, n_envs, M)``
    * ``safe_actions``: ``u_safe``, what the environment received, same shape
    * ``status``: :class:`~sb3_barriernet.projection.Status` per step, ``(n_steps, n_envs)``
    """

    safe_actions: np.ndarray
    status: np.ndarray

    def reset(self) -> None:
        super().reset()
        self.safe_actions = np.zeros_like(self.actions)
        self.status = np.zeros((self.buffer_size, self.n_envs), dtype=np.uint8)

    def add(self, *args: Any, projection: Projection | None = None, **kwargs: Any) -> None:
        """Store one step of all environments.

        :param args: as ``DictRolloutBuffer.add``; ``action`` is ``u_nom``
        :param projection: outcome of projecting it
        """
        assert projection is not None, "BarrierRolloutBuffer.add needs the projection of the action"
        self.safe_actions[self.pos] = projection.action.cpu().numpy().reshape(self.n_envs, self.action_dim)
        self.status[self.pos] = projection.status.cpu().numpy()
        super().add(*args, **kwargs)
