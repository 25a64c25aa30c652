"""The swift car park plays the episodes of highway-env's own, crashes included."""

import gymnasium as gym
import highway_env  # noqa: F401  (registers its environments)
import numpy as np
import pytest

from sb3_barriernet.envs.swift_parking import SwiftParking
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation.attacks import copy_environment

ACTIONS = np.random.default_rng(0).uniform(-1.0, 1.0, size=(30, 2))


def car_park(**config) -> gym.Env:
    return gym.make("parking-v0", config={"vehicles_count": 8, **config}, disable_env_checker=True)


def play(env: gym.Env, seed: int) -> list:
    """What an episode of held actions shows, step by step, until it ends."""
    observation, _ = env.reset(seed=seed)
    shown = [observation]
    for action in np.repeat(ACTIONS[seed::5], 5, axis=0):
        shown.append(env.step(action))
        if shown[-1][2] or shown[-1][3]:
            break
    return shown


def test_every_step_is_that_of_highway_env():
    slow, swift, crashes = car_park(), SwiftParking(car_park()), 0
    for seed in range(5):
        np.testing.assert_equal(play(swift, seed), play(slow, seed))
        crashes += slow.unwrapped.vehicle.crashed
    assert crashes > 0


def test_its_observations_are_its_own():
    swift = SwiftParking(car_park())
    observation, _ = swift.reset(seed=0)
    assert swift.observation_space.contains(observation)
    before = {key: value.copy() for key, value in observation.items()}
    observation["achieved_goal"] += 1.0
    swift.step(ACTIONS[0])
    np.testing.assert_equal(observation["observation"], before["observation"])


def test_a_copy_goes_its_own_way():
    swift = SwiftParking(car_park())
    swift.reset(seed=0)
    copy = copy_environment(swift, {})
    seen = copy.step(ACTIONS[0])[0]
    copy.step(ACTIONS[1])
    np.testing.assert_equal(swift.step(ACTIONS[0])[0], seen)


@pytest.mark.parametrize("config", [{"controlled_vehicles": 2}, {"observation": {"type": "Kinematics"}}])
def test_other_settings_are_refused(config):
    with pytest.raises(ConfigurationError, match="one driven car"):
        SwiftParking(car_park(**config))
    with pytest.raises(ConfigurationError, match="NoneType"):
        SwiftParking(gym.make("Pendulum-v1"))
