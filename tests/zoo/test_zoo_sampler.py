"""The tuner's search space."""

from __future__ import annotations

import inspect
from typing import Any

import optuna
import pytest
from rl_zoo3.exp_manager import ExperimentManager
from stable_baselines3 import PPO

from sb3_barriernet.zoo.sampler import convert_barrierppo_params, sample_barrierppo_params

PLAIN_PPO_KEYWORDS = set(inspect.signature(PPO.__init__).parameters)

optuna.logging.set_verbosity(optuna.logging.WARNING)


def draws(n_envs: int, count: int = 30) -> list[tuple[optuna.Trial, dict[str, Any]]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=n_envs))
    trials = [study.ask() for _ in range(count)]
    return [(trial, sample_barrierppo_params(trial, 2, n_envs, {})) for trial in trials]


@pytest.mark.parametrize("n_envs", [1, 3, 8, 48, 64, 1000])
def test_rollouts_hold_whole_batches_and_stay_bounded(n_envs: int) -> None:
    for _, keywords in draws(n_envs):
        rollout = keywords["n_steps"] * n_envs
        assert keywords["batch_size"] <= rollout <= max(2**15, 2**7 * n_envs)
        assert keywords["n_steps"] > 1


def test_discounts_are_those_of_long_tasks() -> None:
    for _, keywords in draws(64):
        assert 0.95 <= keywords["gamma"] < 1.0
        assert 0.8 <= keywords["gae_lambda"] < 1.0


def test_barrier_settings_are_out_of_reach() -> None:
    for _, keywords in draws(64):
        assert set(keywords) <= PLAIN_PPO_KEYWORDS
        assert set(keywords["policy_kwargs"]) == {"net_arch", "activation_fn"}


def test_loading_a_trial_gives_the_keywords_that_were_tried() -> None:
    kinds = set()
    for trial, tried in draws(64):
        loaded = ExperimentManager._preprocess_schedules(convert_barrierppo_params(trial.params))
        rate, loaded_rate = tried.pop("learning_rate"), loaded.pop("learning_rate")
        clip, loaded_clip = tried.pop("clip_range"), loaded.pop("clip_range")
        assert loaded == tried
        assert loaded_clip(1.0) == clip
        for progress in (1.0, 0.3):
            assert loaded_rate(progress) == (rate(progress) if callable(rate) else rate)
        kinds.add(callable(rate))
    assert kinds == {True, False}


def test_trial_shows_what_its_powers_stand_for() -> None:
    trial, keywords = draws(64, count=1)[0]
    for name in ("gamma", "gae_lambda", "n_steps", "batch_size"):
        assert trial.user_attrs[name] == keywords[name]
