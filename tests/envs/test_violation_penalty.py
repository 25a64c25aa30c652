"""A penalty for violations: charged to the algorithm, not to the task."""

import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet.envs import ViolationPenalty
from sb3_barriernet.errors import ConfigurationError


def rollout(venv, steps=400):
    venv.seed(3)
    venv.reset()
    rewards, violations, returns = [], [], []
    for _ in range(steps):
        _, reward, _, infos = venv.step(np.tile([1.0, 0.0], (2, 1)))
        rewards.append(reward)
        violations.append([info["violation"] for info in infos])
        returns += [info["episode"]["r"] for info in infos if "episode" in info]
    return np.array(rewards), np.array(violations), returns


def test_every_violating_step_costs_the_penalty_and_the_task_keeps_its_return():
    plain = rollout(make_vec_env("PursuitEvasion-v0", n_envs=2))
    charged = rollout(ViolationPenalty(make_vec_env("PursuitEvasion-v0", n_envs=2), penalty=2.5))
    assert plain[1].any()
    np.testing.assert_array_equal(charged[1], plain[1])
    np.testing.assert_allclose(charged[0], plain[0] - 2.5 * plain[1], rtol=1e-6)
    assert charged[2] == plain[2]


def test_an_environment_that_does_not_judge_itself_is_refused():
    venv = ViolationPenalty(make_vec_env("Pendulum-v1", n_envs=2))
    venv.reset()
    with pytest.raises(ConfigurationError, match=r"no info.*ViolationCounter"):
        venv.step(np.zeros((2, 1)))


@pytest.mark.parametrize("penalty", [-1.0, np.nan, np.inf])
def test_penalties_that_cannot_be_are_refused(penalty):
    with pytest.raises(ConfigurationError, match="finite number >= 0"):
        ViolationPenalty(make_vec_env("Pendulum-v1"), penalty)
