"""Run a study: methods x environments x seeds from one YAML file, see sb3_barriernet/zoo/study.py.

    python scripts/study.py studies/learning.yml --workers 2
    python scripts/study.py studies/every_environment.yml --workers 2 --only SafeReacher-v0

What is finished is not repeated: the same command goes on after a kill at any moment, or with more seeds and methods.
Studies may share the --out folder, and then share what they have in common. The report is written from the numbers in
the --report folder, ``results.json``, which keeps those of earlier calls as long as they mean the same. --reuse takes
over what the reports of other studies hold, if it means the same, instead of training again.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from sb3_barriernet.errors import ConfigurationError, MissingPackageError
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.report.study import write_study_report
from sb3_barriernet.zoo.results_folder import write_json
from sb3_barriernet.zoo.study import Job, read_study
from sb3_barriernet.zoo.study_job import claim_folder
from sb3_barriernet.zoo.study_record import RecordedRuns, collect
from sb3_barriernet.zoo.workers import run_locally, run_on_dask

ROOT = Path(__file__).parents[1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="YAML file of the study")
    parser.add_argument("--only", nargs="+", metavar="ID", help="run these environments of the study only")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "studies", help="folder of the trainings")
    parser.add_argument("--report", type=Path, help="folder of the report (default: docs/results/<name of the study>)")
    parser.add_argument("--reuse", type=Path, nargs="+", default=[], metavar="REPORT", help="folders of other reports")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--dask", metavar="ADDRESS", help="run on a Dask cluster: the address of its scheduler")
    return parser.parse_args()


def choose(jobs: Sequence[Job], only: list[str] | None) -> list[Job]:
    known = list(dict.fromkeys(job.run.env_id for job in jobs))
    if unknown := sorted(set(only or ()) - set(known)):
        raise ConfigurationError(f"Found --only {' '.join(unknown)}; the environments of this study are {known}.")
    return [job for job in jobs if not only or job.run.env_id in only]


def read_reused(folders: Sequence[Path]) -> RecordedRuns:
    """The numbers of other reports."""
    files = [folder / "results.json" for folder in folders]
    if missing := [str(file) for file in files if not file.exists()]:
        raise ConfigurationError(f"Found no {', '.join(missing)}; --reuse takes folders that hold a results.json.")
    return RecordedRuns(*files)


def run(jobs: Sequence[Job], reused: RecordedRuns, workers: int, dask: str | None) -> list[str]:
    """Run what is neither finished nor known; what failed, in words."""
    waiting = [job for job in jobs if not (job.is_finished or reused.cover(job))]
    failures = []
    with tqdm(total=len(jobs), initial=len(jobs) - len(waiting), desc="study", unit="job") as bar:
        for job, failure in run_on_dask(waiting, dask) if dask else run_locally(waiting, workers):
            bar.update()
            tqdm.write(f"{job.name} {failure or 'is done'}")
            failures += [f"{job.name} {failure}"] if failure else []
    return failures


def main() -> None:
    arguments = parse_arguments()
    jobs, reused = read_study(arguments.study).jobs(arguments.out.resolve()), read_reused(arguments.reuse)
    chosen = choose(jobs, arguments.only)
    for job in chosen:
        claim_folder(job)
    failures = run(chosen, reused, arguments.workers, arguments.dask)
    report = arguments.report or ROOT / "docs" / "results" / arguments.study.stem.replace("_", "-")
    file = report / "results.json"
    recorded = RecordedRuns(file, *(folder / "results.json" for folder in arguments.reuse))
    write_json(file, {"study": arguments.study.stem, **provenance(), "runs": collect(jobs, recorded)})
    print(f"Report: {write_study_report(report)}")
    if failures:
        sys.exit("error: not in the report:\n" + "\n".join(failures) + "\nThe same command tries them again.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # here and in the trainings: the examples
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    try:
        main()
    except (ConfigurationError, MissingPackageError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on with what is not finished.")
