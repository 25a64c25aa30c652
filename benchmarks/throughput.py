"""Training steps a second under the Zoo's settings, beside what they are made of and beside a plain environment.

    python benchmarks/throughput.py --rounds 5

Methods take turns in one process on one thread and are timed in processor time, so that neighbours on the machine
matter little; quote the ratios. What the Zoo adds, its imports and its evaluations, is not in the figures of training,
and counted in the projection of a long run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_barriernet import BarrierPPO, NominalActorCriticPolicy
from sb3_barriernet.envs import PursuitEvasionBarrier, share_simulation
from sb3_barriernet.evaluation import TrainingRecorder
from sb3_barriernet.evaluation.provenance import provenance

ENV_ID = "PursuitEvasion-v0"
REPOSITORY = Path(__file__).resolve().parent.parent
OUT = REPOSITORY / "benchmarks" / "results" / "throughput.json"
KEPT = ("n_steps", "batch_size", "n_epochs", "gamma", "gae_lambda", "ent_coef")
"""Hyperparameters of the Zoo's YAML that decide how much is computed."""
LONG_RUN = 2_000_000
EVALUATION = dict(every=25_000, episodes=5)
"""The Zoo's defaults."""
EPISODE_STEPS = 212
"""Mean length of a trained policy's episodes (docs/zoo.md); an untrained one plays up to 600."""


def zoo_settings() -> dict[str, Any]:
    """How the Zoo trains BarrierPPO here."""
    block = yaml.safe_load((REPOSITORY / "hyperparams" / "barrierppo.yml").read_text())[ENV_ID]
    settings = {key: block[key] for key in KEPT}
    return {"n_envs": block["n_envs"], "correction_coef": block["correction_coef"], "ppo": settings}


def make_games(n_envs: int, seed: int) -> VecEnv:
    """The batch environment alone."""
    return share_simulation(make_vec_env(ENV_ID, n_envs, seed=seed, wrapper_class=PursuitEvasionBarrier))


def make_models(settings: dict[str, Any]) -> dict[str, PPO]:
    n_envs, ppo = settings["n_envs"], dict(settings["ppo"], learning_rate=2e-3, seed=0, device="cpu")
    games = [VecNormalize(make_games(n_envs, seed=0), norm_obs=False, gamma=ppo["gamma"]) for _ in range(2)]
    pendulum = VecNormalize(make_vec_env("Pendulum-v1", n_envs, seed=0), norm_obs=False, gamma=ppo["gamma"])
    return {
        "BarrierPPO": BarrierPPO("MlpPolicy", games[0], correction_coef=settings["correction_coef"], **ppo),
        "PPO": PPO(NominalActorCriticPolicy, games[1], **ppo),
        "PPO on Pendulum-v1, DummyVecEnv": PPO("MlpPolicy", pendulum, **ppo),
    }


def play_randomly(env: VecEnv, steps: int) -> None:
    """Steps of the batch environment and nothing else."""
    rng, space = np.random.default_rng(0), env.action_space
    for _ in range(steps // env.num_envs):
        env.step(rng.uniform(space.low, space.high, size=(env.num_envs, *space.shape)).astype(np.float32))


class Clock:
    """Processor seconds spent inside functions that it wraps."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def wrap(self, name: str, owner: Any, attribute: str) -> None:
        """Replace a bound method of an object by one that is timed; parts inside parts count twice."""
        function = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - start

        setattr(owner, attribute, timed)


def seconds(function: Callable[[], object]) -> float:
    """Processor time of a call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def measure_parts(settings: dict[str, Any], steps: int) -> dict[str, float]:
    """Shares of BarrierPPO's training; what is left belongs to Stable-Baselines3's loop, buffer and log."""
    model = make_models(settings)["BarrierPPO"]
    model.learn(4 * settings["n_envs"] * settings["ppo"]["n_steps"])  # compile and warm up
    games = model.get_env().venv  # type: ignore[union-attr]  # of the wrapper of rewards
    clock = Clock()
    clock.wrap("update", model, "train")
    clock.wrap("environment", games, "step_wait")
    clock.wrap("rows", games, "_rows")
    clock.wrap("simulation", games._simulation, "step")
    clock.wrap("network", model.policy, "forward")
    clock.wrap("projection", model.policy, "project")
    total = seconds(lambda: model.learn(steps, callback=TrainingRecorder()))
    shares = {name: spent / total for name, spent in clock.spent.items()}
    shares["games' bookkeeping"] = shares.pop("environment") - shares["rows"] - shares["simulation"]
    return {**shares, "loop, buffer and log": 1.0 - sum(shares.values())}


def measure_speeds(settings: dict[str, Any], rounds: int, steps: int) -> dict[str, float]:
    """Median steps a second of processor time."""
    models = make_models(settings)
    games = make_games(settings["n_envs"], seed=0)
    games.reset()
    runs: dict[str, Callable[[], object]] = {
        **{name: partial(model.learn, steps) for name, model in models.items()},
        "random actions": lambda: play_randomly(games, steps),
    }
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for first in range(rounds):
        names = [*runs][first % len(runs) :] + [*runs][: first % len(runs)]
        for name in names:
            times[name].append(seconds(runs[name]))
    return {name: steps / statistics.median(spent) for name, spent in times.items()}


def measure_evaluation(settings: dict[str, Any], steps: int) -> float:
    """Seconds of evaluating in one environment, as the Zoo does."""
    model, env = make_models(settings)["BarrierPPO"], make_games(1, seed=0)

    def evaluate() -> None:
        observation = env.reset()
        for _ in range(steps):
            action, _ = model.predict(observation, deterministic=True)  # type: ignore[arg-type]  # SB3 types it without tuples
            observation, _, _, _ = env.step(action)

    evaluate()
    return seconds(evaluate)


def measure_imports() -> float:
    """Processor seconds from the start of Python to a Zoo that could begin."""
    code = "import rl_zoo3.train, time; print(time.process_time())"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8192)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    th.set_num_threads(1)
    settings = zoo_settings()
    speeds = measure_speeds(settings, arguments.rounds, arguments.steps)
    shares = measure_parts(settings, 4 * arguments.steps)
    evaluation_steps = EVALUATION["episodes"] * EPISODE_STEPS
    long_run = {
        "steps": LONG_RUN,
        "imports_s": measure_imports(),
        "training_s": LONG_RUN / speeds["BarrierPPO"],
        "evaluations_s": LONG_RUN // EVALUATION["every"] * measure_evaluation(settings, evaluation_steps),
    }
    long_run["total_s"] = long_run["imports_s"] + long_run["training_s"] + long_run["evaluations_s"]
    ratios = {f"BarrierPPO / {name}": speeds["BarrierPPO"] / speed for name, speed in [*speeds.items()][1:]}
    result = {"env": ENV_ID, "steps_per_s": speeds, "ratios": ratios, "shares": shares, "long_run": long_run}
    arguments.out.write_text(json.dumps({**provenance(), **result}, indent=2) + "\n")
    for part in ("steps_per_s", "ratios", "shares", "long_run"):
        print(part, *(f"{name:40s} {value:12.3f}" for name, value in result[part].items()), sep="\n  ")  # type: ignore[attr-defined]  # a part is a table


if __name__ == "__main__":
    main()
