"""What ``rl_zoo3``'s tuner may try for BarrierPPO.

Upstream's PPO sampler would do most of it, but its rollouts ignore the number of environments
and its learning rates stay constant. The tuner replaces ``policy_kwargs`` wholesale; that is why
every barrier setting is a keyword of BarrierPPO itself, out of its reach unless sampled here.
``action_std`` is not: it is in action units, which a sampler that sees no environment cannot know.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    import optuna

NET_ARCHS = {"small": [64, 64], "medium": [128, 128], "large": [256, 256]}
"""Hidden layers of the policy and of the value network."""

_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}

_SMALLEST_ROLLOUT_POW = 10
_LARGEST_BATCH_POW = 10
_FEWEST_STEPS_POW = 3
_STEPS_POW_SPAN = 4


def sample_barrierppo_params(
    trial: optuna.Trial, n_actions: int, n_envs: int, additional_args: dict[str, Any]
) -> dict[str, Any]:
    """Draw constructor keywords of BarrierPPO; the signature is the one that ``rl_zoo3`` calls.

    A rollout of ``n_steps * n_envs`` transitions never falls below the largest batch, 1024.

    :param trial: the trial that draws
    :param n_actions: dimension of the action space, not used
    :param n_envs: number of parallel environments
    :param additional_args: what off-policy samplers need, not used
    """
    fewest_steps_pow = max(_FEWEST_STEPS_POW, _SMALLEST_ROLLOUT_POW - int(math.log2(n_envs)))
    drawn = {
        "n_steps_pow": trial.suggest_int("n_steps_pow", fewest_steps_pow, fewest_steps_pow + _STEPS_POW_SPAN),
        "batch_size_pow": trial.suggest_int("batch_size_pow", 6, _LARGEST_BATCH_POW),
        "one_minus_gamma": trial.suggest_float("one_minus_gamma", 0.002, 0.05, log=True),
        "one_minus_gae_lambda": trial.suggest_float("one_minus_gae_lambda", 0.01, 0.2, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 3e-3, log=True),
        "lr_schedule": trial.suggest_categorical("lr_schedule", ["linear", "constant"]),
        "ent_coef": trial.suggest_float("ent_coef", 1e-6, 1e-2, log=True),
        "clip_range": trial.suggest_categorical("clip_range", [0.1, 0.2, 0.3]),
        "n_epochs": trial.suggest_categorical("n_epochs", [5, 10, 20]),
        "net_arch": trial.suggest_categorical("net_arch", list(NET_ARCHS)),
        "activation_fn": trial.suggest_categorical("activation_fn", list(_ACTIVATIONS)),
    }
    keywords = convert_barrierppo_params(drawn)
    for name in ("gamma", "gae_lambda", "n_steps", "batch_size"):
        trial.set_user_attr(name, keywords[name])
    return {**keywords, "learning_rate": _schedule(keywords["learning_rate"])}


def convert_barrierppo_params(sampled_params: dict[str, Any]) -> dict[str, Any]:
    """Translate a trial's raw parameters into what a YAML file would say.

    ``rl_zoo3`` calls this for ``--trial-id``, and reads schedules from the result afterwards.

    :param sampled_params: parameters as :func:`sample_barrierppo_params` draws them
    """
    drawn = dict(sampled_params)
    linear = drawn.pop("lr_schedule") == "linear"
    rate = drawn.pop("learning_rate")
    return {
        "learning_rate": f"lin_{rate!r}" if linear else rate,
        "n_steps": 2 ** drawn.pop("n_steps_pow"),
        "batch_size": 2 ** drawn.pop("batch_size_pow"),
        "gamma": 1.0 - drawn.pop("one_minus_gamma"),
        "gae_lambda": 1.0 - drawn.pop("one_minus_gae_lambda"),
        "policy_kwargs": {
            "net_arch": NET_ARCHS[drawn.pop("net_arch")],
            "activation_fn": _ACTIVATIONS[drawn.pop("activation_fn")],
        },
        **drawn,
    }


def _schedule(learning_rate: float | str) -> Any:
    # A tuning run hands the sample straight to the constructor, past rl_zoo3's schedule parser.
    from rl_zoo3.utils import linear_schedule

    if isinstance(learning_rate, str):
        return linear_schedule(learning_rate.removeprefix("lin_"))
    return learning_rate
