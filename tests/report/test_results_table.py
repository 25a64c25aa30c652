"""The table of all environments: means, ranges, and what a method cannot have."""

from sb3_barriernet.report.results_table import results_report

ORIGIN = {"command": "python table.py", "machine": "m", "versions": {"python": "3"}, "eval_episodes": 200}


def run(method: str, seed: int, **numbers: float) -> dict:
    same = dict(train_violations=0, violations=0, intervention_rate=0.03, timesteps=100_352)
    return {**same, "method": method, "seed": seed, **numbers}


def test_every_method_has_its_line_and_ppo_has_no_filter():
    runs = [
        run("barrierppo", 0, mean_return=10.0, unfiltered_mean_return=-4.0),
        run("barrierppo", 1, mean_return=12.0, unfiltered_mean_return=-4.0),
        run("ppo", 0, mean_return=11.0, unfiltered_mean_return=11.0, train_violations=5000, violations=40),
        run("ppo+filter", 0, mean_return=9.0, unfiltered_mean_return=11.0, train_violations=5000),
    ]
    lines = results_report({"Task-v0": {"runs": runs, **ORIGIN}, "Other-v0": {"runs": runs[:1], **ORIGIN}}).splitlines()
    assert "| Task-v0 | BarrierPPO | 11 (10 to 12) | -4 | 0 | 0 | 3.0 % |" in lines
    assert "| Task-v0 | PPO | n/a | 11 | 5,000 | 40 | n/a |" in lines
    assert "| Task-v0 | PPO + filter | 9 | 11 | 5,000 | 0 | 3.0 % |" in lines
    assert "| Other-v0 | BarrierPPO | 10 | -4 | 0 | 0 | 3.0 % |" in lines
    assert "- Task-v0: 100,352 training steps, 2 seeds, 200 evaluation episodes a run." in lines
    assert lines.count("python table.py") == 1


def test_violations_that_no_environment_reports_are_not_zero():
    runs = [run("barrierppo", 0, mean_return=1.0, unfiltered_mean_return=1.0, train_violations=None, violations=None)]
    assert "| not reached | not reached |" in results_report({"Task-v0": {"runs": runs, **ORIGIN}})
