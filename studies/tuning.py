"""For the RL Zoo's tuner: the baselines are tried as BarrierPPO is, in the same ranges and with the same rows in view.

Upstream's own samplers would take from the policy what it is told about the rows. That for PPO would also collect up to
262,144 steps before the first update of 64 environments, ten times as many as a trial has, and those for SAC and TQC
would draw how many updates a trial makes for its steps, from a tenth to ten times as many.
"""

from __future__ import annotations

from typing import Any

import optuna
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER

from sb3_barriernet.barrier_ppo.extractor import BarrierExtractor
from sb3_barriernet.zoo.sampler import NET_ARCHS, convert_barrierppo_params, sample_barrierppo_params

ROWS = {"row_encoding": "sorted"}
"""``policy_kwargs`` of the pursuit tasks in hyperparams/ppo.yml; the tuner replaces ``policy_kwargs`` as a whole."""

OFF_POLICY_ROWS = {"features_extractor_class": BarrierExtractor, "features_extractor_kwargs": ROWS}
"""The same of hyperparams/sac.yml and hyperparams/tqc.yml."""


def sample_ppo_params(
    trial: optuna.Trial, n_actions: int, n_envs: int, additional_args: dict[str, Any]
) -> dict[str, Any]:
    """Like BarrierPPO's sampler, for a policy that sees sorted rows."""
    drawn = sample_barrierppo_params(trial, n_actions, n_envs, additional_args)
    return {**drawn, "policy_kwargs": {**drawn["policy_kwargs"], **ROWS}}


def sample_off_policy_params(
    trial: optuna.Trial, n_actions: int, n_envs: int, additional_args: dict[str, Any]
) -> dict[str, Any]:
    """What SAC and TQC share; learning rate, discount and network in the ranges of BarrierPPO's sampler."""
    drawn = {
        "batch_size_pow": trial.suggest_int("batch_size_pow", 7, 9),
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 0.002, 0.05, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 3e-3, log=True),
        "tau": trial.suggest_float("tau", 0.002, 0.05, log=True),
        "net_arch": trial.suggest_categorical("net_arch", list(NET_ARCHS)),
    }
    keywords = convert_off_policy_params(drawn)
    return {**keywords, "policy_kwargs": {**keywords["policy_kwargs"], **OFF_POLICY_ROWS}}


def sample_tqc_params(
    trial: optuna.Trial, n_actions: int, n_envs: int, additional_args: dict[str, Any]
) -> dict[str, Any]:
    """And how pessimistic TQC's critics are."""
    drawn = sample_off_policy_params(trial, n_actions, n_envs, additional_args)
    name = "top_quantiles_to_drop_per_net"
    return {**drawn, name: trial.suggest_int(name, 0, 5)}


def convert_off_policy_params(sampled_params: dict[str, Any]) -> dict[str, Any]:
    """Translate a trial's raw parameters into keywords of SAC or TQC."""
    drawn = dict(sampled_params)
    return {
        "batch_size": 2 ** drawn.pop("batch_size_pow"),
        "gamma": 1.0 - drawn.pop("one_minus_gamma"),
        "policy_kwargs": {"net_arch": NET_ARCHS[drawn.pop("net_arch")]},
        **drawn,
    }


HYPERPARAMS_SAMPLER.update(ppo=sample_ppo_params, sac=sample_off_policy_params, tqc=sample_tqc_params)
HYPERPARAMS_CONVERTER.update(
    ppo=convert_barrierppo_params, sac=convert_off_policy_params, tqc=convert_off_policy_params
)
