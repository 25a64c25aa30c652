"""Which action should a replay buffer hold under a filter, the proposed or the executed one?

    python scripts/replay_study.py --seeds 10 --timesteps 3000 --out docs/results/replay

SAC on two tasks behind a :class:`~sb3_barriernet.FilteredEnv`: one whose best policy the filter leaves alone, and one
whose best policy drives along the filter's face all the time. Only the class of the replay buffer differs. Writes
``results.json`` after every run and ``report.md`` at the end; runs that are there are not made again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import DictReplayBuffer

from sb3_barriernet import BarrierExtractor, FilteredEnv, SafeActionDictReplayBuffer
from sb3_barriernet.envs.literature import ChengPendulumBarrier, EmamCarsBarrier
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.zoo.results_folder import write_json

TASKS = {"ChengPendulum-v0": ChengPendulumBarrier, "EmamCars-v0": EmamCarsBarrier}
BUFFERS = {"u_nom": DictReplayBuffer, "u_safe": SafeActionDictReplayBuffer}
SETTINGS: dict[str, Any] = dict(learning_rate=1e-3, learning_starts=500, batch_size=128, train_freq=2, device="cpu")
EVALUATION_EPISODES = 10
EVALUATION_SEED = 1000


def make_env(task: str) -> FilteredEnv:
    return FilteredEnv(TASKS[task](gym.make(task)))


def train(task: str, holds: str, seed: int, timesteps: int) -> dict[str, Any]:
    policy_kwargs = dict(features_extractor_class=BarrierExtractor, net_arch=[64, 64])
    env = make_env(task)
    model = SAC(
        "MultiInputPolicy",
        env,
        replay_buffer_class=BUFFERS[holds],
        policy_kwargs=policy_kwargs,
        seed=seed,
        **SETTINGS,
    )
    model.learn(timesteps)
    return {"task": task, "holds": holds, "seed": seed, "timesteps": timesteps, **evaluate(model, make_env(task))}


def evaluate(model: SAC, env: FilteredEnv) -> dict[str, float]:
    """Mean return, and shares of steps, of the deterministic policy behind the filter."""
    returns, interventions, violations = [], [], []
    for episode in range(EVALUATION_EPISODES):
        observation, _ = env.reset(seed=EVALUATION_SEED + episode)
        total, done = 0.0, False
        while not done:
            action, _ = model.predict(observation, deterministic=True)
            observation, reward, terminated, truncated, info = env.step(action)
            total, done = total + float(reward), terminated or truncated
            interventions.append(info["intervention"])
            violations.append(info["violation"])
        returns.append(total)
    return {
        "return": float(np.mean(returns)),
        "intervention_rate": float(np.mean(interventions)),
        "violations": int(np.sum(violations)),
    }


def table(runs: list[dict[str, Any]]) -> str:
    lines = [
        "| task | buffer holds | runs | return, median (range) | intervention, median | violations |",
        "|---|---|---|---|---|---|",
    ]
    for task in TASKS:
        for holds in BUFFERS:
            found = [run for run in runs if run["task"] == task and run["holds"] == holds]
            if found:
                returns, rates = [run["return"] for run in found], [run["intervention_rate"] for run in found]
                lines.append(
                    f"| {task} | `{holds}` | {len(found)} | {np.median(returns):.4g} ({min(returns):.4g} to "
                    f"{max(returns):.4g}) | {np.median(rates):.1%} | {sum(run['violations'] for run in found)} |"
                )
    return "\n".join(lines)


def report(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (
        f"# What the replay buffer should hold\n\n{table(results['runs'])}\n\n"
        f"SAC, {EVALUATION_EPISODES} evaluation episodes a run, the same for all.\n\n"
        f"## How to repeat this\n\n```\n{results['command']}\n```\n\n{results['machine']}; {versions}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--timesteps", type=int, default=3000)
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    args = parser.parse_args()
    th.set_num_threads(1)
    record = args.out / "results.json"
    runs = json.loads(record.read_text())["runs"] if record.exists() else []
    made = {(run["task"], run["holds"], run["seed"], run["timesteps"]) for run in runs}
    for seed in range(args.seeds):
        for task in TASKS:
            for holds in BUFFERS:
                if (task, holds, seed, args.timesteps) not in made:
                    runs.append(train(task, holds, seed, args.timesteps))
                    print(runs[-1], flush=True)
                    write_json(record, {**provenance(), "runs": runs})
    (args.out / "report.md").write_text(report({**provenance(), "runs": runs}))


if __name__ == "__main__":
    main()
