"""How the cost of a projection and of a training step grows, measured where it can be and fitted.

    python benchmarks/scaling.py

Processor time of one thread, the least of several calls, sizes in turns. ``docs/scaling.md`` quotes the fits.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierPPO, project
from sb3_barriernet.envs import PursuitEvasionBarrier, share_simulation
from sb3_barriernet.evaluation.provenance import provenance

OUT = Path(__file__).parent / "results" / "scaling.json"
ACTIONS = (1, 2, 4, 8)
ROWS = (6, 12, 24, 48)
BATCHES = (64, 1024, 8192)
SHARES = (0.0, 0.1, 1.0)
"""Share of the batch whose action a row forbids."""
ENVIRONMENTS = (8, 32, 128, 512)
TASKS = {"PursuitEvasion-v0": 12, "PursuitEvasionClutter-v0": 24}
"""Tasks and their rows."""


def make_batch(batch: int, rows: int, dim: int, share: float) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
    """Nominal actions at 0.5, unit rows far away, and for the given share of samples one row that cuts them off."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(batch, rows, dim))
    A /= np.linalg.norm(A, axis=-1, keepdims=True)
    c = np.full((batch, rows), 2.0 * np.sqrt(dim))
    forbidden = rng.permutation(batch)[: round(share * batch)]
    nominal = np.full((batch, dim), 0.5)
    chosen = rng.integers(rows, size=len(forbidden))
    c[forbidden, chosen] = -np.einsum("bm,bm->b", A[forbidden, chosen], nominal[forbidden]) - 0.2
    return th.as_tensor(nominal), th.as_tensor(A), th.as_tensor(c)


def least(function: Callable[[], Any], calls: int) -> float:
    """Microseconds of processor time, the least of several calls."""
    function()
    times = []
    for _ in range(calls):
        start = time.thread_time_ns()
        function()
        times.append(time.thread_time_ns() - start)
    return min(times) / 1e3


def fit(columns: list[list[float]], microseconds: list[float]) -> tuple[list[float], float]:
    """Least squares on relative errors; coefficients and the median relative error."""
    matrix, measured = np.array(columns), np.array(microseconds)
    coefficients, *_ = np.linalg.lstsq(matrix / measured[:, None], np.ones(len(measured)), rcond=None)
    return coefficients.tolist(), float(np.median(np.abs(matrix @ coefficients / measured - 1.0)))


def measure_projection(calls: int) -> list[dict[str, float]]:
    """One record for every size: ``B``, ``K``, ``M``, corrected samples ``V`` and the time."""
    records = []
    for dim, rows, batch, share in itertools.product(ACTIONS, ROWS, BATCHES, SHARES):
        u, A, c = make_batch(batch, rows, dim, share)
        low, high = -th.ones(dim, dtype=th.float64), th.ones(dim, dtype=th.float64)
        with th.no_grad():
            corrected = int((project(u, A, c, low, high).status > 0).sum())
            spent = least(partial(project, u, A, c, low, high), calls)
        records.append({"M": dim, "K": rows, "B": batch, "V": corrected, "us": spent})
    return records


def fit_projection(records: list[dict[str, float]]) -> dict[str, Any]:
    """For each ``M``: ``us = call + B (sample + row K) + V (solve + solve_row K)``."""
    fits = {}
    for dim in ACTIONS:
        of_dim = [r for r in records if r["M"] == dim]
        columns = [[1.0, r["B"], r["B"] * r["K"], r["V"], r["V"] * r["K"]] for r in of_dim]
        coefficients, error = fit(columns, [r["us"] for r in of_dim])
        names = ("call_us", "sample_us", "row_us", "solve_us", "solve_row_us")
        fits[str(dim)] = {**dict(zip(names, coefficients, strict=True)), "median_error": error}
    return fits


def make_model(env_id: str, n_envs: int) -> BarrierPPO:
    games = share_simulation(make_vec_env(env_id, n_envs, seed=0, wrapper_class=PursuitEvasionBarrier))
    return BarrierPPO("MlpPolicy", games, n_steps=max(2048 // n_envs, 4), batch_size=1024, seed=0, device="cpu")


def measure_training(calls: int) -> list[dict[str, Any]]:
    """Microseconds of one step of all environments, and of the update for one step of one environment."""
    records = []
    for (env_id, rows), n_envs in itertools.product(TASKS.items(), ENVIRONMENTS):
        model = make_model(env_id, n_envs)
        model.learn(model.n_steps * n_envs)
        callback = model._init_callback(None)

        def roll(model: BarrierPPO = model, callback: Any = callback) -> None:
            # SB3 types `env` as optional.
            model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)  # type: ignore[arg-type]

        rollout = least(roll, calls) / model.n_steps
        update = least(model.train, calls) / (model.n_steps * n_envs)
        records.append({"env": env_id, "K": rows, "N": n_envs, "vec_step_us": rollout, "update_us_a_step": update})
    return records


def fit_training(records: list[dict[str, Any]]) -> dict[str, Any]:
    """``vec_step_us = step + N (environment + row K)``."""
    columns = [[1.0, r["N"], r["N"] * r["K"]] for r in records]
    coefficients, error = fit(columns, [r["vec_step_us"] for r in records])
    return {**dict(zip(("step_us", "environment_us", "row_us"), coefficients, strict=True)), "median_error": error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=12)
    parser.add_argument("--training-calls", type=int, default=4)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    th.set_num_threads(1)
    projection, training = measure_projection(arguments.calls), measure_training(arguments.training_calls)
    fits = {"projection": fit_projection(projection), "training": fit_training(training)}
    result = {**provenance(), "fits": fits, "projection": projection, "training": training}
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(fits, indent=2))
    for record in training:
        print(record)


if __name__ == "__main__":
    main()
