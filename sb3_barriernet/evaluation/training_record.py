"""Counts what happens to safety during training, for any SB3 algorithm."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.projection import Status
from sb3_barriernet.projection.filter_info import STATUS

HISTORY_PERIOD = 2000
"""Fewest environment steps between two points of a record's history."""


@dataclass
class TrainingRecord:
    """Totals over all training steps so far.

    :param steps: environment steps
    :param violations: steps with ``info["violation"]``; None if the environment does not report it
    :param interventions: steps whose action a barrier row changed
    :param infeasible: steps at which no action satisfied all rows
    :param wall_s: seconds spent in ``learn``, evaluation callbacks included
    :param history: ``[steps, violations, interventions]`` as they were at the ends of rollouts, at least
        :data:`HISTORY_PERIOD` steps apart
    """

    steps: int = 0
    violations: int | None = 0
    interventions: int = 0
    infeasible: int = 0
    wall_s: float = 0.0
    history: list[list[int | None]] = field(default_factory=list)


class TrainingRecorder(BaseCallback):
    """Keeps a :class:`TrainingRecord` as ``model.training_record``, so it is saved and resumed with the model.

    In the Zoo's YAML: ``callback: sb3_barriernet.evaluation.TrainingRecorder``.
    """

    def _on_training_start(self) -> None:
        self.record = TrainingRecord(**getattr(self.model, "training_record", {}))
        self.wall_before, self._noted = self.record.wall_s, self.record.steps
        self.started = time.perf_counter()

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self.record.steps += len(infos)
        if self.record.violations is not None:
            reported = "violation" in infos[0]
            self.record.violations = self.record.violations + sum(i["violation"] for i in infos) if reported else None
        status = self._filter_status(infos)
        self.record.interventions += int(np.count_nonzero(status >= Status.ACTIVE))
        self.record.infeasible += int(np.count_nonzero(status == Status.INFEASIBLE))
        return True

    def _filter_status(self, infos: list[dict[str, Any]]) -> np.ndarray:
        """What a filter said about each action, be it in the algorithm or in the environment; empty without one."""
        projection = self.locals.get("projection")
        if projection is not None:
            return projection.status.cpu().numpy()
        return np.array([info[STATUS] for info in infos if STATUS in info])

    def _on_rollout_end(self) -> None:
        record = self.record
        if record.steps - self._noted >= HISTORY_PERIOD:
            record.history.append([record.steps, record.violations, record.interventions])
            self._noted = record.steps
        self._store()
        if self.record.violations is not None:
            self.logger.record("safety/train_violations", self.record.violations)

    def _on_training_end(self) -> None:
        self._store()

    def _store(self) -> None:
        self.record.wall_s = self.wall_before + time.perf_counter() - self.started
        self.model.training_record = asdict(self.record)  # type: ignore[attr-defined]


def training_record(model: Any) -> TrainingRecord:
    """The record kept with a model.

    :raises ConfigurationError: if it was trained without a :class:`TrainingRecorder`
    """
    if not hasattr(model, "training_record"):
        raise ConfigurationError(
            f"Found a {type(model).__name__} without a training record; nothing is known about its training. "
            "Train it with `callback=TrainingRecorder()`, in the Zoo's YAML "
            "`callback: sb3_barriernet.evaluation.TrainingRecorder`."
        )
    return TrainingRecord(**model.training_record)
