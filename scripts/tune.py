"""Tune hyperparameters with the RL Zoo's tuner, and try what it finds where it has not looked.

    python scripts/tune.py studies/tuning.yml --workers 2
    python scripts/tune.py studies/tuning.yml --trials 100 --timesteps 100000 --workers 2

The block of every method is tuned, on each of its environments. The best trial is trained beside it for the whole
budget, on the study's seeds, and a rule that the report states says which of the two is better. What is
finished is not repeated: the same command goes on after a kill at any moment, or with more trials. --reuse takes over
what the reports of other studies hold, if it means the same, instead of training again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from tqdm import tqdm

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.report.tuning import decisive_objections, write_tuning_report
from sb3_barriernet.zoo.results_folder import write_json
from sb3_barriernet.zoo.study import Job, read_study
from sb3_barriernet.zoo.study_record import RecordedRuns, collect
from sb3_barriernet.zoo.tuning import TUNING_SEED, Tuning, TuningBudget, tunings, with_best_trials
from sb3_barriernet.zoo.workers import run_locally

ROOT = Path(__file__).parents[1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="YAML file of a study whose methods are tuned")
    parser.add_argument("--trials", type=int, default=8, help="of each method on each environment")
    parser.add_argument("--startup-trials", type=int, default=4, help="of them drawn at random, and not pruned")
    parser.add_argument("--timesteps", type=int, default=25_000, help="training steps of a trial")
    parser.add_argument("--evaluations", type=int, default=2, help="of a trial, on the way")
    parser.add_argument("--eval-episodes", type=int, default=10, help="of each of them")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "tuning", help="folder of trials and trainings")
    parser.add_argument("--report", type=Path, help="folder of the report (default: docs/results/<name of the study>)")
    parser.add_argument("--reuse", type=Path, nargs="+", default=[], metavar="REPORT", help="folders of other reports")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    return parser.parse_args()


def compare(tuning: Tuning, jobs: Sequence[Job], recorded: RecordedRuns, workers: int) -> list[str]:
    """Train the shipped block, and the tuned one; what failed, in words.

    That of BarrierPPO only for as long as it may replace the shipped one.
    """
    here = [job for job in jobs if job.run.env_id == tuning.run.env_id]
    shipped, tuned = ([job for job in here if name in job.methods] for name in (tuning.method, tuning.best_name()))
    failures = train(shipped, recorded, workers)
    for job in tuned:
        failures += train([job], recorded, workers)
        of_shipped, of_tuned = collect(shipped, recorded), collect(tuned, recorded)
        measured = bool(of_shipped and of_tuned)
        if measured and tuning.run.algo == "barrierppo" and decisive_objections(of_shipped, of_tuned):
            break
    return failures


def train(jobs: Sequence[Job], recorded: RecordedRuns, workers: int) -> list[str]:
    """Train and measure what is neither finished nor known; what failed, in words."""
    waiting = [job for job in jobs if not (job.is_finished or recorded.cover(job))]
    return [f"{job.name} {failure}" for job, failure in run_locally(waiting, workers) if failure]


def entry(tuning: Tuning) -> dict[str, Any]:
    """What was tried on an environment, and the values that the best trial would replace."""
    block, shipped = tuning.best_block(), tuning.run.effective_hyperparameters
    trials = [
        {"number": trial.number, "state": trial.state.name, "value": trial.value, "params": trial.params}
        for trial in tuning.finished_trials()
    ]
    return {
        "env": tuning.run.env_id,
        "method": tuning.method,
        "algo": tuning.run.algo,
        "trials": trials,
        "best": tuning.best_trial().number,
        "best_name": tuning.best_name(),
        "shipped": {name: shipped.get(name) for name in block},
        "tuned": block,
    }


def main() -> None:
    arguments = parse_arguments()
    names = ("trials", "startup_trials", "timesteps", "evaluations", "eval_episodes")
    budget = TuningBudget(**{name: getattr(arguments, name) for name in names})
    out, report = arguments.out.resolve(), arguments.report or ROOT / "docs" / "results" / arguments.study.stem
    study, file = read_study(arguments.study), report / "results.json"
    recorded = RecordedRuns(file, *(folder / "results.json" for folder in arguments.reuse))
    about = {**provenance(), "budget": asdict(budget), "tuning_seed": TUNING_SEED, "seeds": study.seeds}
    tuned: list[Tuning] = []
    failures: list[str] = []
    for tuning in tqdm(tunings(study, budget, out), desc="tuning", unit="block"):
        tuning.go_on()
        tuned.append(tuning)
        jobs = with_best_trials(study, tuned).jobs(out)
        failures += compare(tuning, jobs, recorded, arguments.workers)
        found = [entry(tuning) for tuning in tuned]
        write_json(file, {**about, "tunings": found, "runs": collect(jobs, recorded)})
        tqdm.write(f"Report: {write_tuning_report(report)}")
    if failures:
        sys.exit("error: not in the report:\n" + "\n".join(failures) + "\nThe same command tries them again.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # here and in the trainings: the examples
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        main()
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: the tuner failed, see the tuner.log beside its trials: {' '.join(error.cmd)}")
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on with what is not finished.")
