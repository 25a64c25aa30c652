"""What one action costs: the exported file against SB3's ``predict``, with and without the projection.

    python benchmarks/onnx_latency.py --out benchmarks/results/onnx_latency.json

Calls of all contestants alternate on the same observations, one at a time and on one thread, so that the machine's
moods hit all of them; quote the ratios. The file is timed where no row changes the action and where some do.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierPPO, NominalActorCriticPolicy, PursuitEvasionBarrier, Status, export

ENV_ID = "PursuitEvasionClutter-v0"
STEPS = 3000
WARM_UP = 200

Observation = dict[str, np.ndarray]


def contestants(path: Path) -> dict[str, Callable[[Observation], Any]]:
    env = make_vec_env(ENV_ID, 1, seed=0, wrapper_class=PursuitEvasionBarrier)
    settings = dict(seed=0, device="cpu")
    barrier = BarrierPPO("MlpPolicy", env, **settings)
    in_torch = BarrierPPO("MlpPolicy", env, projection_backend="torch", **settings)
    without = PPO(NominalActorCriticPolicy, env, **settings)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    file = ort.InferenceSession(export(barrier, path), options)
    return {
        "onnxruntime": lambda observation: file.run(["u_safe", "status"], observation),
        "predict": lambda observation: barrier.predict(observation, deterministic=True),
        "predict_torch_backend": lambda observation: in_torch.predict(observation, deterministic=True),
        "predict_without_projection": lambda observation: without.predict(observation, deterministic=True),
    }


def visited(steps: int) -> list[Observation]:
    """Observations of a pursuer that drives at random behind its filter."""
    env = make_vec_env(ENV_ID, 1, seed=1, wrapper_class=PursuitEvasionBarrier)
    model = BarrierPPO("MlpPolicy", env, seed=1, device="cpu")
    seen = [env.reset()]
    for _ in range(steps - 1):
        seen.append(env.step(model.predict(seen[-1])[0])[0])
    return seen


def measure(steps: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        calls = contestants(Path(folder) / "model.onnx")
        seen = visited(steps)
        times: dict[str, list[float]] = {name: [] for name in calls}
        status = []
        for observation in seen[:WARM_UP] + seen:
            for name, call in calls.items():
                start = time.perf_counter()
                result = call(observation)
                times[name].append(time.perf_counter() - start)
                if name == "onnxruntime":
                    status.append(int(result[1][0]))
    active = np.array(status[WARM_UP:]) == Status.ACTIVE
    microseconds = {name: 1e6 * np.array(taken[WARM_UP:]) for name, taken in times.items()}
    medians = {name: statistics.median(taken) for name, taken in microseconds.items()}
    file = microseconds["onnxruntime"]
    for name, which in (("onnxruntime_inactive", ~active), ("onnxruntime_active", active)):
        medians[name] = float(np.median(file[which]))
    return {"median_us": medians, "steps": steps, "active_share": float(active.mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    th.set_num_threads(1)
    result = {
        "env": ENV_ID,
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}, torch {th.__version__}, "
        f"onnxruntime {ort.__version__}, 1 thread",
        **measure(args.steps),
    }
    reference = result["median_us"]["predict_without_projection"]
    for name, median in result["median_us"].items():
        print(f"{name:28s} {median:8.1f} us   {median / reference:5.2f} x predict without projection")
    print(f"a row changes {result['active_share']:.1%} of the actions")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
