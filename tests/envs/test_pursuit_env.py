"""The Gymnasium side of pursuit and evasion."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

from sb3_barriernet.envs.pursuit_evasion import PursuitEvasionEnv
from sb3_barriernet.envs.registration import PURSUIT_TASKS, register_envs
from sb3_barriernet.errors import ConfigurationError, InvalidActionError

register_envs()

RAW_UNITS = ".*(symmetric and normalized).*"
"""The one thing that both checkers would like otherwise: actions here are m/s and rad/s on purpose."""


@pytest.mark.parametrize("env_id", PURSUIT_TASKS)
def test_both_checkers_are_content(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make(env_id, render_mode="rgb_array").unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=RAW_UNITS)
        check_env(env)
        check_env_for_sb3(env)


@pytest.mark.parametrize("env_id", PURSUIT_TASKS)
def test_a_seed_determines_the_episode(env_id: str) -> None:
    def played(seed: int) -> list[np.ndarray]:
        env = gym.make(env_id)
        env.action_space.seed(0)
        episode = [env.reset(seed=seed)[0], env.reset()[0]]
        return episode + [env.step(env.action_space.sample())[0] for _ in range(50)]

    np.testing.assert_array_equal(played(3), played(3))
    assert not np.array_equal(played(3), played(4))


@pytest.mark.parametrize("env_id", PURSUIT_TASKS)
def test_observations_stay_in_their_box_even_while_ramming(env_id: str) -> None:
    env = gym.make(env_id)
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        for step in range(600):
            assert env.observation_space.contains(observation)
            turn = 2.84 if step % 100 < 10 else 0.0
            observation, _, terminated, truncated, _ = env.step(np.array([1.0, turn], dtype=np.float32))
            if terminated or truncated:
                break


def test_the_clock_ends_the_episode_as_truncation() -> None:
    env = gym.make("PursuitEvasion-v0", evader_speed=0.0)
    env.reset(seed=0)
    outcomes = [env.step(np.zeros(2, dtype=np.float32))[2:4] for _ in range(600)]
    assert outcomes == [(False, False)] * 599 + [(False, True)]


def test_the_clock_can_start_late() -> None:
    env = gym.make("PursuitEvasion-v0")
    env.reset(seed=0, options={"elapsed": 598})
    assert [env.step(np.zeros(2, dtype=np.float32))[3] for _ in range(2)] == [False, True]
    env.reset()
    assert env.unwrapped.simulation.elapsed[0] == 0
    with pytest.raises(ConfigurationError, match=r"elapsed=600.*0 to 599"):
        env.reset(options={"elapsed": 600})


def test_capture_ends_the_episode_with_success_and_its_reward() -> None:
    env = PursuitEvasionEnv(evader_speed=0.0)
    env.reset(seed=0)
    env.simulation.place(0, pursuer=(0.0, 0.0, 0.0), evader=(0.54, 0.0, 0.0), obstacles=[])
    _, reward, terminated, truncated, info = env.step(np.array([1.0, 0.0]))
    assert (terminated, truncated, info["is_success"], info["violation"]) == (True, False, True, False)
    assert reward == pytest.approx(100.0 + 100.0 * 0.05 / np.sqrt(800.0))


def test_violations_are_counted_over_the_episode_only() -> None:
    env = PursuitEvasionEnv()
    env.reset(seed=0)
    env.simulation.place(0, pursuer=(9.84, 0.0, 0.0), evader=(-9.0, 0.0, 0.0), obstacles=[])
    counts = [env.step(np.array([1.0, 0.0]))[4]["violation_steps"] for _ in range(3)]
    assert counts == [1, 2, 3]
    assert env.reset()[1]["violation_steps"] == 0


def test_actions_beyond_the_limits_are_clipped() -> None:
    poses = []
    for action in ([1.0, -2.84], [7.0, -50.0]):
        env = PursuitEvasionEnv()
        env.reset(seed=0)
        env.step(np.array(action))
        poses.append(env.simulation.pursuer.copy())
    np.testing.assert_array_equal(*poses)


def test_an_action_that_is_no_number_is_refused_with_advice() -> None:
    env = gym.make("PursuitEvasion-v0").unwrapped
    env.reset(seed=0)
    with pytest.raises(InvalidActionError, match="diverged"):
        env.step(np.array([np.nan, 0.0]))
    with pytest.raises(InvalidActionError, match="expected"):
        env.step(np.zeros(3))


def test_keywords_change_single_settings() -> None:
    env = gym.make("PursuitEvasionClutter-v0", evader="greedy", distance_scale=10, timeout_penalty=50)
    settings = env.unwrapped.settings
    assert (settings.evader, settings.distance_scale, settings.timeout_penalty) == ("greedy", 10, 50)
    assert settings.arena_size == 10.0
    with pytest.raises(ConfigurationError, match="unknown setting"):
        PursuitEvasionEnv(arena=3.0)
    with pytest.raises(ConfigurationError, match="render_mode='ansi'"):
        PursuitEvasionEnv(render_mode="ansi")


def test_observations_and_infos_are_new_every_step() -> None:
    env = PursuitEvasionEnv()
    first, info = env.reset(seed=0)
    kept = first.copy(), dict(info)
    env.step(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(first, kept[0])
    assert info == kept[1]


def test_registering_twice_changes_nothing_and_imports_no_compiler() -> None:
    code = """
import sys
from sb3_barriernet.envs.registration import PURSUIT_TASKS, register_envs
import gymnasium
register_envs()
before = dict(gymnasium.registry)
register_envs()
assert dict(gymnasium.registry) == before and set(PURSUIT_TASKS) <= set(before)
assert all(gymnasium.spec(env_id).max_episode_steps is None for env_id in PURSUIT_TASKS)
assert "numba" not in sys.modules and "torch" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("env_id", PURSUIT_TASKS)
def test_specifications_survive_json(env_id: str) -> None:
    spec = gym.envs.registration.EnvSpec.from_json(gym.spec(env_id).to_json())
    assert gym.make(spec).unwrapped.settings == gym.make(env_id).unwrapped.settings


def test_a_game_that_is_played_past_its_end_goes_on_with_its_own_plan():
    env = gym.make("PursuitEvasion-v0")
    steps = env.unwrapped.settings.max_steps
    env.reset(seed=0)
    simulation = env.unwrapped.simulation
    turns = []
    for _ in range(2 * steps):
        env.step(np.zeros(2, dtype=np.float32))
        turns.append(simulation.evader_action[0].copy())
    np.testing.assert_array_equal(turns[:steps], turns[steps:])
