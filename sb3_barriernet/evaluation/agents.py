"""What acts in an evaluation: anything with SB3's ``predict``, filtered or not."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_barriernet.barrier_ppo.policies import BarrierActorCriticPolicy
from sb3_barriernet.projection import Projection


class Predictor(Protocol):
    """SB3's prediction interface, offered by every algorithm, by ``SafetyFilter`` and by ``WithoutFilter``."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[np.ndarray, Any]: ...


class WithoutFilter:
    """The nominal action of an agent, clipped to the box and otherwise as proposed.

    Shows how much a policy leans on its filter; never act with it where safety matters.
    """

    def __init__(self, model: BaseAlgorithm):
        self.model = model

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[np.ndarray, Any]:
        policy = self.model.policy
        if not isinstance(policy, BarrierActorCriticPolicy):
            return self.model.predict(observation, state, episode_start, deterministic)
        assert isinstance(policy.action_space, spaces.Box)
        tensors, is_batch = policy.obs_to_tensor(observation)
        with th.no_grad():
            nominal, _ = policy.split(policy.get_distribution(tensors).get_actions(deterministic))
        clipped = np.clip(nominal.cpu().numpy(), policy.action_space.low, policy.action_space.high)
        return (clipped if is_batch else clipped[0]), state


def last_projection(predictor: Predictor) -> tuple[np.ndarray, Projection] | None:
    """Nominal actions and projection of the predictor's last batch; None for an unfiltered one."""
    holder: Any = getattr(predictor, "policy", predictor)
    projection = getattr(holder, "projection", None)
    return None if projection is None else (np.asarray(holder.nominal.cpu()), projection)
