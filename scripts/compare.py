"""Compare BarrierPPO, PPO and PPO + filter on one environment: same steps, same seeds, same episodes.

    python scripts/compare.py --env PursuitEvasion-v0 --methods barrierppo ppo ppo+filter \
        --seeds 0 1 --timesteps 400000 --eval-episodes 1000 --out results/pursuit

Writes ``results.json`` and ``report.md`` with figures. What is finished is not repeated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation.learning_curve import LearningCurve
from sb3_barriernet.report import write_report
from sb3_barriernet.report.table import comparison_table
from sb3_barriernet.report.trajectories import Trajectory, find_game, record
from sb3_barriernet.zoo.comparison import METHODS, Comparison, collect
from sb3_barriernet.zoo.measurement import EVALUATION_SEED
from sb3_barriernet.zoo.results_folder import write_json


def parse_arguments() -> tuple[Comparison, int]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", required=True, help="environment id")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--timesteps", type=positive, help="training steps of every method (default: those of the YAML)"
    )
    parser.add_argument("--eval-episodes", type=positive, default=1000)
    parser.add_argument("--hide-rows", action="store_true", help="hide the barrier rows from every network")
    parser.add_argument(
        "--workers", type=positive, default=1, help="trainings at a time; wall clocks compare best with 1"
    )
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    args = parser.parse_args()
    comparison = Comparison(
        env_id=args.env,
        methods=tuple(args.methods),
        seeds=tuple(dict.fromkeys(args.seeds)),
        timesteps=args.timesteps,
        eval_episodes=args.eval_episodes,
        folder=args.out,
        hide_rows=args.hide_rows,
    )
    return comparison, args.workers


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected a whole number of at least 1")
    return number


def train_all(comparison: Comparison, workers: int) -> None:
    runs = comparison.zoo_runs()
    for run in tqdm(comparison.train(workers=workers), total=len(runs), desc="training", unit="run"):
        tqdm.write(f"trained {run.algo} on {run.env_id}, seed {run.seed}")


def evaluate_all(comparison: Comparison) -> list[dict[str, Any]]:
    pairs = [(method, seed) for method in comparison.methods for seed in comparison.seeds]
    results = []
    for method, seed in pairs:
        with tqdm(total=comparison.eval_episodes, desc=f"evaluating {method}, seed {seed}", unit="ep") as bar:
            results.append(comparison.evaluate(method, seed, lambda done, bar=bar: bar.update(done - bar.n)))
            bar.update(bar.total - bar.n)
    return results


def learning_curves(comparison: Comparison) -> dict[str, list[LearningCurve]]:
    """Curves of every algorithm that was trained; methods that share a training share its curve."""
    curves: dict[str, list[LearningCurve]] = {}
    for run in comparison.zoo_runs():
        if (curve := run.learning_curve()) is not None:
            curves.setdefault(run.algo, []).append(curve)
    return curves


def trajectories(comparison: Comparison, attempts: int = 4) -> dict[str, Trajectory]:
    """The most telling of a few episodes under every method, in frames for the first."""
    first = comparison.zoo_runs()[0]
    if find_game(first.make_env(1, EVALUATION_SEED)) is None:
        return {}
    seeds = range(EVALUATION_SEED, EVALUATION_SEED + attempts)
    chosen = max(seeds, key=lambda seed: drama(play(comparison, comparison.methods[-1], seed)))
    return {
        method: play(comparison, method, chosen, render_mode="rgb_array" if method == comparison.methods[0] else None)
        for method in comparison.methods
    }


def drama(trajectory: Trajectory) -> int:
    """How much there is to see: steps that violate, or would without the filter."""
    return int(trajectory.violation.sum() + trajectory.corrected.sum())


def play(comparison: Comparison, method: str, seed: int, render_mode: str | None = None) -> Trajectory:
    """One episode of the first training seed's agent."""
    run = comparison.zoo_run(method, comparison.seeds[0])
    return record(METHODS[method].act(run.load()), run.make_env(1, seed, render_mode=render_mode))


def compare(comparison: Comparison, workers: int) -> None:
    comparison.claim_folder()
    train_all(comparison, workers)
    results = collect(comparison, evaluate_all(comparison))
    write_json(comparison.folder / "results.json", results)
    report = write_report(comparison.folder, results, learning_curves(comparison), trajectories(comparison))
    print(comparison_table(results["runs"]))
    print(f"Report: {report}")


def main() -> None:
    try:
        compare(*parse_arguments())
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: a training failed; its own messages are above. It was: {' '.join(map(str, error.cmd))}")
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on with what is not finished.")


if __name__ == "__main__":
    main()
