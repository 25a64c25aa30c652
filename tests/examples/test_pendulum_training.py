"""A symbolic barrier all the way: training, saving, prediction."""

import runpy
from pathlib import Path

import gymnasium as gym
import numpy as np

from sb3_barriernet import BarrierPPO, ResetOptions

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "pendulum.py"))


class Truth(gym.Wrapper):
    """Violations from the environment's own state, in ``info``."""

    def step(self, action):
        *result, info = self.env.step(action)
        return *result, {**info, "violation": abs(self.unwrapped.state[0]) > 0.3}


def make() -> gym.Env:
    return EXAMPLE["make_safe"](Truth(ResetOptions(gym.make("Pendulum-v1"), x_init=0.1, y_init=0.5)))


def test_learning_is_safe_and_the_saved_model_too(tmp_path):
    model = BarrierPPO("MlpPolicy", make(), n_steps=256, n_epochs=2, seed=0)
    model.learn(768, log_interval=100)  # nothing is printed, so the last values stay
    logged = dict(model.logger.name_to_value)
    assert logged["rollout/violation_rate"] == 0.0
    assert logged["rollout/infeasible_rate"] == 0.0
    assert logged["rollout/intervention_rate"] > 0.2
    model.save(tmp_path / "pendulum")

    env, model = make(), BarrierPPO.load(tmp_path / "pendulum", device="cpu")
    observation, _ = env.reset(seed=1)
    for _ in range(200):
        action, _ = model.predict(observation)
        observation, _, _, _, info = env.step(action)
        assert not info["violation"]
    assert np.ptp(observation["barrier"][:, -1]) > 0.0
