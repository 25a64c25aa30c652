"""MuJoCo's Reacher, made safe: a limit on the angle of its elbow, and on the speed of both joints.

    pip install sb3-barriernet[examples]
    python examples/reacher.py [timesteps]

MuJoCo's step is no formula, so the rows come from the simulator: docs/third-party-environments.md says why that holds.
"""

import sys

import gymnasium as gym
import mujoco
import numpy as np
from mujoco.rollout import rollout
from stable_baselines3 import PPO

from sb3_barriernet import BarrierObservation, BarrierPPO, SimulatedBarrier, ViolationCounter, assert_invariant

ELBOW = 1.5  # rad
SPEED = 8.0  # rad/s
LEAD = 0.1  # s; a motor takes 4 rad/s off a joint in a step of 0.02 s
MARGIN = 0.001  # rad, rad/s; what the arms exchange bends the step by up to 0.0002


def make_env() -> gym.Env:
    return gym.make("Reacher-v5")


def make_safe(env: gym.Env) -> gym.Env:
    """Publish the barrier rows of both limits."""
    model, frames = env.unwrapped.model, env.unwrapped.frame_skip
    data = mujoco.MjData(model)  # a second simulator, beside the environment's

    def simulate(x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return rollout(model, data, x[None], actions[:, None], nstep=frames)[0][:, -1]

    def h(x: np.ndarray) -> np.ndarray:
        speed = x[..., 5:7]  # after the time, two joints and the target's place
        lead = x[..., 2:3] + LEAD * speed[..., 1:]  # where the elbow will be in a tenth of a second
        return np.concatenate([ELBOW - lead, ELBOW + lead, SPEED - speed, SPEED + speed], axis=-1)

    return BarrierObservation(env, SimulatedBarrier(simulate, h, 6, env.action_space, shrink=MARGIN), physics_state)


def physics_state(env: gym.Env) -> tuple[np.ndarray]:
    """Time, angles, speeds: all that MuJoCo needs to repeat a step."""
    x = np.empty(mujoco.mj_stateSize(env.model, mujoco.mjtState.mjSTATE_FULLPHYSICS))
    mujoco.mj_getState(env.model, env.data, x, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    return (x,)


def clearance(env: gym.Env) -> float:
    """To the nearer limit, in rad or rad/s, negative beyond it."""
    return min(ELBOW - abs(env.data.qpos[1]), SPEED - np.abs(env.data.qvel[:2]).max())


if __name__ == "__main__":
    timesteps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(assert_invariant(make_safe(make_env()), clearance, steps=2_000))
    for algorithm, env in ((BarrierPPO, make_safe(make_env())), (PPO, make_env())):
        counted = ViolationCounter(env, clearance)
        algorithm("MultiInputPolicy" if algorithm is BarrierPPO else "MlpPolicy", counted, seed=0).learn(timesteps)
        print(f"{algorithm.__name__}: {counted.violations} violations in {counted.steps} training steps")
