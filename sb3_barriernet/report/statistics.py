"""What a handful of seeds says, and with which certainty (Agarwal et al. 2021, "Deep RL at the edge of the precipice").

Scores come as one array a task, one entry a seed. Tasks may have different numbers of seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Scores = Sequence[np.ndarray]
"""One array ``(seeds,)`` a task."""

RESAMPLES = 2000
CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""Of 97.5 %: two-sided 95 % of a normal distribution."""


class Interval(NamedTuple):
    """An estimate and the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float


def interquartile_mean(scores: Scores) -> float:
    """Mean of the middle half of all runs, as robust as the median and twice as efficient.

    A quarter of the runs, rounded down, is left out at either end.
    """
    pooled = np.sort(np.concatenate([np.asarray(of_task, dtype=float) for of_task in scores]))
    cut = len(pooled) // 4
    return float(pooled[cut : len(pooled) - cut].mean())


def bootstrap_interval(
    scores: Scores,
    statistic: Callable[[Scores], float] = interquartile_mean,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a statistic by the stratified bootstrap: seeds are drawn anew within each task.

    :param scores: of one method
    :param seed: of the resampling, so that a report repeats itself
    """
    rng = np.random.default_rng(seed)
    drawn = [statistic([_resampled(of_task, rng) for of_task in scores]) for _ in range(resamples)]
    return Interval(statistic(scores), *_percentiles(drawn))


def performance_profile(scores: Scores, thresholds: np.ndarray) -> np.ndarray:
    """Share of runs that score *above* each threshold, mean over tasks ``(T,)``: the distribution at a glance."""
    return np.mean([(np.asarray(of_task)[:, None] > thresholds).mean(axis=0) for of_task in scores], axis=0)


def probability_of_improvement(ours: Scores, theirs: Scores) -> float:
    """How often a run of ours beats one of theirs on a random task, ties counting half: Mann-Whitney's ``U / n m``."""
    return float(np.mean([_wins(np.asarray(x), np.asarray(y)) for x, y in zip(ours, theirs, strict=True)]))


def improvement_interval(ours: Scores, theirs: Scores, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """:func:`probability_of_improvement` with its interval, both methods resampled within each task."""
    rng = np.random.default_rng(seed)
    drawn = [
        probability_of_improvement([_resampled(x, rng) for x in ours], [_resampled(y, rng) for y in theirs])
        for _ in range(resamples)
    ]
    return Interval(probability_of_improvement(ours, theirs), *_percentiles(drawn))


def difference_interval(ours: np.ndarray, theirs: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Difference of two means with its percentile interval, the effect size of an ablation on one task.

    Of two or three seeds it is a sketch of the spread, no more.
    """
    rng = np.random.default_rng(seed)
    drawn = [float(_resampled(ours, rng).mean() - _resampled(theirs, rng).mean()) for _ in range(resamples)]
    return Interval(float(np.mean(ours) - np.mean(theirs)), *_percentiles(drawn))


def wilson_interval(successes: int, trials: int) -> Interval:
    """Wilson's score interval of a rate, which stays within [0, 1] and works at its ends (Wilson 1927)."""
    rate, z2 = successes / trials, NORMAL_QUANTILE**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = NORMAL_QUANTILE / (1 + z2 / trials) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    return Interval(rate, max(centre - half, 0.0), min(centre + half, 1.0))


def rule_of_three(trials: int) -> float:
    """Upper end of the one-sided 95 % interval of a rate of which no case was seen: ``3 / trials``."""
    return 3.0 / trials


def _resampled(of_task: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(of_task)[rng.integers(len(of_task), size=len(of_task))]


def _percentiles(drawn: list[float]) -> tuple[float, float]:
    low, high = np.percentile(drawn, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return float(low), float(high)


def _wins(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float((np.sign(ours[:, None] - theirs[None, :]) / 2.0 + 0.5).mean())
