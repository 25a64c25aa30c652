"""What the trainings of a study were like on the way, in few enough points to be kept when they are gone."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from sb3_barriernet.zoo.runs import ZooRun
from sb3_barriernet.zoo.study import Job

POINTS = 50
"""Points of a curve, equally far apart in steps."""


def training_curves(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """One entry a finished training: ``steps``, ``success``, ``safe_success``, ``returns`` and ``violations``, each
    ``(POINTS,)``, as in :class:`~sb3_barriernet.evaluation.learning_curve.LearningCurve`; and ``interventions``, pairs
    of steps and corrected steps so far, empty where the training kept no history.

    A training is called after the first method that uses it.
    """
    return [_entry(job) for job in jobs if job.run.is_finished]


def _entry(job: Job) -> dict[str, Any]:
    origin = {"env": job.run.env_id, "method": next(iter(job.methods)), "seed": job.run.seed}
    return {**origin, **_curve(job.run), "interventions": _interventions(job.run)}


def _curve(run: ZooRun) -> dict[str, list[float]]:
    curve = run.learning_curve()
    if curve is None or not len(curve.steps):
        return {}
    steps = np.linspace(curve.steps[0], curve.steps[-1], POINTS)
    columns = {
        name: np.interp(steps, curve.steps, getattr(curve, name)).round(4).tolist()
        for name in ("success", "safe_success", "returns", "violations")
    }
    return {"steps": steps.round().tolist(), **columns}


def _interventions(run: ZooRun) -> list[tuple[int, int]]:
    with zipfile.ZipFile(run.model_file) as archive:
        record = json.loads(archive.read("data")).get("training_record", {})
    history = record.get("history", [])
    places = np.unique(np.linspace(0, len(history) - 1, min(POINTS, len(history))).astype(int))
    return [(history[i][0], history[i][2]) for i in places]
