"""A study: what it runs, what it refuses before anything starts, and that a kill loses and doubles nothing."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.zoo.study import read_study
from sb3_barriernet.zoo.study_job import claim_folder, run_job
from sb3_barriernet.zoo.study_record import RecordedRuns, collect
from sb3_barriernet.zoo.workers import run_locally

SCRIPT = Path(__file__).parents[2] / "scripts" / "study.py"
ENV_ID = "PursuitEvasionClutter-v0"
STUDY = f"""
seeds: [0, 1]
eval_episodes: 2
environments:
  {ENV_ID}: {{timesteps: 2048}}
methods:
  ours: {{algo: barrierppo}}
  ours, distilled: {{algo: barrierppo, distill: 2048}}
  plain: {{algo: ppo}}
  filtered: {{algo: ppo, filter: true}}
"""

RUN = {
    "timesteps": 2048,
    "episodes": 2,
    "success_rate": 1.0,
    "violation_free_success_rate": 1.0,
    "unfiltered_violation_free_success_rate": 0.5,
    "mean_return": 130.0,
    "unfiltered_mean_return": 130.0,
    "intervention_rate": 0.0,
    "train_violations": 0,
    "violations": 0,
    "unfiltered_violations": 0,
    "steps_to_95": None,
}


def write(folder: Path, text: str = STUDY) -> Path:
    file = folder / "study.yml"
    file.write_text(text)
    return file


def jobs(folder: Path, text: str = STUDY):
    return read_study(write(folder, text)).jobs(folder / "out")


def test_methods_that_train_alike_share_a_training_and_seeds_are_outermost(tmp_path):
    listed = [(job.run.algo, job.run.seed, list(job.methods)) for job in jobs(tmp_path)]
    pair = [["ours", "ours, distilled"], ["plain", "filtered"]]
    assert listed == [
        (algo, seed, names) for seed in (0, 1) for algo, names in zip(("barrierppo", "ppo"), pair, strict=True)
    ]


def test_an_environment_may_add_hyperparameters_to_a_method(tmp_path):
    text = STUDY.replace(
        "plain: {algo: ppo}",
        f"plain: {{algo: ppo, params: {{gamma: 0.9}}, environments: {{{ENV_ID}: {{n_epochs: 2}}}}}}",
    )
    plain = next(job for job in jobs(tmp_path, text) if "plain" in job.methods)
    assert plain.run.overrides == {"gamma": "0.9", "n_epochs": "2"}
    assert list(plain.methods) == ["plain"]  # "filtered" trains otherwise now


def test_a_method_may_have_fewer_seeds_and_steps_of_its_own(tmp_path):
    text = STUDY.replace("plain: {algo: ppo}", "plain: {algo: ppo, seeds: 1, timesteps: 4096}")
    listed = [(job.run.seed, list(job.methods), job.run.wanted_timesteps) for job in jobs(tmp_path, text)]
    ours, plain, filtered = ["ours", "ours, distilled"], ["plain"], ["filtered"]
    assert listed == [
        (0, ours, 2048),
        (0, plain, 4096),
        (0, filtered, 2048),
        (1, ours, 2048),
        (1, filtered, 2048),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("algo: ppo}", "algo: ppoo}", "unknown algorithm.*'ppoo'. Did you mean 'ppo'"),
        (ENV_ID, "PursuitEvasionCluter-v0", "unknown environment.*Did you mean 'PursuitEvasionClutter-v0'"),
        ("filter: true", "filtered: true", "unknown key of the method 'filtered'.*Did you mean 'filter'"),
        ("seeds:", "seed:", "unknown key.*'seed'. Did you mean 'seeds'"),
        ("{timesteps: 2048}", "{timestep: 2048}", "unknown key of the environment.*Did you mean 'timesteps'"),
        ("{timesteps: 2048}", "{timesteps: 0}", "timesteps: .*at least 1"),
        ("seeds: [0, 1]", "seeds: [a]", "seeds: .*whole numbers of at least 0"),
        ("distill: 2048", "distill: 0.5", "distill: .*at least 1"),
        ("filter: true", "distill: 2048", "distills ppo; only barrierppo can"),
        ("filter: true", "seeds: 0", "seeds: .*at least 1"),
        ("plain: {algo: ppo}", "plain: {}", "no algorithm for the method 'plain'"),
        ("plain: {algo: ppo}", "ours?: {algo: ppo}", "differ in punctuation only"),
        ("filter: true", "environments: [Pendulum-v1]", "unknown environment of the method 'filtered'"),
        (ENV_ID, "Pendulum-v1", "no block for 'Pendulum-v1'"),
        (STUDY, "[]", "no study in"),
        (STUDY, "a: [", "no YAML in"),
        ("{timesteps: 2048}", "[]", "PursuitEvasionClutter-v0: \\[\\] of the environments.*expected a mapping"),
        ("filter: true", "filter: 'no'", "filter: 'no' of the method 'filtered'.*expected true or false"),
        ("algo: ppo}", "algo: ppo, params: [1]}", "params: .*expected a mapping"),
        ("{timesteps: 2048}", "{gym_packages: examples}", "gym_packages: .*expected a list"),
    ],
)
def test_what_cannot_be_is_refused_with_the_nearest_name(tmp_path, old, new, message):
    assert old in STUDY
    with pytest.raises(ConfigurationError, match=message):
        read_study(write(tmp_path, STUDY.replace(old, new, 1)))


def test_the_folder_of_another_study_is_refused_before_anything_starts(tmp_path):
    for job in jobs(tmp_path):
        claim_folder(job)
    for job in jobs(tmp_path, STUDY.replace("seeds: [0, 1]", "seeds: [0, 1, 2]")):
        claim_folder(job)  # more seeds are more of the same study
    write(tmp_path, STUDY.replace("{algo: ppo}", "{algo: ppo, params: {gamma: 0.5}}"))
    refused = run_script(tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: Found another study")
    assert "'plain'" in refused.stderr
    assert "another hyperparameters.gamma: {'hyperparameters.gamma': 0.99} instead of" in refused.stderr
    assert not list((tmp_path / "out").rglob("*.zip"))


def folders(folder: Path) -> list[str]:
    return ["--out", str(folder / "out"), "--report", str(folder / "report")]


def run_script(folder: Path, *more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), str(folder / "study.yml"), *folders(folder), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


def test_the_whole_script_goes_on_where_it_was_killed_and_repeats_nothing(tmp_path):
    write(tmp_path, STUDY.replace("seeds: [0, 1]", "seeds: [0]"))
    command = [sys.executable, str(SCRIPT), str(tmp_path / "study.yml"), *folders(tmp_path)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    results = tmp_path / "out" / "results" / ENV_ID
    deadline = time.monotonic() + 120
    while not (results / "ours" / "seed_0.json").exists():
        assert first.poll() is None, "the study ended without its first result"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    before = (results / "ours" / "seed_0.json").stat().st_mtime_ns

    second = run_script(tmp_path)
    assert second.returncode == 0, second.stderr
    assert (results / "ours" / "seed_0.json").stat().st_mtime_ns == before
    runs = json.loads((tmp_path / "report" / "results.json").read_text())["runs"]
    assert [run["method"] for run in runs] == ["ours", "ours, distilled", "plain", "filtered"]
    ours, distilled, plain, filtered = runs
    assert (
        ours["train_violations"] == ours["violations"] == distilled["train_violations"] == filtered["violations"] == 0
    )
    assert (ours["timesteps"], distilled["timesteps"]) == (2048, 4096)
    assert plain["train_violations"] > 0
    report = (tmp_path / "report" / "report.md").read_text()
    assert "ours, distilled" in report
    assert (tmp_path / "report" / "study.png").stat().st_size > 1000


def test_what_learns_behind_a_filtered_environment_is_measured_with_and_without_its_filter(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest"])  # a job takes it over
    deploy = "{env_wrapper: [{sb3_barriernet.envs.PursuitEvasionBarrier: {alpha: 2.0}}]}"
    text = f"""
eval_episodes: 2
environments:
  PursuitEvasion-v0: {{timesteps: 2400}}
methods:
  SAC: {{algo: sac, filter: true, params: {{learning_starts: 2300}}, deploy: {deploy}}}
"""
    (job,) = jobs(tmp_path, text)
    assert run_job(job)[0] == run_job(job)[0]
    result = json.loads(job.result_file("SAC").read_text())
    assert result["timesteps"] == 2400
    assert result["train_violations"] == result["violations"] == 0
    assert 0.0 < result["train_intervention_rate"] < 1.0
    assert result["unfiltered_violations"] is not None


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_kills_at_random_moments_change_no_number(tmp_path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        write(folder, STUDY.replace("timesteps: 2048", "timesteps: 20480"))
    assert run_script(undisturbed).returncode == 0

    random, command = np.random.default_rng(0), [sys.executable, str(SCRIPT), str(disturbed / "study.yml")]
    for _ in range(20):
        study = subprocess.Popen(
            [*command, *folders(disturbed), "--workers", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(random.uniform(4.0, 14.0))
        if random.random() < 0.5:
            os.killpg(study.pid, signal.SIGKILL)
        else:  # its workers live on, and finish what they have begun
            study.kill()
        study.wait()
    assert run_script(disturbed).returncode == 0
    assert numbers(disturbed) == numbers(undisturbed)


def numbers(folder: Path) -> list[dict]:
    """What does not depend on when and where it was computed."""
    runs = json.loads((folder / "report" / "results.json").read_text())["runs"]
    return [{key: value for key, value in run.items() if key not in ("train_wall_s", "origin")} for run in runs]


def test_a_report_keeps_numbers_whose_trainings_are_gone_as_long_as_they_mean_the_same(tmp_path):
    write(tmp_path, STUDY.replace("seeds: [0, 1]", "seeds: [0]"))
    chosen = read_study(tmp_path / "study.yml").jobs(tmp_path / "out")
    recorded = [
        {"env": ENV_ID, "method": method, "seed": 0, "definition": job.fingerprint(method)}
        for job in chosen
        for method in job.methods
    ]
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"runs": recorded}))
    assert collect(chosen, RecordedRuns(file)) == recorded

    write(tmp_path, STUDY.replace("seeds: [0, 1]", "seeds: [0]").replace("distill: 2048", "distill: 4096"))
    others = read_study(tmp_path / "study.yml").jobs(tmp_path / "out")
    assert [run["method"] for run in collect(others, RecordedRuns(file))] == ["ours", "plain", "filtered"]


def test_the_numbers_of_another_report_are_taken_over_instead_of_training_again(tmp_path):
    write(tmp_path, STUDY.replace("ours:", "BarrierPPO:").replace("seeds: [0, 1]", "seeds: [1]"))
    others = read_study(tmp_path / "study.yml").jobs(tmp_path / "out")
    known = RUN | {"env": ENV_ID, "seed": 1, "origin": "another machine"}
    recorded = [
        known | {"method": method, "definition": job.fingerprint(method), "filtered": method != "plain"}
        for job in others
        for method in job.methods
    ]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "results.json").write_text(json.dumps({"runs": recorded}))

    write(tmp_path, STUDY.replace("seeds: [0, 1]", "seeds: [1]"))
    reusing = run_script(tmp_path, "--reuse", str(tmp_path / "other"))
    assert reusing.returncode == 0, reusing.stderr
    assert not list((tmp_path / "out").rglob("*.zip"))
    runs = json.loads((tmp_path / "report" / "results.json").read_text())["runs"]
    assert [run["method"] for run in runs] == ["ours", "ours, distilled", "plain", "filtered"]
    assert {run["origin"] for run in runs} == {"another machine"}
    refused = run_script(tmp_path, "--reuse", str(tmp_path / "nothing"))
    assert "Found no" in refused.stderr
    assert "results.json" in refused.stderr


def test_a_job_that_is_being_done_elsewhere_is_waited_for(tmp_path):
    job = jobs(tmp_path)[0]
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def hold() -> None:
        from sb3_barriernet.zoo.study_job import _alone

        with _alone(job):
            sender.send("held")
            time.sleep(1.0)
            for method in job.methods:
                file = job.result_file(method)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps({"method": method}))

    other = context.Process(target=hold)
    other.start()
    assert receiver.recv() == "held"
    assert run_job(job) == [{"method": method} for method in job.methods]
    other.join()


def test_a_job_that_fails_is_named_and_the_others_go_on(tmp_path):
    text = STUDY.replace("plain: {algo: ppo}", "plain: {algo: ppo, params: {n_steps: nonsense}}")
    chosen = [job for job in jobs(tmp_path, text) if job.run.algo == "ppo" and job.run.seed == 0]
    outcomes = {next(iter(job.methods)): failure for job, failure in run_locally(chosen, workers=1)}
    assert outcomes["filtered"] is None
    assert outcomes["plain"].startswith("failed, see ")
    assert "nonsense" in Path(outcomes["plain"].removeprefix("failed, see ")).read_text()
