"""MuJoCo's step from any state is the step of the task."""

import gymnasium as gym
import numpy as np
import pytest

from sb3_barriernet.systems import MujocoStep


@pytest.mark.parametrize("task", ["Reacher-v5", "Swimmer-v5", "Hopper-v5", "Ant-v5"])
def test_it_is_the_step_of_the_task_and_leaves_the_task_alone(task):
    """The hopper and the ant touch the ground."""
    env = gym.make(task)
    step = MujocoStep(env)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(20):
        (x,) = step.state(env.unwrapped)
        actions = np.array([env.action_space.sample() for _ in range(3)], dtype=np.float64)
        after = step(x, actions)
        np.testing.assert_array_equal(step.state(env.unwrapped)[0], x)
        env.step(actions[1])
        np.testing.assert_array_equal(step.state(env.unwrapped)[0], after[1])
        assert np.abs(after[0] - after[1]).max() > 1e-3


def test_positions_and_speeds_are_those_of_the_task():
    env = gym.make("Swimmer-v5")
    env.reset(seed=0)
    step = MujocoStep(env)
    (x,) = step.state(env.unwrapped)
    np.testing.assert_array_equal(step.qpos(x), env.unwrapped.data.qpos)
    np.testing.assert_array_equal(step.qvel(np.stack([x, x])), [env.unwrapped.data.qvel] * 2)
