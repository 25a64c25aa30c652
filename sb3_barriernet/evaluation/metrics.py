"""Numbers that describe a set of episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sb3_barriernet.evaluation.agents import Predictor
from sb3_barriernet.evaluation.episodes import EpisodeRecords, run_episodes

Metrics = dict[str, float | int | None]


def summarise_episodes(records: EpisodeRecords) -> Metrics:
    """Metrics of the comparison; rates per step unless the name says success.

    * ``success_rate``: episodes that succeed, violated or not
    * ``violation_free_success_rate``: episodes that succeed without a single violating step
    * ``violations``, ``violation_rate``: violating steps, and their share of all steps
    * ``intervention_rate``, ``infeasible_rate``: share of steps
    * ``correction_norm``: mean of ``|(u_safe - clip(u_nom)) / half_range|`` per step

    What the environment does not report is None, never zero.
    """
    steps = records.lengths.sum()
    clean = records.violation_steps == 0
    judged = bool(np.isfinite(records.violation_steps).all())
    clearance = float(np.min(records.min_clearance))
    return {
        "episodes": len(records),
        "steps": int(steps),
        "success_rate": float(records.successes.mean()),
        "violation_free_success_rate": float((records.successes.astype(bool) & clean).mean()) if judged else None,
        "violations": int(records.violation_steps.sum()) if judged else None,
        "violation_rate": float(records.violation_steps.sum() / steps) if judged else None,
        "intervention_rate": float(records.intervention_steps.sum() / steps),
        "infeasible_rate": float(records.infeasible_steps.sum() / steps),
        "correction_norm": float(records.correction_sum.sum() / steps),
        "mean_return": float(records.returns.mean()),
        "mean_length": float(records.lengths.mean()),
        "min_clearance": clearance if np.isfinite(clearance) else None,
    }


def evaluate(predictor: Predictor, env: VecEnv, num_episodes: int, **kwargs: Any) -> Metrics:
    """Play episodes and summarise them, see :func:`run_episodes` for the arguments."""
    return summarise_episodes(run_episodes(predictor, env, num_episodes, **kwargs))
