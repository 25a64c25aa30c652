"""The numbers of a study in one list, small enough to be kept when the trainings are gone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sb3_barriernet.zoo.study import Job


def collect(jobs: Sequence[Job], earlier: Path) -> list[dict[str, Any]]:
    """Results of all jobs, out of the folder of the trainings or, where they are gone, of an earlier list.

    :param earlier: ``results.json`` of an earlier call; its runs count as long as they are defined as they are now
    """
    recorded = json.loads(earlier.read_text())["runs"] if earlier.exists() else []
    known = {(run["env"], run["method"], run["seed"], run["definition"]): run for run in recorded}
    found = []
    for job in jobs:
        for method in job.methods:
            key = (job.run.env_id, method, job.run.seed, job.fingerprint(method))
            if job.result_file(method).exists():
                found.append(_entry(job, method))
            elif key in known:
                found.append(known[key])
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
