"""The examples as tasks of the RL Zoo."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.rows import check_spaces
from sb3_barriernet.zoo.runs import ZooRun

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "examples" / "hyperparams"
NOMINAL = {
    "MlpPolicy": "sb3_barriernet.NominalActorCriticPolicy",
    "MultiInputPolicy": "sb3_barriernet.barrier_ppo.nominal_policy.NominalMultiInputActorCriticPolicy",
}


def test_an_example_is_a_task_that_reports_the_truth():
    importlib.import_module("examples.zoo")
    env = gym.make("SafePendulum-v0")
    check_spaces(env.observation_space, env.action_space)
    env.reset(seed=0)
    env.unwrapped.state = np.array([0.29, 1.0])
    *_, info = env.step(np.array([2.0], dtype=np.float32))
    assert info["violation"]
    assert info["clearance"] == pytest.approx(0.3 - env.unwrapped.state[0])


def test_baselines_differ_in_their_policy_and_in_what_only_a_filter_has():
    ours, baseline = (yaml.safe_load((CONFIGS / f"{algo}.yml").read_text()) for algo in ("barrierppo", "ppo"))
    assert list(ours) == list(baseline)
    for name, block in ours.items():
        expected = {key: value for key, value in block.items() if key != "correction_coef"}
        assert baseline[name] == {**expected, "policy": NOMINAL[block["policy"]]}


def test_a_run_reads_the_configuration_that_it_is_given(tmp_path):
    run = ZooRun("ppo", "SafePendulum-v0", 0, tmp_path, config=CONFIGS / "ppo.yml", gym_packages=("examples.zoo",))
    assert run.hyperparameters["gamma"] == 0.95
    command = " ".join(run.command(progress=False))
    assert f"--conf-file {CONFIGS / 'ppo.yml'} --gym-packages examples.zoo" in command
    with pytest.raises(ConfigurationError, match=r"no block for 'SafePendulum-v0'.*this package"):
        _ = ZooRun("ppo", "SafePendulum-v0", 0, tmp_path).hyperparameters


@pytest.mark.slow
def test_the_table_script_trains_evaluates_and_repeats_nothing(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "results_table.py"), "--only", "SafePendulum-v0", "--seeds", "0"]
    command += ["--timesteps", "2048", "--eval-episodes", "4", "--runs", str(tmp_path / "runs")]
    command += ["--records", str(tmp_path), "--out", str(tmp_path / "t.md")]
    subprocess.run(command, check=True, cwd=ROOT, timeout=280)
    models = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("Safe*.zip")}
    (barrier, ppo, filtered) = json.loads((tmp_path / "SafePendulum-v0.json").read_text())["runs"]
    assert barrier["train_violations"] == barrier["violations"] == filtered["violations"] == 0
    assert ppo["train_violations"] > 500
    assert "| SafePendulum-v0 | BarrierPPO |" in (tmp_path / "t.md").read_text()
    subprocess.run(command, check=True, cwd=ROOT, timeout=280)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("Safe*.zip")} == models
