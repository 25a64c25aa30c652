"""Replay buffers that hold what was executed instead of what was proposed."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer

from sb3_barriernet.projection.filter_info import SAFE_ACTION, refuse_unfiltered


class SafeActionReplayBuffer(ReplayBuffer):
    """SB3's ``ReplayBuffer`` with ``u_safe`` as its actions, from the ``info`` of a
    :class:`~sb3_barriernet.FilteredEnv`.

    The critic then learns what executed actions are worth, and nothing about those that the filter never lets pass,
    on which the actor asks it all the same. SB3's own buffer holds ``u_nom``: the critic learns what a proposal is
    worth in the filtered environment, the same for all that the filter maps to one action. Where that is most of them,
    this buffer learns and the other does not (``scripts/replay_study.py``, ten seeds).

    Use: ``SAC("MlpPolicy", env, replay_buffer_class=SafeActionReplayBuffer)``.
    """

    def add(self, obs: Any, next_obs: Any, action: np.ndarray, reward: Any, done: Any, infos: Any) -> None:
        super().add(obs, next_obs, executed(infos, self.action_space), reward, done, infos)


class SafeActionDictReplayBuffer(DictReplayBuffer):
    """:class:`SafeActionReplayBuffer` for dictionary observations, which ``"MultiInputPolicy"`` takes."""

    def add(self, obs: Any, next_obs: Any, action: np.ndarray, reward: Any, done: Any, infos: Any) -> None:
        super().add(obs, next_obs, executed(infos, self.action_space), reward, done, infos)


def executed(infos: list[dict[str, Any]], action_space: spaces.Space) -> np.ndarray:
    """Safe actions of all environments ``(n_envs, M)``, scaled to ``[-1, 1]`` as SB3 stores actions.

    :raises ConfigurationError: if the environment reports none
    """
    assert isinstance(action_space, spaces.Box)
    refuse_unfiltered(infos)
    safe = np.stack([info[SAFE_ACTION] for info in infos])
    return 2.0 * (safe - action_space.low) / (action_space.high - action_space.low) - 1.0
