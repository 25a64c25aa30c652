"""A trained model as SB3's own PPO, without the filter."""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy

from sb3_barriernet.barrier_ppo.barrier_ppo import BarrierPPO
from sb3_barriernet.barrier_ppo.extractor import BarrierExtractor, task_observation_space
from sb3_barriernet.barrier_ppo.nominal_policy import NominalActorCriticPolicy
from sb3_barriernet.barrier_ppo.policies import BarrierActorCriticPolicy


def without_filter(model: BarrierPPO) -> PPO:
    """A PPO that executes what the model proposes: nothing keeps it safe but what it has learned.

    A network that does not see the rows (``observe_rows=False``) becomes all SB3: it takes the task's own observation
    and is loaded by ``PPO.load`` without this package. One that sees them stays a
    :class:`~sb3_barriernet.NominalActorCriticPolicy` on observations that carry rows. Learned gains have nothing to
    scale and stay behind.

    :param model: a trained model, best a :func:`~sb3_barriernet.distill`-ed one; it is not changed
    """
    weights = {name: value for name, value in model.policy.state_dict().items() if not name.startswith("gain_head.")}
    if model.observe_rows:
        ppo = _ppo(model, NominalActorCriticPolicy, model.policy.observation_space, row_encoding=model.row_encoding)
    else:
        ppo = _ppo(model, ActorCriticPolicy, _task_space(model.policy))
        weights = _in_action_units(weights, model.policy.action_middle, model.policy.action_half_range)
    ppo.policy.load_state_dict(weights)
    return ppo


def _ppo(model: BarrierPPO, policy: type[ActorCriticPolicy], observation_space: spaces.Space, **settings: Any) -> PPO:
    settings = {
        **model.policy_kwargs,
        "features_extractor_class": model.policy.features_extractor_class,
        "features_extractor_kwargs": model.policy.features_extractor_kwargs,
        **settings,
    }
    # SB3 makes models without an environment too, when it loads them, and declares it no better.
    ppo = PPO(policy, None, policy_kwargs=settings, device=model.device, _init_setup_model=False)  # type: ignore[arg-type]
    ppo.observation_space, ppo.action_space, ppo.n_envs = observation_space, model.action_space, model.n_envs
    ppo._setup_model()
    return ppo


def _task_space(policy: BarrierActorCriticPolicy) -> spaces.Space:
    """The task's own observation space: what the policy's extractor takes beside the rows."""
    task, extractor = task_observation_space(policy.observation_space), policy.features_extractor
    assert isinstance(extractor, BarrierExtractor)
    return task if extractor.task_key is None else task[extractor.task_key]


def _in_action_units(weights: dict[str, th.Tensor], middle: th.Tensor, half_range: th.Tensor) -> dict[str, th.Tensor]:
    """Weights under SB3's names, with the scale of the actions folded into the last layer."""
    stock = {name.replace("features_extractor.task.", "features_extractor."): value for name, value in weights.items()}
    stock["action_net.weight"] = half_range[:, None] * weights["action_net.weight"]
    stock["action_net.bias"] = middle + half_range * weights["action_net.bias"]
    return stock
