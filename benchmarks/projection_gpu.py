"""GPU tensors: iterating on the GPU against a trip to the CPU; and BarrierPPO with its networks on either.

::

    python benchmarks/projection_gpu.py --out benchmarks/results/projection_gpu.md
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from projection import make_batch
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierPPO, project
from sb3_barriernet.envs import PursuitEvasionBarrier, share_simulation

SIZES = [(2, 12), (4, 16)]
BATCHES = [1, 64, 2048, 65536]


def median(job: Callable[[], Any], calls: int = 12) -> float:
    """Seconds of a call, the device's work included; two calls to warm up do not count."""
    times = []
    for _ in range(calls + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        job()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def projection_table() -> list[str]:
    lines = ["| (M, K) | corrected | B | `torch`, on the GPU | `active_set`, there and back | CPU tensors |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for dim, rows in SIZES:
        for corrected in (0.02, 1.0):
            for size in BATCHES:
                batch = make_batch(size, rows, dim, corrected)
                there = [part.cuda() for part in batch]
                with torch.no_grad():
                    times = (
                        median(lambda there=there: project(*there, backend="torch").action),
                        median(lambda there=there: project(*there, backend="active_set").action),
                        median(lambda batch=batch: project(*batch).action),
                    )
                shown = " | ".join(f"{1e3 * seconds:.3g} ms" for seconds in times)
                lines.append(f"| ({dim}, {rows}) | {corrected:.0%} | {size:,} | {shown} |")
    return lines


def training_seconds(device: str, net: int, steps: int) -> float:
    """Wall clock of a training of 64 games after a first rollout and update."""
    env = share_simulation(make_vec_env("PursuitEvasion-v0", 64, seed=0, wrapper_class=PursuitEvasionBarrier))
    settings = dict(n_steps=32, batch_size=1024, n_epochs=10, policy_kwargs={"net_arch": [net, net]})
    model = BarrierPPO("MlpPolicy", env, seed=0, device=device, **settings).learn(2048)
    start = time.perf_counter()
    model.learn(steps, reset_num_timesteps=False)
    return time.perf_counter() - start


def training_table(steps: int) -> list[str]:
    lines = [f"| hidden layers | CPU, {steps:,} steps | GPU |", "|---|---:|---:|"]
    for net in (64, 1024):
        times = {device: training_seconds(device, net, steps) for device in ("cpu", "cuda")}
        lines.append(f"| 2 x {net} | {times['cpu']:.1f} s | {times['cuda']:.1f} s |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "projection_gpu.md")
    parser.add_argument("--steps", type=int, default=32_768)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["# GPU tensors", "", f"Command: `python {' '.join(sys.argv)}`", ""]
    lines += [f"{torch.cuda.get_device_name()}, torch {torch.__version__}, Python {platform.python_version()}; one CPU "
              "thread; medians; (M, K) actions and rows, B samples.", ""]  # fmt: skip
    lines += [*projection_table(), "", "BarrierPPO, seed 0, 64 games, float32:", "", *training_table(arguments.steps)]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
