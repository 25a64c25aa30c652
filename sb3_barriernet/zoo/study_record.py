"""The numbers of a study in one list, small enough to be kept when the trainings are gone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sb3_barriernet.zoo.study import Job

Key = tuple[str, int, str]
"""Environment, seed and fingerprint of the definition: results of equal keys are interchangeable."""


class RecordedRuns:
    """Results of earlier calls, and of other studies, that count as long as they are defined as they are now.

    :param files: ``results.json`` of each; one that does not exist holds nothing
    """

    def __init__(self, *files: Path):
        recorded = [run for file in files if file.exists() for run in json.loads(file.read_text())["runs"]]
        self._runs: dict[Key, dict[str, Any]] = {
            (run["env"], run["seed"], run["definition"]): run for run in reversed(recorded)
        }

    def find(self, job: Job, method: str) -> dict[str, Any] | None:
        """The result of a method, under the name that the job gives it; None if it is not recorded."""
        run = self._runs.get((job.run.env_id, job.run.seed, job.fingerprint(method)))
        return None if run is None else {**run, "method": method}

    def cover(self, job: Job) -> bool:
        """Whether nothing of a job is missing."""
        return all(self.find(job, method) is not None for method in job.methods)


def collect(jobs: Sequence[Job], recorded: RecordedRuns) -> list[dict[str, Any]]:
    """Results of all jobs, out of the folder of the trainings or, where they are gone, of those recorded earlier."""
    found = []
    for job in jobs:
        for method in job.methods:
            result = _entry(job, method) if job.result_file(method).exists() else recorded.find(job, method)
            found += [] if result is None else [result]
    return found


def _entry(job: Job, method: str) -> dict[str, Any]:
    result = json.loads(job.result_file(method).read_text())
    origin = result.pop("provenance")
    versions = ", ".join(f"{name} {version}" for name, version in origin["versions"].items())
    return {
        **result,
        "definition": job.fingerprint(method),
        "filtered": job.is_filtered(method),
        "origin": f"{origin['machine']}; {versions}",
    }
