"""The table of all environments: means, ranges, what a method cannot have, what earlier calls recorded."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sb3_barriernet.report.results_table import results_report, results_table
from sb3_barriernet.zoo.comparison import Comparison

ROOT = Path(__file__).parents[2]

ORIGIN = {"command": "python table.py", "machine": "m", "versions": {"python": "3"}, "eval_episodes": 200}


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("results_table", ROOT / "scripts" / "results_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def one_run(number: float) -> list[dict]:
    return [run("barrierppo", 0, mean_return=number, unfiltered_mean_return=number)]


def comparison_of(name: str, folder: Path) -> Comparison:
    return Comparison(name, ("barrierppo",), (0,), None, 200, folder)


def test_the_table_is_made_of_what_earlier_calls_recorded(script, tmp_path, monkeypatch):
    """Whatever their order, and without training anything."""
    for name, number in (("SafeReacher-v0", 3.0), ("PursuitEvasion-v0", 4.0), ("Unknown-v0", 5.0)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"runs": one_run(number), **ORIGIN}))
    command = ["results_table.py", "--rebuild", "--records", str(tmp_path), "--out", str(tmp_path / "table.md")]
    monkeypatch.setattr(sys, "argv", command)
    script.main()
    lines = [line for line in (tmp_path / "table.md").read_text().splitlines() if "BarrierPPO | " in line]
    assert [line.split(" | ")[:3] for line in lines] == [
        ["| PursuitEvasion-v0", "BarrierPPO", "4"],
        ["| SafeReacher-v0", "BarrierPPO", "3"],
    ]


def test_a_record_is_replaced_by_other_runs_and_kept_with_its_origin_by_the_same(script, tmp_path):
    ours, other = (comparison_of(name, tmp_path) for name in ("PursuitEvasion-v0", "PursuitEvasionClutter-v0"))
    script.record(ours, one_run(3.0), tmp_path)
    script.record(other, one_run(4.0), tmp_path)
    path = tmp_path / "PursuitEvasion-v0.json"
    recorded = json.loads(path.read_text())
    assert recorded["hyperparameters"]["barrierppo"]["n_envs"] == 64
    path.write_text(json.dumps(recorded | {"command": "an earlier one"}))
    script.record(ours, one_run(3.0), tmp_path)
    assert json.loads(path.read_text())["command"] == "an earlier one"
    script.record(ours, one_run(5.0), tmp_path)
    found = script.recorded([ours, other], tmp_path)
    assert [result["runs"][0]["mean_return"] for result in found.values()] == [5.0, 4.0]
    assert found["PursuitEvasion-v0"]["command"] != "an earlier one"


def test_the_page_shows_what_is_recorded():
    page = (ROOT / "docs" / "results.md").read_text().splitlines()
    records = [json.loads(path.read_text()) for path in (ROOT / "docs" / "results" / "table").glob("*.json")]
    expected = results_table({record["env"]: record["runs"] for record in records}).splitlines()
    assert set(expected) <= set(page), "run `python scripts/results_table.py --rebuild`"
