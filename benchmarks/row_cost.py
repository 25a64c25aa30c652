"""What the barrier rows of 64 cluttered games cost, beside the step of the games themselves.

    python benchmarks/row_cost.py

Compared are one call for the rows of all games with one compiled step of all games, and with one step of the whole
vectorised environment; both from the same run, in turns, on one thread, medians.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet.envs import PursuitEvasionBarrier, share_simulation
from sb3_barriernet.envs.pursuit_settings import preset
from sb3_barriernet.envs.pursuit_simulation import PursuitSimulation

ENV_ID = "PursuitEvasionClutter-v0"


def make_simulation(games: int) -> PursuitSimulation:
    simulation = PursuitSimulation(games, preset("clutter"))
    for i in range(games):
        simulation.reset(i, np.random.default_rng(i))
    return simulation


def begin_again(simulation: PursuitSimulation) -> None:
    """New games where they are over, untimed."""
    for i in np.flatnonzero(simulation.terminated | simulation.truncated):
        simulation.reset(i, np.random.default_rng(i))


def measure(games: int, rounds: int) -> dict[str, float]:
    """Median microseconds of one call for all games."""
    simulation, rng = make_simulation(games), np.random.default_rng(0)
    venv = share_simulation(make_vec_env(ENV_ID, games, seed=0, wrapper_class=PursuitEvasionBarrier))
    (barrier,) = venv.get_attr("barrier", indices=0)
    low, high = venv.action_space.low, venv.action_space.high
    venv.reset()
    times: dict[str, list[float]] = {"rows": [], "simulation step": [], "VecEnv step": []}

    def timed(name: str, call: Callable[[], object]) -> None:
        start = time.perf_counter()
        call()
        times[name].append(time.perf_counter() - start)

    for _ in range(rounds):
        actions = rng.uniform(low, high, size=(games, 2)).astype(np.float32)
        begin_again(simulation)
        timed("simulation step", lambda a=actions: simulation.step(a))
        timed("rows", lambda: barrier.rows(simulation.pursuer, simulation.obstacles))
        timed("VecEnv step", lambda a=actions: venv.step(a))
    return {name: 1e6 * statistics.median(seconds) for name, seconds in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20_000)
    arguments = parser.parse_args()
    result = measure(arguments.games, arguments.rounds)
    print(f"{platform.machine()}, {ENV_ID}, {arguments.games} games, medians of {arguments.rounds} rounds")
    for name, microseconds in result.items():
        print(f"{name:16s} {microseconds:8.1f} us   rows are {result['rows'] / microseconds:7.1%} of it")


if __name__ == "__main__":
    main()
