"""Run a study: methods x environments x seeds from one YAML file, see sb3_barriernet/zoo/study.py.

    python scripts/study.py studies/learning.yml --workers 2 --out results/learning --report docs/results/learning

What is finished is not repeated: the same command goes on after a kill at any moment, or with more seeds and methods.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.report.study import write_study_report
from sb3_barriernet.zoo.comparison import write_json
from sb3_barriernet.zoo.study import Job, read_study
from sb3_barriernet.zoo.study_job import claim
from sb3_barriernet.zoo.workers import run_locally

ROOT = Path(__file__).parents[1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="YAML file of the study")
    parser.add_argument("--out", type=Path, required=True, help="folder of trainings and results")
    parser.add_argument("--report", type=Path, help="folder of the report (default: the --out folder)")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    return parser.parse_args()


def run(jobs: Sequence[Job], workers: int) -> list[str]:
    """Run what is not finished; what failed, in words."""
    waiting = [job for job in jobs if not job.is_finished]
    failures = []
    with tqdm(total=len(jobs), initial=len(jobs) - len(waiting), desc="study", unit="job") as bar:
        for job, failure in run_locally(waiting, workers):
            bar.update()
            tqdm.write(f"{job.name} {failure or 'is done'}")
            failures += [f"{job.name} {failure}"] if failure else []
    return failures


def results(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    files = [job.result_file(method) for job in jobs for method in job.methods]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def main() -> None:
    arguments = parse_arguments()
    jobs = read_study(arguments.study).jobs(arguments.out)
    for job in jobs:
        claim(job)
    failures = run(jobs, arguments.workers)
    report = arguments.report or arguments.out
    write_json(report / "results.json", {"study": arguments.study.stem, **provenance(), "runs": results(jobs)})
    print(f"Report: {write_study_report(report)}")
    if failures:
        sys.exit("error: not in the report:\n" + "\n".join(failures) + "\nThe same command tries them again.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # here and in the trainings: the examples
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    try:
        main()
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on with what is not finished.")
