"""The rule by which a tuned block replaces the shipped one, and the report that applies it."""

import json

import pytest

from sb3_barriernet.report.tuning import Compared, objections, write_tuning_report


def run(seed: int, mean_return: float, method: str = "shipped", **numbers) -> dict:
    same = dict(
        timesteps=100_352,
        episodes=100,
        success_rate=1.0,
        unfiltered_mean_return=mean_return,
        violation_free_success_rate=1.0,
        unfiltered_violation_free_success_rate=1.0,
        intervention_rate=0.01,
        train_violations=0,
        violations=0,
        unfiltered_violations=7,
        filtered=True,
        origin="a machine; python 3",
    )
    return {**same, "env": "Task-v0", "method": method, "seed": seed, "mean_return": mean_return, **numbers}


def runs(*returns: float, method: str = "shipped", **numbers) -> list[dict]:
    return [run(seed, value, method, **numbers) for seed, value in enumerate(returns)]


SHIPPED = runs(100.0, 90.0, 110.0)
CONTENT = {
    "budget": {"trials": 2, "startup_trials": 1, "timesteps": 25_000, "evaluations": 2, "eval_episodes": 10},
    "tuning_seed": 1000,
    "seeds": [0, 1, 2],
    "command": "python tune.py",
}


def test_a_clear_gain_on_every_seed_without_a_violation_replaces_the_shipped_block():
    assert objections(SHIPPED, runs(111.0, 120.0, 130.0), seeds=3) == []
    assert objections(runs(-2.0, -2.2, -1.9), runs(-1.8, -1.7, -1.6), seeds=3) == []


@pytest.mark.parametrize(
    ("tuned", "reason"),
    [
        (runs(109.0, 200.0, 200.0), "its worst seed returns 109, the best shipped one 110"),
        (runs(200.0, 200.0, 200.0, violations=1), "it violates in 3 steps"),
        (runs(200.0, 200.0, 200.0, train_violations=2), "it violates in 6 steps"),
        (runs(200.0, 200.0), "only 2 of 3 seeds are trained"),
        (
            runs(200.0, 200.0, 200.0, unfiltered_violations=8),
            "without its filter it violates in 8 steps, the shipped one in 7",
        ),
    ],
)
def test_each_condition_alone_keeps_the_shipped_block(tuned, reason):
    assert objections(SHIPPED, tuned, seeds=3) == [reason]


def test_one_seed_may_decide():
    (reason,) = objections(SHIPPED, runs(109.0), seeds=3)
    assert reason == "its worst seed returns 109, the best shipped one 110"


def test_a_baseline_is_compared_and_never_replaced():
    shipped, tuned = (
        [run(seed, 0.0, violation_free_success_rate=rate, filtered=False) for seed, rate in enumerate(rates)]
        for rates in ((0.9, 0.8, 0.85), (0.91, 0.95, 0.99))
    )
    assert Compared({"algo": "ppo"}, shipped, tuned, 3).verdict == "+10.0 points of safe success"
    assert Compared({"algo": "ppo"}, tuned, shipped, 3).verdict == "-10.0 points of safe success"


def test_a_task_without_a_goal_has_no_success(tmp_path):
    without = [{**run, "success_rate": 0.0} for run in [*SHIPPED, *runs(111.0, method="trial 0")]]
    trial = {"number": 0, "state": "COMPLETE", "value": 80.0, "params": {}}
    found = {
        "env": "Task-v0",
        "method": "shipped",
        "algo": "barrierppo",
        "trials": [trial],
        "best": 0,
        "best_name": "trial 0",
    }
    content = {**CONTENT, "tunings": [found | {"shipped": {}, "tuned": {}}], "runs": without}
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write_tuning_report(tmp_path).read_text()
    assert "| shipped | Task-v0 | 100 (90 to 110) | 111 | n/a | n/a |" in text
    assert "safe success, unfiltered" not in text


@pytest.mark.parametrize(("shipped", "tuned", "wanted"), [(100.0, 104.0, "105"), (-100.0, -96.0, "-95")])
def test_a_gain_that_is_not_clear_is_none(shipped, tuned, wanted):
    (reason,) = objections(runs(shipped, shipped, shipped), runs(tuned, tuned, tuned), seeds=3)
    assert reason.endswith(f"a clear gain begins at {wanted}")


def test_the_report_leaves_out_what_is_not_trained_and_states_every_verdict(tmp_path):
    trials = [
        {"number": 0, "state": "COMPLETE", "value": 80.0, "params": {}},
        {"number": 1, "state": "PRUNED", "value": 20.0, "params": {}},
    ]
    found = {
        "env": "Task-v0",
        "method": "shipped",
        "algo": "barrierppo",
        "trials": trials,
        "best": 0,
        "best_name": "trial 0",
        "shipped": {"gamma": 0.99, "clip_range": None},
        "tuned": {"gamma": 0.98, "clip_range": 0.1},
    }
    trained = [*SHIPPED, *runs(111.0, 120.0, 130.0, method="trial 0")]
    content = {**CONTENT, "tunings": [found, found | {"env": "Other-v0"}], "runs": trained}
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write_tuning_report(tmp_path).read_text()
    row = "| shipped | Task-v0 | 100 (90 to 110) | 120 (111 to 130) | 100.0 % | 100.0 % |"
    assert f"{row} **the tuned block replaces it** |" in text
    assert "2 trials, 1 of them pruned. The best is trial 0, which returned 80 at its end." in text
    assert "| `gamma` | `0.99` | `0.98` |" in text
    assert "| `clip_range` | as in SB3 | `0.1` |" in text
    assert "Other-v0" not in text
    assert text.count("a machine; python 3.") == 1
