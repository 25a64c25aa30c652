"""Statistics are what their definitions say, by slow and obvious oracles."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from sb3_barriernet.report.statistics import (
    bootstrap_interval,
    difference_interval,
    improvement_interval,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    rule_of_three,
    wilson_interval,
)

RNG = np.random.default_rng(0)
OURS = [RNG.normal(0.7, 0.1, 10), RNG.normal(0.4, 0.1, 7)]
THEIRS = [RNG.normal(0.6, 0.1, 10), RNG.normal(0.4, 0.1, 5)]


@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 10, 17])
def test_the_interquartile_mean_is_scipys_trimmed_mean(num):
    scores = RNG.normal(size=num)
    assert interquartile_mean([scores]) == pytest.approx(stats.trim_mean(scores, 0.25))


def test_tasks_are_pooled_and_one_bad_run_is_no_matter():
    assert interquartile_mean(OURS) == pytest.approx(stats.trim_mean(np.concatenate(OURS), 0.25))
    assert interquartile_mean([np.array([1.0] * 9 + [-1e9])]) == 1.0


def test_the_interval_of_a_mean_is_the_one_that_scipy_finds():
    mine = bootstrap_interval([OURS[0]], lambda scores: scores[0].mean(axis=-1), resamples=4000)
    theirs = stats.bootstrap((OURS[0],), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert mine.estimate == pytest.approx(OURS[0].mean())
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.005)


def test_seeds_are_drawn_anew_within_their_task_only():
    seen = []

    def statistic(scores):
        seen.append(scores)
        return interquartile_mean(scores)

    bootstrap_interval(OURS, statistic, resamples=50)
    drawn = next(scores for scores in seen if scores[0].ndim == 2)
    assert [of_task.shape for of_task in drawn] == [(50, len(of_task)) for of_task in OURS]
    assert all(np.isin(again, of_task).all() for again, of_task in zip(drawn, OURS, strict=True))
    constant = bootstrap_interval([np.full(5, 1.0), np.full(3, 0.0)], resamples=50)  # nothing varies within a task
    assert constant.low == constant.estimate == constant.high


def test_all_resamples_at_once_are_each_by_itself():
    batch = [RNG.normal(size=(20, 7)), RNG.normal(size=(20, 4))]
    others = [RNG.normal(size=(20, 5)), RNG.normal(size=(20, 6))]
    each = [interquartile_mean([of_task[i] for of_task in batch]) for i in range(20)]
    assert interquartile_mean(batch) == pytest.approx(np.array(each))
    each = [probability_of_improvement([x[i] for x in batch], [y[i] for y in others]) for i in range(20)]
    assert probability_of_improvement(batch, others) == pytest.approx(np.array(each))


def test_a_report_repeats_itself():
    assert bootstrap_interval(OURS) == bootstrap_interval(OURS)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        low, high = bootstrap_interval([rng.normal(size=30)], resamples=200)[1:]
        held += low <= 0.0 <= high
    assert 170 <= held <= 199


def test_a_profile_counts_the_runs_above_a_threshold():
    thresholds = np.linspace(0.0, 1.0, 11)
    slow = [np.mean([sum(s > t for s in of_task) / len(of_task) for of_task in OURS]) for t in thresholds]
    assert performance_profile(OURS, thresholds) == pytest.approx(slow)
    assert performance_profile([np.array([0.5])], np.array([0.5])) == 0.0


def test_the_probability_of_improvement_is_that_of_all_pairs():
    per_task = []
    for x, y in zip(OURS, THEIRS, strict=True):
        pairs = list(itertools.product(x, y))
        per_task.append(sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs))
        u = stats.mannwhitneyu(x, y).statistic
        assert per_task[-1] == pytest.approx(u / (len(x) * len(y)))
    assert probability_of_improvement(OURS, THEIRS) == pytest.approx(np.mean(per_task))
    assert probability_of_improvement(OURS, THEIRS) + probability_of_improvement(THEIRS, OURS) == pytest.approx(1.0)
    assert probability_of_improvement([np.ones(3)], [np.ones(4)]) == 0.5


def test_the_interval_of_an_improvement_lies_around_it():
    estimate, low, high = improvement_interval(OURS, THEIRS, resamples=500)
    assert 0.0 <= low < estimate < high <= 1.0


def test_the_interval_of_a_difference_is_the_one_that_scipy_finds():
    ours, theirs = OURS[0], THEIRS[0]
    mine = difference_interval(ours, theirs, resamples=4000)
    expected = stats.bootstrap(
        (ours, theirs), lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    assert mine.estimate == pytest.approx(ours.mean() - theirs.mean())
    assert (mine.low, mine.high) == pytest.approx((expected.low, expected.high), abs=0.01)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (10, 10), (3, 7), (980, 1000)])
def test_wilsons_interval_is_scipys(successes, trials):
    theirs = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    mine = wilson_interval(successes, trials)
    assert mine.estimate == successes / trials
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("trials", [100, 10_000, 2_000_000])
def test_three_over_n_is_where_nothing_seen_becomes_unlikely(trials):
    """The exact bound solves ``(1 - p)^n = 0.05``; three over n is a little more careful."""
    exact = -math.expm1(math.log(0.05) / trials)
    assert exact < rule_of_three(trials) < 1.02 * exact
