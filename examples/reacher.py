"""MuJoCo's Reacher, made safe: limits on the angle of its elbow and the speed of both joints, kept while it learns.

    pip install sb3-barriernet[examples]
    python examples/reacher.py [timesteps]

MuJoCo's step is no formula, so the rows come from the simulator: docs/third-party-environments.md says why that holds.
"""

import sys

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

from sb3_barriernet import BarrierObservation, BarrierPPO, SimulatedBarrier, ViolationCounter, assert_invariant
from sb3_barriernet.systems import MujocoStep

ELBOW = 1.5  # rad
SPEED = 8.0  # rad/s
LEAD = 0.1  # s; the motors can stop 8 rad/s within that time twice
MARGIN = 0.001  # rad and rad/s; the arms push each other, which bends the step by up to 0.0002


def make_env() -> gym.Env:
    return gym.make("Reacher-v5")


def make_safe(env: gym.Env) -> gym.Env:
    """Publish the barrier rows of ``|elbow| <= ELBOW`` and ``|speed| <= SPEED``."""
    step = MujocoStep(env)

    def h(x: np.ndarray) -> np.ndarray:
        speed = step.qvel(x)[..., :2]
        lead = step.qpos(x)[..., 1:2] + LEAD * speed[..., 1:]  # where the elbow will be in a tenth of a second
        return np.concatenate([ELBOW - lead, ELBOW + lead, SPEED - speed, SPEED + speed], axis=-1)

    return BarrierObservation(env, SimulatedBarrier(step, h, 6, env.action_space, shrink=MARGIN), step.state)


def clearance(env: gym.Env) -> float:
    """To the nearer limit, in rad or rad/s, negative beyond it."""
    return min(ELBOW - abs(env.data.qpos[1]), SPEED - np.abs(env.data.qvel[:2]).max())


if __name__ == "__main__":
    timesteps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(assert_invariant(make_safe(make_env()), clearance, steps=2_000))
    for algorithm, env in ((BarrierPPO, make_safe(make_env())), (PPO, make_env())):
        counted = ViolationCounter(env, clearance)
        algorithm("MlpPolicy", counted, seed=0).learn(timesteps)
        print(f"{algorithm.__name__}: {counted.violations} violations in {counted.steps} training steps")
