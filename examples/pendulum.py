"""Gymnasium's pendulum, made safe: it never leaves |theta| <= 0.3 rad, not even while it learns.

    python examples/pendulum.py [timesteps]

docs/make-your-environment-safe.md walks through these lines.
"""

import sys

import gymnasium as gym
import sympy as sp
from stable_baselines3 import PPO

from sb3_barriernet import (
    BarrierObservation,
    BarrierPPO,
    OneStepBarrier,
    OneStepMap,
    ResetOptions,
    ViolationCounter,
    assert_invariant,
)

LIMIT, DT = 0.3, 0.05  # rad, s


def make_env() -> gym.Env:
    """The pendulum as it is, started near the top."""
    return ResetOptions(gym.make("Pendulum-v1"), x_init=0.1, y_init=0.5)


def make_safe(env: gym.Env) -> gym.Env:
    """Publish the barrier rows of ``|theta| <= LIMIT``."""
    theta, omega, torque = sp.symbols("theta omega torque", real=True)
    next_omega = omega + (15 * sp.sin(theta) + 3 * torque) * DT  # the two lines of Pendulum-v1's step
    pendulum = OneStepMap([theta, omega], [torque], [theta + next_omega * DT, next_omega])
    lead = theta + 0.25 * omega  # where it will be in a quarter of a second
    barrier = OneStepBarrier(pendulum, [LIMIT - lead, LIMIT + lead])
    return BarrierObservation(env, barrier, lambda env: (env.state,))


def clearance(env: gym.Env) -> float:
    """Radians to the limit, negative beyond it."""
    return LIMIT - abs(env.state[0])


if __name__ == "__main__":
    timesteps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(assert_invariant(make_safe(make_env()), clearance, steps=2_000))
    for algorithm, env in ((PPO, make_env()), (BarrierPPO, make_safe(make_env()))):
        counted = ViolationCounter(env, clearance)
        model = algorithm("MlpPolicy", counted, gamma=0.95, seed=0).learn(timesteps)
        print(f"{algorithm.__name__}: {counted.violations} violations in {counted.steps} training steps")

    observation, _ = (test_env := make_safe(make_env())).reset(seed=1)
    angles = []
    for _ in range(200):
        observation, *_ = test_env.step(model.predict(observation, deterministic=True)[0])
        angles.append(abs(test_env.unwrapped.state[0]))
    print(f"Trained: largest angle {max(angles):.3f} rad, last {angles[-1]:.3f} rad")
