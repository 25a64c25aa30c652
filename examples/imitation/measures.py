"""Drives from where no demonstration began, judged by geometry."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from examples.imitation.task import Controller, Drive, ImitationTask, drive
from sb3_barriernet.rows import split_rows


class Test(NamedTuple):
    """A task with starts, the published one first, and what experts do from there."""

    task: ImitationTask
    starts: np.ndarray
    expert: Drive
    """Of this very task."""
    shown: Drive
    """Of the task that was demonstrated; the same, unless an obstacle has grown."""


def make_test(task: ImitationTask, shown: ImitationTask, num: int, seed: int) -> Test:
    """``num`` starts beside the published one, the same for every size of an obstacle."""
    others = shown.starts(num, np.random.default_rng(seed))
    starts = np.concatenate([shown.published_start[None], others])
    return Test(task, starts, drive(task, task.expert, starts), drive(shown, shown.expert, starts))


def measure(driven: Drive, test: Test) -> dict[str, Any]:
    """Clearance and errors of a controller's drives.

    *Action error* is the mean square of the difference to the expert's action at the same time, each in its own drive:
    the published definition, in which an expert does not hear of a grown obstacle. The *informed* expert does.
    """
    clearance = test.task.clearance(driven.states)
    error, informed = _error(driven, test.shown), _error(driven, test.expert)
    return {
        "published_measure": test.task.published_measure(driven.states[:, 0]),
        "clearance": float(clearance[:, 0].min()),
        "least_clearance": float(clearance.min()),
        "violating_drives": float((clearance.min(axis=0) < 0.0).mean()),
        "action_error": float(error[0]),
        "mean_action_error": float(error.mean()),
        "informed_error": float(informed[0]),
        "mean_informed_error": float(informed.mean()),
        "broken_rows": _broken_rows(driven, test.task),
    }


def open_loop_error(act: Controller, task: ImitationTask, expert: Drive) -> float:
    """Mean square of the difference to the expert's action in the states of the expert's drives."""
    pairs = zip(expert.states[:-1], expert.actions, strict=True)
    return float(np.mean([(act(x, task.rows(x)) - u) ** 2 for x, u in pairs]))


def _error(driven: Drive, reference: Drive) -> np.ndarray:
    """Of each drive, ``(B,)``."""
    return ((driven.actions - reference.actions) ** 2).mean(axis=(0, 2))


def _broken_rows(driven: Drive, task: ImitationTask) -> int:
    """Steps whose action breaks a row of the task at the greatest gain, by more than round-off."""
    A, c = split_rows(task.rows(driven.states[:-1]))
    residual = (A @ driven.actions[..., None])[..., 0] + c
    return int((residual.min(axis=-1) < -1e-9).sum())
