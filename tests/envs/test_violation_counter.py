"""Violations are counted where the state is, and told to whoever asks."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO

from sb3_barriernet import ViolationCounter
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation import TrainingRecorder


def pendulum(clearance) -> ViolationCounter:
    return ViolationCounter(gym.make("Pendulum-v1"), clearance)


def test_it_counts_what_the_clearance_says():
    env = pendulum(lambda env: 1.0 - abs(env.state[0]))
    env.reset(seed=0)
    env.action_space.seed(0)
    expected = 0
    for _ in range(100):
        *_, info = env.step(env.action_space.sample())
        truth = 1.0 - abs(env.unwrapped.state[0])
        expected += truth < 0.0
        assert info["clearance"] == truth
        assert info["violation"] == (truth < 0.0)
    assert env.steps == 100
    assert env.violations == expected
    assert 0 < expected < 100


def test_a_clearance_that_is_not_a_number_is_a_violation():
    env = pendulum(lambda env: float("nan"))
    env.reset(seed=0)
    *_, info = env.step(env.action_space.sample())
    assert info["violation"]
    assert env.violations == 1


@pytest.mark.parametrize("clearance", [lambda env: bool(abs(env.state[0]) < 1.0), lambda env: 1.0 - abs(env.state)])
def test_a_clearance_that_would_never_count_is_refused(clearance):
    env = pendulum(clearance)
    env.reset(seed=0)
    with pytest.raises(ConfigurationError, match=r"clearance returns .* negative in one\. True and False"):
        env.step(np.zeros(1, dtype=np.float32))


def test_the_training_record_agrees():
    env = pendulum(lambda env: 1.0 - abs(env.state[0]))
    model = PPO("MlpPolicy", env, n_steps=64, n_epochs=1, seed=0).learn(128, callback=TrainingRecorder())
    assert env.violations > 0
    assert model.training_record["violations"] == env.violations
