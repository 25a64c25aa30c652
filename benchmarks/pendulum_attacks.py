"""The numbers of docs/make-your-environment-safe.md: attacks on the exact row, and on a chain that leaks.

    python benchmarks/pendulum_attacks.py

Seed 0 throughout; an episode ends at its first violation.
"""

import runpy
from pathlib import Path

import gymnasium as gym

from sb3_barriernet import BarrierObservation, ResetOptions, SymbolicBarrier
from sb3_barriernet.evaluation.attacks import ATTACKS, BangBang, Uniform
from sb3_barriernet.evaluation.invariance import attack_barrier
from sb3_barriernet.systems import inverted_pendulum

EXAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "pendulum.py"))
LIMIT, CLEARANCE = EXAMPLE["LIMIT"], EXAMPLE["clearance"]


def start_inside(env: gym.Env) -> gym.Env:
    return ResetOptions(env, x_init=0.1, y_init=0.5)


def leaking(env: gym.Env, alpha: list[float]) -> gym.Env:
    """The continuous chain without a margin, in front of a simulator that is not its flow."""
    system = inverted_pendulum(integrator="rk4")
    theta, _ = system.states
    barrier = SymbolicBarrier(
        system, [LIMIT - theta, LIMIT + theta], alpha=alpha, bounds={theta: (-LIMIT, LIMIT)}, margin=0.0
    )
    return BarrierObservation(env, barrier, lambda env: (env.state,))


if __name__ == "__main__":
    env = start_inside(gym.make("Pendulum-v1"))
    print("exact row\n" + str(attack_barrier(EXAMPLE["make_safe"](env), CLEARANCE, steps=100_000, attacks=ATTACKS[:3])))
    for alpha in ([10.0, 10.0], [4.0, 10.0], [4.0, 20.0]):
        report = attack_barrier(leaking(env, alpha), CLEARANCE, steps=10_000, attacks=[Uniform, BangBang])
        print(f"chain, gains {alpha}: {report.violations} violations, {report.infeasible} infeasible in 20,000 steps")
