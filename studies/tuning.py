"""For the RL Zoo's tuner: the baselines are tried as BarrierPPO is, in the same ranges and with the same rows in view.

Upstream's own sampler for PPO would collect up to 262,144 steps before the first update of 64 environments, ten times
as many as a trial has, and would take from the policy what it is told about the rows.
"""

from __future__ import annotations

from typing import Any

import optuna
from rl_zoo3.hyperparams_opt import HYPERPARAMS_SAMPLER

from sb3_barriernet.zoo.sampler import sample_barrierppo_params

ROWS = {"row_encoding": "sorted"}
"""``policy_kwargs`` of the pursuit tasks in hyperparams/ppo.yml; the tuner replaces ``policy_kwargs`` as a whole."""


def sample_ppo_params(
    trial: optuna.Trial, n_actions: int, n_envs: int, additional_args: dict[str, Any]
) -> dict[str, Any]:
    """Like BarrierPPO's sampler, for a policy that sees sorted rows."""
    drawn = sample_barrierppo_params(trial, n_actions, n_envs, additional_args)
    return {**drawn, "policy_kwargs": {**drawn["policy_kwargs"], **ROWS}}


HYPERPARAMS_SAMPLER["ppo"] = sample_ppo_params
