"""Small trainings that can be cut off, and what it means that two of them are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecNormalize

from examples import reacher
from sb3_barriernet import BarrierPPO, NominalActorCriticPolicy, PursuitEvasionBarrier
from sb3_barriernet.envs import share_simulation
from tests.toys import walled_point

ROLLOUTS = 4
SETTINGS = dict(n_steps=16, batch_size=16, n_epochs=2, seed=0, device="cpu", policy_kwargs=dict(net_arch=[8]))


def pursuit() -> PPO:
    """As the Zoo trains it: one simulation, normalised rewards, schedules."""
    env = make_vec_env("PursuitEvasion-v0", 3, seed=0, wrapper_class=PursuitEvasionBarrier)
    env = VecNormalize(share_simulation(env), norm_obs=False)
    schedules = dict(learning_rate=LinearSchedule(1e-3, 0.0, 1.0), correction_coef="lin_1.0")
    return BarrierPPO("MlpPolicy", env, **SETTINGS, **schedules)


def normalized() -> PPO:
    env = VecNormalize(make_vec_env(walled_point, 2, seed=0), norm_obs_keys=["observation"])
    return BarrierPPO("MlpPolicy", env, **SETTINGS, correction_loss_coef=0.1)


def gains() -> PPO:
    return BarrierPPO("MlpPolicy", make_vec_env(walled_point, 2, seed=0), **SETTINGS, learn_gains=True)


def one_environment() -> PPO:
    return BarrierPPO("MlpPolicy", walled_point(), **SETTINGS, row_encoding="pooled")


def plain_ppo() -> PPO:
    return PPO(NominalActorCriticPolicy, make_vec_env(walled_point, 2, seed=0), **SETTINGS)


def mujoco() -> PPO:
    """Its environments are EzPickle: pickled as usual they begin anew."""
    return BarrierPPO("MlpPolicy", make_vec_env(safe_reacher, 2, seed=0), **SETTINGS)


def safe_reacher() -> gym.Env:
    return reacher.make_safe(reacher.make_env())


TRAININGS: dict[str, Callable[[], PPO]] = {
    function.__name__: function for function in (pursuit, normalized, gains, one_environment, plain_ppo, mujoco)
}


class InterruptedTrainingError(Exception):
    """What a kill is to a test in the same process."""


class InterruptAfter(BaseCallback):
    """Ends the training by an exception at a step of the environment."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def _on_step(self) -> bool:
        if self.n_calls == self.steps:
            raise InterruptedTrainingError
        return True


def total(model: PPO) -> int:
    return ROLLOUTS * model.n_steps * model.n_envs


def what_was_learned(model: PPO) -> dict[str, Any]:
    """Everything that two equal trainings have in common, bit by bit."""
    found = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    for index, state in model.policy.optimizer.state_dict()["state"].items():
        found |= {f"optimizer {index} {name}": value.clone() for name, value in state.items()}
    vec_normalize = model.get_vec_normalize_env()
    if vec_normalize is not None:
        found["return statistics"] = th.as_tensor([vec_normalize.ret_rms.mean, vec_normalize.ret_rms.var])
    found["episodes"] = th.as_tensor([[episode["r"], episode["l"]] for episode in model.ep_info_buffer])
    found["last observation"] = th.as_tensor(np.concatenate([v.ravel() for v in model._last_obs.values()]))
    found["counts"] = th.as_tensor([model.num_timesteps, model._n_updates])
    return found


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names under which two trainings differ."""
    assert one.keys() == other.keys()
    return [name for name in one if not th.equal(one[name], other[name])]
