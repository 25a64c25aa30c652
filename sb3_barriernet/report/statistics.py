"""What a handful of seeds says, and with which certainty (Agarwal et al. 2021, "Deep RL at the edge of the precipice").

Scores come as one array a task, the seeds on its last axis. Tasks may have different numbers of seeds. Statistics of
resamples are taken in one call: leading axes are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Scores = Sequence[np.ndarray]
"""One array ``(..., seeds)`` a task."""

RESAMPLES = 2000
CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""Of 97.5 %: two-sided 95 % of a normal distribution."""


class Interval(NamedTuple):
    """An estimate and the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float


def interquartile_mean(scores: Scores) -> np.ndarray:
    """Mean ``(...)`` of the middle half of all runs, as robust as the median and twice as efficient.

    A quarter of the runs, rounded down, is left out at either end.
    """
    pooled = np.sort(np.concatenate([np.asarray(of_task, dtype=float) for of_task in scores], axis=-1), axis=-1)
    num = pooled.shape[-1]
    return pooled[..., num // 4 : num - num // 4].mean(axis=-1)


def bootstrap_interval(
    scores: Scores,
    statistic: Callable[[Scores], np.ndarray] = interquartile_mean,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a statistic by the stratified bootstrap: seeds are drawn anew within each task.

    :param scores: of one method, ``(seeds,)`` a task
    :param seed: of the resampling, so that a report repeats itself
    """
    rng = np.random.default_rng(seed)
    drawn = statistic([_resampled(of_task, resamples, rng) for of_task in scores])
    return _interval(statistic(scores), drawn)


def performance_profile(scores: Scores, thresholds: np.ndarray) -> np.ndarray:
    """Share of runs that score *above* each threshold, mean over tasks ``(T,)``: the distribution at a glance."""
    return np.mean([(np.asarray(of_task)[:, None] > thresholds).mean(axis=0) for of_task in scores], axis=0)


def probability_of_improvement(ours: Scores, theirs: Scores) -> np.ndarray:
    """How often a run of ours beats one of theirs on a random task, ties counting half: Mann-Whitney's ``U / n m``."""
    return np.mean([_wins(np.asarray(x), np.asarray(y)) for x, y in zip(ours, theirs, strict=True)], axis=0)


def improvement_interval(ours: Scores, theirs: Scores, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """:func:`probability_of_improvement` with its interval, both methods resampled within each task."""
    rng = np.random.default_rng(seed)
    drawn = [[_resampled(of_task, resamples, rng) for of_task in scores] for scores in (ours, theirs)]
    return _interval(probability_of_improvement(ours, theirs), probability_of_improvement(*drawn))


def difference_interval(ours: np.ndarray, theirs: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Difference of two means with its percentile interval, the effect size of an ablation on one task.

    Of two or three seeds it is a sketch of the spread, no more.
    """
    rng = np.random.default_rng(seed)
    drawn = [_resampled(of_seeds, resamples, rng).mean(axis=-1) for of_seeds in (ours, theirs)]
    return _interval(np.mean(ours) - np.mean(theirs), drawn[0] - drawn[1])


def wilson_interval(successes: int, trials: int) -> Interval:
    """Wilson's score interval of a rate, which stays within [0, 1] and works at its ends (Wilson 1927)."""
    rate, z2 = successes / trials, NORMAL_QUANTILE**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = NORMAL_QUANTILE / (1 + z2 / trials) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    return Interval(rate, max(centre - half, 0.0), min(centre + half, 1.0))


def rule_of_three(trials: int) -> float:
    """Upper end of the one-sided 95 % interval of a rate of which no case was seen: ``3 / trials``."""
    return 3.0 / trials


def _resampled(of_task: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """As many seeds as there are, drawn with replacement, ``(resamples, seeds)``."""
    return np.asarray(of_task)[rng.integers(len(of_task), size=(resamples, len(of_task)))]


def _interval(estimate: np.ndarray | float, drawn: np.ndarray) -> Interval:
    low, high = np.percentile(drawn, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return Interval(float(estimate), float(low), float(high))


def _wins(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return (np.sign(ours[..., :, None] - theirs[..., None, :]) / 2.0 + 0.5).mean(axis=(-2, -1))
