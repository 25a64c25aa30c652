"""BarrierPPO, PPO and PPO + filter on every environment of this repository, in one table: docs/results.md.

    python scripts/results_table.py --workers 2

The environments are the registered tasks and the examples, with the hyperparameters that hyperparams/ and
examples/hyperparams/ have for them; every training runs through the RL Zoo. What is finished is not repeated.

The numbers of each environment are kept in docs/results/table/, and the table is written anew from all of them after
every environment. So a new environment, or one trained again, needs no other:

    python scripts/results_table.py --only SafeReacher-v0
    python scripts/results_table.py --rebuild
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from sb3_barriernet.envs.registration import LITERATURE_TASKS, PURSUIT_TASKS
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.report.results_table import results_report
from sb3_barriernet.zoo.comparison import METHODS, Comparison, collect, write_json

ROOT = Path(__file__).parents[1]
EXAMPLES = "examples.zoo"
EXAMPLE_CONFIGS = ROOT / "examples" / "hyperparams"


def comparisons(arguments: argparse.Namespace) -> list[Comparison]:
    """One for every environment that has hyperparameters, in the order of the table."""
    tasks = [task for task in _blocks(arguments.conf_folder) if task in {**PURSUIT_TASKS, **LITERATURE_TASKS}]
    examples = _blocks(EXAMPLE_CONFIGS)
    shared = dict(
        methods=tuple(METHODS),
        seeds=tuple(arguments.seeds),
        timesteps=arguments.timesteps,
        eval_episodes=arguments.eval_episodes,
    )
    return [
        Comparison(
            env_id=name,
            folder=arguments.runs / name,
            config_folder=EXAMPLE_CONFIGS if name in examples else arguments.conf_folder,
            gym_packages=(EXAMPLES,) if name in examples else (),
            **shared,
        )
        for name in [*tasks, *examples]
    ]


def _blocks(folder: Path) -> list[str]:
    return list(yaml.safe_load((folder / "barrierppo.yml").read_text(encoding="utf-8")))


def choose(known: list[Comparison], only: list[str] | None) -> set[str]:
    names = [comparison.env_id for comparison in known]
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise ConfigurationError(f"Found the names {unknown}; known are {names}.")
    return set(only or names)


def compare(comparison: Comparison, workers: int) -> list[dict[str, Any]]:
    """Train and evaluate what is missing; the metrics of all runs."""
    comparison.claim_folder()
    name, runs = comparison.env_id, comparison.zoo_runs()
    for run in tqdm(comparison.train(workers=workers, progress=False), total=len(runs), desc=f"training {name}"):
        tqdm.write(f"trained {run.algo} on {name}, seed {run.seed}")
    pairs = [(method, seed) for method in comparison.methods for seed in comparison.seeds]
    return [comparison.evaluate(method, seed) for method, seed in tqdm(pairs, desc=f"evaluating {name}")]


def record(comparison: Comparison, runs: list[dict[str, Any]], folder: Path) -> None:
    """Keep the metrics and where they are from; those that are kept already stay as they are."""
    earlier = recorded([comparison], folder).get(comparison.env_id)
    if earlier is None or earlier["runs"] != runs:
        settings = {"hyperparameters": comparison.settings()["hyperparameters"]}
        write_json(folder / f"{comparison.env_id}.json", collect(comparison, runs) | settings)


def recorded(known: list[Comparison], folder: Path) -> dict[str, dict[str, Any]]:
    """The results of every environment that has some, in the order of the table."""
    paths = {comparison.env_id: folder / f"{comparison.env_id}.json" for comparison in known}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}


def write_table(table: Path, known: list[Comparison], folder: Path) -> None:
    """The table of everything that is recorded."""
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(results_report(recorded(known, folder)), encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="ID", help="environment ids")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--timesteps", type=int, help="training steps (default: those of the YAML)")
    parser.add_argument("--eval-episodes", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--conf-folder", type=Path, default=ROOT / "hyperparams", help="YAML of the registered tasks")
    parser.add_argument("--rebuild", action="store_true", help="train nothing: write the table from what is recorded")
    parser.add_argument("--runs", type=Path, default=ROOT / "results" / "table", help="folder of the trainings")
    parser.add_argument("--records", type=Path, default=ROOT / "docs" / "results" / "table", help="the numbers")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results.md", help="the table")
    return parser.parse_args()


def train(known: list[Comparison], arguments: argparse.Namespace) -> list[str]:
    """Record what is chosen, one environment after the other, and the table each time; those that failed."""
    chosen, failed = choose(known, arguments.only), []
    for comparison in known:
        if comparison.env_id not in chosen:
            continue
        try:
            record(comparison, compare(comparison, arguments.workers), arguments.records)
        except subprocess.CalledProcessError as error:
            tqdm.write(f"error: a training failed; repeat it to see why: {' '.join(map(str, error.cmd))}")
            failed.append(comparison.env_id)
        write_table(arguments.out, known, arguments.records)
    return failed


def main() -> None:
    arguments = parse_arguments()
    known = comparisons(arguments)
    failed = [] if arguments.rebuild else train(known, arguments)
    write_table(arguments.out, known, arguments.records)
    if failed:
        sys.exit(f"error: not trained: {', '.join(failed)}. The same command tries them again.")
    print(arguments.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # here and in the trainings: the examples
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    try:
        main()
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on with what is not finished.")
