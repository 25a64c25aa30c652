"""MuJoCo's Swimmer, made safe: its joints keep clear of stops that are tighter than the model's own.

    pip install sb3-barriernet[examples]
    python examples/swimmer.py [timesteps]

Both motors move both joints, the water pushes back, and a step is four of MuJoCo's, so no row is exact:
docs/third-party-environments.md says how the margin covers it.
"""

import sys

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

from sb3_barriernet import BarrierObservation, BarrierPPO, SimulatedBarrier, ViolationCounter, assert_invariant
from sb3_barriernet.systems import MujocoStep

LIMIT = 1.2  # rad; the model's own stops are soft, at 1.75 rad
LEAD = 0.4  # s; two bent joints slow down by 12 rad/s^2 when both motors push against a common swing
MARGIN = 0.02  # rad


def make_env() -> gym.Env:
    return gym.make("Swimmer-v5")


def make_safe(env: gym.Env) -> gym.Env:
    """Publish the barrier rows of ``|joint| <= LIMIT`` for both joints."""
    step = MujocoStep(env)

    def h(x: np.ndarray) -> np.ndarray:
        lead = step.qpos(x)[..., 3:] + LEAD * step.qvel(x)[..., 3:]  # where the joints will be
        return np.concatenate([LIMIT - lead, LIMIT + lead], axis=-1)

    return BarrierObservation(env, SimulatedBarrier(step, h, 4, env.action_space, shrink=MARGIN), step.state)


def clearance(env: gym.Env) -> float:
    """Radians to the nearer stop, negative beyond it."""
    return LIMIT - np.abs(env.data.qpos[3:]).max()


if __name__ == "__main__":
    timesteps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(assert_invariant(make_safe(make_env()), clearance, steps=2_000))
    for algorithm, env in ((BarrierPPO, make_safe(make_env())), (PPO, make_env())):
        counted = ViolationCounter(env, clearance)
        algorithm("MlpPolicy", counted, seed=0).learn(timesteps)
        print(f"{algorithm.__name__}: {counted.violations} violations in {counted.steps} training steps")
