"""The report of a study: means, ranges, and what a method cannot have."""

import json

import pytest

from sb3_barriernet.report.results_table import results_section
from sb3_barriernet.report.study import study_table, write_study_report


def run(method: str, seed: int = 0, env: str = "Task-v0", **numbers) -> dict:
    same = dict(
        filtered=method != "PPO",
        timesteps=100_352,
        episodes=200,
        success_rate=0.0,
        violation_free_success_rate=0.0,
        unfiltered_violation_free_success_rate=0.0,
        mean_return=10.0,
        unfiltered_mean_return=-4.0,
        intervention_rate=0.03,
        train_violations=0,
        violations=0,
        unfiltered_violations=7,
        steps_to_95=None,
        origin="a machine; python 3",
    )
    return {**same, "env": env, "method": method, "seed": seed, **numbers}


def test_every_method_has_its_line_and_ppo_has_no_filter():
    runs = [
        run("BarrierPPO"),
        run("BarrierPPO", 1, mean_return=12.0),
        run("PPO", mean_return=11.0, unfiltered_mean_return=11.0, train_violations=5000, violations=40),
        run("PPO + filter", mean_return=9.0, unfiltered_mean_return=11.0, train_violations=5000),
        run("BarrierPPO", env="Other-v0"),
    ]
    lines = results_section({"runs": runs}).splitlines()
    assert "| Task-v0 | BarrierPPO | 11 (10 to 12) | -4 | 0 | 0 | 3.0 % |" in lines
    assert "| Task-v0 | PPO | n/a | 11 | 5,000 | 40 | n/a |" in lines
    assert "| Task-v0 | PPO + filter | 9 | 11 | 5,000 | 0 | 3.0 % |" in lines
    assert "| Other-v0 | BarrierPPO | 10 | -4 | 0 | 0 | 3.0 % |" in lines
    assert "- Task-v0: 100,352 training steps, 2 seeds, 200 evaluation episodes a run." in lines


def test_violations_that_no_environment_reports_are_not_zero():
    runs = [run("BarrierPPO", train_violations=None, violations=None)]
    assert "| not judged | not judged |" in results_section({"runs": runs})


def test_a_task_with_a_goal_is_compared_by_its_safe_success():
    reached = dict(success_rate=1.0, violation_free_success_rate=0.9, unfiltered_violation_free_success_rate=0.5)
    table = study_table([run("BarrierPPO", **reached, steps_to_95=150_000), run("PPO", **reached)])
    assert "| BarrierPPO | 1 | 90.0 % | 50.0 % | 3.0 % | 0 | 0 | 7 | 150k |" in table
    assert "| PPO | 1 | n/a | 50.0 % | n/a | 0 | n/a | 7 | not reached |" in table


def test_a_task_without_a_goal_is_compared_by_its_return():
    assert "| BarrierPPO | 1 | 10 | -4 | 3.0 % | 0 | 0 | 7 |" in study_table([run("BarrierPPO")])


@pytest.mark.parametrize("methods", [["BarrierPPO"], ["BarrierPPO", "PPO", "PPO + filter"]])
def test_the_report_says_where_it_comes_from_and_has_its_figure(tmp_path, methods):
    content = {"study": "some_study", "command": "python study.py", "runs": [run(method) for method in methods]}
    (tmp_path / "results.json").write_text(json.dumps(content))
    text = write_study_report(tmp_path).read_text()
    assert text.startswith("# Study: some study")
    assert text.count("a machine; python 3.") == 1
    assert "python study.py" in text
    assert (tmp_path / "study.png").stat().st_size > 1000
