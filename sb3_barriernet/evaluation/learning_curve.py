"""From the training episodes that Monitor wrote to curves over environment steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from stable_baselines3.common.monitor import get_monitor_files

WINDOW = 200
"""Episodes in the moving average of a learning curve."""

FEWEST = 50
"""Episodes in its first point."""

MONITORED = frozenset({"is_success", "violation_steps"})
"""What ``Monitor`` must log for a learning curve, by ``info_keywords``."""


@dataclass(frozen=True)
class LearningCurve:
    """One entry per finished training episode, moving averages over the last :data:`WINDOW` episodes.

    The first :data:`FEWEST` episodes are left out: the first to finish are the short ones.

    :param steps: environment steps when the episode ended, ``(E,)``
    :param success: share of episodes that succeeded
    :param safe_success: share that succeeded without a violating step
    :param returns: mean return
    :param violations: violating steps so far, not averaged
    """

    steps: np.ndarray
    success: np.ndarray
    safe_success: np.ndarray
    returns: np.ndarray
    violations: np.ndarray

    def steps_to(self, level: float) -> int | None:
        """Steps until ``safe_success`` first reaches ``level`` over a full window; None if it never does."""
        first_full = WINDOW - FEWEST
        reached = np.flatnonzero(self.safe_success[first_full:] >= level)
        return int(self.steps[first_full + reached[0]]) if len(reached) else None


def read_episodes(folder: Path) -> pd.DataFrame:
    """Training episodes of all Monitor files in a folder, in the order in which they ended.

    All environments step together, so an episode ends at the number of environments times the steps of its own
    environment. (SB3's ``load_results`` sorts by wall clock and knows only the lengths of *finished* episodes.)

    :return: Monitor's columns, and ``steps``
    """
    files = sorted(get_monitor_files(str(folder)))
    frames = [pd.read_csv(file, skiprows=1) for file in files]
    for frame in frames:
        frame["steps"] = len(files) * frame["l"].cumsum()
    frames = [frame for frame in frames if len(frame)] or frames[:1]  # an environment may not have ended an episode yet
    return pd.concat(frames, ignore_index=True).sort_values("steps", kind="stable", ignore_index=True)


def learning_curve(episodes: pd.DataFrame) -> LearningCurve:
    """Learning curve of episodes whose Monitor logged ``is_success`` and ``violation_steps``.

    :param episodes: from :func:`read_episodes`
    """
    success = episodes["is_success"].to_numpy(dtype=float)
    violation_steps = episodes["violation_steps"].to_numpy(dtype=float)
    return LearningCurve(
        steps=episodes["steps"].to_numpy()[FEWEST - 1 :],
        success=_moving_average(success),
        safe_success=_moving_average(success * (violation_steps == 0)),
        returns=_moving_average(episodes["r"].to_numpy(dtype=float)),
        violations=np.cumsum(violation_steps)[FEWEST - 1 :],
    )


def _moving_average(values: np.ndarray) -> np.ndarray:
    """Mean of the last ``WINDOW`` values, of fewer at the beginning, from the ``FEWEST``-th on."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - WINDOW, 0)
    return ((total[end] - total[start]) / (end - start))[FEWEST - 1 :]
