"""The comparison: what counts as finished, what is refused, and the whole script on a tiny budget."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.zoo.comparison import Comparison
from sb3_barriernet.zoo.runs import ZooRun

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare.py"
ENV_ID = "PursuitEvasionClutter-v0"


def comparison(folder: Path, **changes) -> Comparison:
    settings = dict(env_id=ENV_ID, methods=("barrierppo", "ppo+filter"), seeds=(0,), timesteps=5000, eval_episodes=10)
    return Comparison(folder=folder, **{**settings, **changes})


def save_model(run: ZooRun, num_timesteps: int) -> None:
    run.path.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(run.model_file, "w") as archive:
        archive.writestr("data", json.dumps({"num_timesteps": num_timesteps, "n_envs": 64, "n_steps": 32}))


@pytest.mark.parametrize(("trained", "finished"), [(6144, True), (4096, False), (8192, False), (0, False)])
def test_a_run_is_finished_when_it_has_the_steps_asked_for(tmp_path, trained, finished):
    run = ZooRun("barrierppo", ENV_ID, 0, tmp_path, timesteps=5000)
    assert not run.is_finished
    save_model(run, trained)
    assert run.is_finished == finished


def test_a_truncated_model_is_not_finished(tmp_path):
    run = ZooRun("barrierppo", ENV_ID, 0, tmp_path, timesteps=5000)
    save_model(run, 6144)
    run.model_file.write_bytes(run.model_file.read_bytes()[:-30])
    assert not run.is_finished


def test_methods_that_share_a_training_share_its_run(tmp_path):
    runs = comparison(tmp_path, methods=("barrierppo", "ppo", "ppo+filter"), seeds=(0, 1)).zoo_runs()
    assert [(run.algo, run.seed) for run in runs] == [("barrierppo", 0), ("ppo", 0), ("barrierppo", 1), ("ppo", 1)]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        (dict(timesteps=6000), "timesteps"),
        (dict(hide_rows=True), "hide_rows"),
        (dict(env_id="PursuitEvasion-v0"), "env"),
    ],
)
def test_the_folder_of_another_comparison_is_refused(tmp_path, changes, name):
    comparison(tmp_path).claim_folder()
    comparison(tmp_path, seeds=(0, 1), eval_episodes=20).claim_folder()
    with pytest.raises(ConfigurationError, match=f"another {name}.*Choose another --out"):
        comparison(tmp_path, **changes).claim_folder()


def test_the_folder_of_other_hyperparameters_is_refused(tmp_path):
    comparison(tmp_path).claim_folder()
    claim = tmp_path / "comparison.json"
    claim.write_text(claim.read_text().replace('"gamma": 0.99', '"gamma": 0.9'))
    with pytest.raises(ConfigurationError, match="another hyperparameters"):
        comparison(tmp_path).claim_folder()


def test_a_refusal_is_one_line(tmp_path):
    comparison(tmp_path).claim_folder()
    refused = run_script(tmp_path, "--timesteps", "4096")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: Found another comparison")
    assert "Traceback" not in refused.stderr


def test_environments_without_hyperparameters_are_refused_before_anything_starts(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no block for 'Pendulum-v1'.*PursuitEvasion-v0"):
        comparison(tmp_path, env_id="Pendulum-v1").claim_folder()


def run_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), "--env", ENV_ID, "--seeds", "0", "0", "--out", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


def test_the_whole_script_trains_evaluates_reports_and_repeats_nothing(tmp_path):
    first = run_script(tmp_path, "--timesteps", "2048", "--eval-episodes", "3")
    assert first.returncode == 0, first.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [run["method"] for run in results["runs"]] == ["barrierppo", "ppo", "ppo+filter"]
    for run in results["runs"]:
        assert run["timesteps"] == 2048
        assert run["episodes"] == 3
    ours, ppo, filtered = results["runs"]
    assert ours["train_violations"] == ours["violations"] == filtered["violations"] == 0
    assert ours["train_intervention_rate"] > 0.0
    assert ppo["train_violations"] == filtered["train_violations"] > 0
    report = (tmp_path / "report.md").read_text()
    assert "0 violating steps" in report
    for picture in ("trajectories.png", "episode.gif"):
        assert (tmp_path / picture).stat().st_size > 1000
        assert picture in report
    assert "learning_curves.png" not in report  # of so few episodes there is none to draw

    models = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("PursuitEvasion*.zip")}
    again = run_script(tmp_path, "--timesteps", "2048", "--eval-episodes", "3")
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("PursuitEvasion*.zip")} == models
    assert json.loads((tmp_path / "results.json").read_text())["runs"] == results["runs"]
