"""scripts/decision_report.py, from trainings to the page."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.report.decision import CLUTTER, OPEN
from sb3_barriernet.zoo.results_folder import write_json
from sb3_barriernet.zoo.study import read_study
from sb3_barriernet.zoo.study_job import run_job
from sb3_barriernet.zoo.study_record import RecordedRuns, collect

SCRIPT = Path(__file__).parents[2] / "scripts" / "decision_report.py"
STUDY = """
eval_episodes: 2
environments:
  {env_id}: {{timesteps: 2048}}
methods:
  BarrierPPO: {{algo: barrierppo}}
  PPO: {{algo: ppo}}
  PPO + filter: {{algo: ppo, filter: true}}
"""


def run_script(monkeypatch, *arguments: object) -> None:
    spec = importlib.util.spec_from_file_location("decision_report_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    module.main()


@pytest.mark.parametrize("env_id", [OPEN, pytest.param(CLUTTER, marks=pytest.mark.slow)])  # the slow one has a film
def test_the_page_has_what_the_trainings_left(env_id, tmp_path, monkeypatch):
    study, out = tmp_path / "study.yml", tmp_path / "out"
    study.write_text(STUDY.format(env_id=env_id))
    jobs = read_study(study).jobs(out)
    monkeypatch.setattr(sys, "argv", ["pytest"])
    for job in jobs:
        run_job(job)
    runs = collect(jobs, RecordedRuns())
    write_json(tmp_path / "headline" / "results.json", {"study": "headline", **provenance(), "runs": runs})

    folder = tmp_path / "report"
    place = ["--study", study, "--headline", tmp_path / "headline", "--ablations", "--out", folder]
    run_script(monkeypatch, *place, "--runs", out, "--episodes", "2")
    page = (folder / "index.md").read_text()
    shown = re.findall(r"!\[.*?\]\((.+?)\)", page)
    assert {"profiles.png", "training.png", "returns.png", "clearances.png"} <= set(shown)
    assert ("episode.gif" in shown) == (env_id == CLUTTER)
    assert all((folder / file).stat().st_size > 1000 for file in shown)
    assert "| BarrierPPO | 1 | 2k |" in page

    trainings = {entry["method"]: entry for entry in json.loads((folder / "curves.json").read_text())["trainings"]}
    assert set(trainings) == {"BarrierPPO", "PPO"}  # which two methods share
    corrected = {run["method"]: round(run["train_intervention_rate"] * run["timesteps"]) for run in runs}
    for method, training in trainings.items():
        assert training["interventions"] == [[2048, corrected[method]]]

    before = page
    run_script(monkeypatch, *place)  # the same page when the trainings are gone
    assert (folder / "index.md").read_text() == before
