"""What the barrier costs, bare and with all it offers: BarrierPPO against PPO, same environment, inputs, settings.

    python benchmarks/overhead.py --rounds 5 --steps 65536 --out benchmarks/results/overhead.json

Trainings alternate in one process on one thread, so that the machine's moods hit both; seconds are those of the
processor, which leaves out what neighbours take. Quote the ratios.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_barriernet import BarrierPPO, NominalActorCriticPolicy
from sb3_barriernet.envs import PursuitEvasionBarrier, share_simulation

ENV_ID = "PursuitEvasion-v0"
SETTINGS = dict(n_steps=32, batch_size=1024, n_epochs=10, learning_rate=2e-3, ent_coef=0.001, device="cpu")
ALL_ON = dict(correction_coef=1.0, correction_loss_coef=0.1, learn_gains=True)
BASELINE = "ppo"
PREDICT_CALLS = 2000


def make_env(seed: int) -> VecEnv:
    venv = make_vec_env(ENV_ID, 64, seed=seed, wrapper_class=PursuitEvasionBarrier)
    return VecNormalize(share_simulation(venv), norm_obs=False)


def make_models(seed: int) -> dict[str, PPO]:
    return {
        "barrierppo": BarrierPPO("MlpPolicy", make_env(seed), seed=seed, **SETTINGS),
        "barrierppo, penalty, loss and gains": BarrierPPO("MlpPolicy", make_env(seed), seed=seed, **SETTINGS, **ALL_ON),
        BASELINE: PPO(NominalActorCriticPolicy, make_env(seed), seed=seed, **SETTINGS),
    }


def timed(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def time_training(model: PPO, steps: int) -> dict[str, float]:
    """Seconds of ``learn``, and the part of it spent in updates."""
    update, spent = model.train, []
    model.train = lambda: spent.append(timed(update))  # type: ignore[method-assign]
    total = timed(lambda: model.learn(steps))
    del model.train
    return {"train_s": total, "update_s": sum(spent), "rollout_s": total - sum(spent)}


def time_predict(models: dict[str, PPO]) -> dict[str, float]:
    """Median microseconds of ``predict`` on one observation, calls alternating."""
    env = make_env(0)
    observation = {key: value[:1] for key, value in env.reset().items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(PREDICT_CALLS):
        for name, model in models.items():
            times[name].append(timed(lambda model=model: model.predict(observation, deterministic=True)))
    return {name: 1e6 * statistics.median(of_model) for name, of_model in times.items()}


def measure(rounds: int, steps: int) -> dict[str, Any]:
    for model in make_models(0).values():  # compile and warm up
        model.learn(2048)
    samples: list[dict[str, dict[str, float]]] = []
    for seed in range(rounds):
        models = make_models(seed)
        first = seed % len(models)
        order = [*models][first:] + [*models][:first]
        samples.append({name: time_training(models[name], steps) for name in order})
        print(f"round {seed}: {samples[-1]}", flush=True)
    predict = time_predict(models)
    ratios = {
        name: {
            **{
                key: statistics.median(sample[name][key] / sample[BASELINE][key] for sample in samples)
                for key in ("train_s", "update_s", "rollout_s")
            },
            "predict_us": predict[name] / predict[BASELINE],
        }
        for name in predict
        if name != BASELINE
    }
    return {"ratios": ratios, "predict_us": predict, "rounds": samples}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=65536)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    th.set_num_threads(1)
    result = {
        "env": ENV_ID,
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}, torch {th.__version__}, 1 thread",
        **measure(args.rounds, args.steps),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    for name, ratios in result["ratios"].items():
        print(f"{name} / PPO: " + ", ".join(f"{key} {ratio:.3f}" for key, ratio in ratios.items()))


if __name__ == "__main__":
    main()
