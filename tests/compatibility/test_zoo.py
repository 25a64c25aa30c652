"""Every script of the RL Zoo, as a user calls it; what falls short upstream, and the way around it in docs/zoo.md."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compatibility.page import gap_upstream, works

GROUP = "RL Zoo"
ENV = "PursuitEvasion-v0"
AGENT = ("--algo", "barrierppo", "--env", ENV)
STEPS = "8192"
KEEP_PLOT = """
import runpy
import sys

import matplotlib.pyplot as plt

picture, script, *options = sys.argv[1:]
plt.show = lambda: plt.savefig(picture)
sys.argv = [script, *options]
runpy.run_module(f"rl_zoo3.plots.{script}", run_name="__main__")
"""

ONE_TRIAL = ("-optimize", "--n-trials", "1", "--n-startup-trials", "1", "--n-evaluations", "1")
STUDY = ("--study-name", "pursuit", "--storage", "journal.log")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "SDL_VIDEODRIVER": "dummy",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def zoo(folder: Path, script: str, *arguments: str) -> str:
    done = call(folder, "-m", f"rl_zoo3.{script}", *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def train(folder: Path, *arguments: str, env: str = ENV, steps: str = STEPS) -> str:
    agent = ("--algo", "barrierppo", "--env", env, "-n", steps, "--seed", "0", "--device", "cpu")
    return zoo(folder, "train", *agent, "--eval-freq", "2048", "--eval-episodes", "2", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where one agent was trained by the literal command."""
    place = tmp_path_factory.mktemp("zoo")
    train(place)
    (place / "keep_plot.py").write_text(KEEP_PLOT, encoding="utf-8")
    return place


@works(GROUP, "`train`, `-i` to go on", "hyperparameters, environments and wrappers are found after `pip install`")
def test_train(folder):
    run = folder / "logs" / "barrierppo" / f"{ENV}_1"
    assert {path.name for path in run.iterdir()} >= {f"{ENV}.zip", "best_model.zip", "0.monitor.csv", "evaluations.npz"}
    assert "Loading pretrained agent" in train(folder, "-i", str(run / f"{ENV}.zip"), "-f", "continued")


@works(GROUP, "`-params`, `--conf-file`, `--env-kwargs`, `--vec-env subproc`, `--save-freq`")
def test_options(tmp_path):
    kwargs = ("--env-kwargs", "max_steps:50", "--vec-env", "subproc", "--save-freq", "64")
    params = ("-params", "n_envs:2", "n_steps:64", "batch_size:64", "correction_coef:0.0")
    train(tmp_path, *params, *kwargs, steps="256")
    saved = tmp_path / "logs" / "barrierppo" / f"{ENV}_1"
    assert len(list(saved.glob("rl_model_*.zip"))) >= 2


@works(GROUP, "`enjoy`", "filtered, by the saved configuration")
def test_enjoy(folder):
    assert "Mean reward" in zoo(folder, "enjoy", *AGENT, "-f", "logs", "-n", "700", "--no-render", "--device", "cpu")


@gap_upstream(GROUP, "`record_video`", "ignores `env_kwargs` of the YAML: give a variant an id of its own")
def test_record_video(folder):
    zoo(folder, "record_video", *AGENT, "-f", "logs", "-n", "30", "--n-envs", "1")
    assert list((folder / "logs" / "barrierppo" / f"{ENV}_1" / "videos").glob("*.mp4"))


@gap_upstream(GROUP, "`plot_train`, `all_plots`", "show and never save: [keep the picture](zoo.md#plots)")
def test_plots(folder):
    where = ("-a", "barrierppo", "-e", ENV, "-f", "logs")
    for picture, options in (
        ("train.png", ("plot_train", *where, "-y", "success", "-w", "5")),
        ("all.png", ("all_plots", *where, "-o", "results", "--no-million")),
    ):
        done = call(folder, "keep_plot.py", picture, *options)
        assert done.returncode == 0, done.stderr[-2000:]
        assert (folder / picture).stat().st_size > 5000
    assert (folder / "results.pkl").is_file()


@gap_upstream(
    GROUP,
    "`plot_from_file`",
    "stops after its table on a single run of a single environment",
)
def test_plot_from_file(folder):
    zoo(folder, "plots.all_plots", "-a", "barrierppo", "-e", ENV, "-f", "logs", "-o", "one", "--no-million")
    one = call(folder, "-m", "rl_zoo3.plots.plot_from_file", "-i", "one")
    assert one.returncode != 0
    assert "ValueError" in one.stderr
    assert "BARRIERPPO" in one.stdout.upper()


@works(GROUP, "`-optimize`, continued by the same `--study-name`", "own sampler; barrier settings are out of its reach")
def test_tuner(tmp_path):
    for _ in range(2):
        printed = train(tmp_path, *STUDY, *ONE_TRIAL, steps="2048")
    assert "Number of finished trials:  2" in printed


@gap_upstream(GROUP, "`--trial-id 0`", "is taken for no trial; copy its hyperparameters into a YAML file")
def test_trial_zero(tmp_path):
    train(tmp_path, *STUDY, *ONE_TRIAL, steps="2048")
    train(tmp_path, *STUDY, "--trial-id", "0", "-f", "zero", steps="2048")
    train(tmp_path, "-f", "none", steps="2048")
    zero, none = (
        (tmp_path / name / "barrierppo" / f"{ENV}_1" / ENV / "config.yml").read_text() for name in ("zero", "none")
    )
    assert zero == none


@gap_upstream(
    GROUP,
    "`benchmark`",
    "calls a file `enjoy.py` of the folder: [the two lines](zoo.md#benchmark)",
)
def test_benchmark(folder):
    (folder / "enjoy.py").write_text("from rl_zoo3.enjoy import enjoy; enjoy()", encoding="utf-8")
    (folder / "logs" / "benchmark").mkdir(exist_ok=True)
    printed = zoo(folder, "benchmark", "--log-dir", "logs", "-n", "700", "--no-hub", "--num-threads", "1")
    assert "barrierppo" in printed + (folder / "logs" / "benchmark" / "benchmark.md").read_text(encoding="utf-8")
