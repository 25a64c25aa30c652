"""The log of what a filter inside the environment did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from sb3_barriernet.projection.filter_info import BARRIER_MIN, CORRECTION, INTERVENTION, STATUS, refuse_unfiltered
from sb3_barriernet.projection.status import Status


@dataclass
class FilterStatistics:
    """Running statistics of filtered steps, named and defined as BarrierPPO's.

    :param intervention_rate: steps whose action a row changed
    :param infeasible_rate: steps at which no action satisfied all rows
    :param correction_norm: mean of ``|(u_safe - clip(u_nom)) / half_range|``
    :param barrier_min: smallest restoring term of the rows in use
    :param violation_rate: steps that the environment calls a violation, NaN if it says nothing about it
    """

    steps: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    barrier_min: float = np.inf

    def add(self, info: dict[str, Any]) -> None:
        self.steps += 1
        self.barrier_min = min(self.barrier_min, info[BARRIER_MIN])
        entries = {
            "intervention_rate": float(info[INTERVENTION]),
            "infeasible_rate": float(info[STATUS] == Status.INFEASIBLE),
            "correction_norm": info[CORRECTION],
            "violation_rate": float(info.get("violation", np.nan)),
        }
        for name, value in entries.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def values(self) -> dict[str, float]:
        means = {name: total / self.steps for name, total in self.sums.items()}
        return {"barrier_min": self.barrier_min, **{name: mean for name, mean in means.items() if not np.isnan(mean)}}


class FilterLog(BaseCallback):
    """Logs what the filters of :class:`~sb3_barriernet.FilteredEnv` did, under the keys of BarrierPPO.

    ``rollout/intervention_rate``, ``rollout/correction_norm``, ``rollout/infeasible_rate``, ``rollout/barrier_min``,
    and ``rollout/violation_rate`` if the environment reports violations: over all steps since the log was written
    last. Use: ``model.learn(10_000, callback=FilterLog())``.

    :raises ConfigurationError: at the first step, if the environment filters nothing
    """

    def __init__(self) -> None:
        super().__init__()
        self.statistics = FilterStatistics()

    def _on_step(self) -> bool:
        if "rollout/intervention_rate" not in self.logger.name_to_value:  # just written, or never
            self.statistics = FilterStatistics()
        refuse_unfiltered(self.locals["infos"])
        for info in self.locals["infos"]:
            self.statistics.add(info)
        for name, value in self.statistics.values().items():
            self.logger.record(f"rollout/{name}", value)
        return True
