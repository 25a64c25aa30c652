"""Tuning: what it runs, where it goes on after a kill, and that what it found can be written into a YAML file."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.trial import TrialState
from rl_zoo3.exp_manager import ExperimentManager
from rl_zoo3.hyperparams_opt import HYPERPARAMS_SAMPLER
from rl_zoo3.utils import get_class_by_name
from torch import nn

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.zoo.packaged_config import packaged_config
from sb3_barriernet.zoo.sampler import convert_barrierppo_params, sample_barrierppo_params
from sb3_barriernet.zoo.study import StudyMethod, read_study
from sb3_barriernet.zoo.tuning import TUNING_SEED, TuningBudget, as_block, tunings, with_best_trials
from studies import tuning as tuning_of_baselines

ROOT = Path(__file__).parents[2]
ENV_ID = "PursuitEvasionClutter-v0"
STUDY = f"""
seeds: [0, 1]
eval_episodes: 2
environments:
  {ENV_ID}: {{timesteps: 2048}}
  PursuitEvasion-v0: {{timesteps: 2048}}
methods:
  shipped: {{algo: barrierppo, params: {{ent_coef: 0.5}}}}
"""
BUDGET = TuningBudget(trials=5, startup_trials=2, timesteps=512, evaluations=2, eval_episodes=3)

optuna.logging.set_verbosity(optuna.logging.WARNING)


def read(folder: Path, text: str = STUDY):
    file = folder / "study.yml"
    file.write_text(text)
    return read_study(file)


def try_one(study: optuna.Study, value: float | None) -> None:
    """A trial that returned a value, or that was killed."""
    trial = study.ask()
    sample_barrierppo_params(trial, 2, 64, {})
    if value is not None:
        study.tell(trial, value)


def with_trials(tuning, *values: float | None):
    """The tuning with trials on its disk."""
    tuning.folder.mkdir(parents=True)
    study = optuna.create_study(storage=tuning.storage, study_name=tuning.run.env_id, direction="maximize")
    for value in values:
        try_one(study, value)
    return tuning


def block_of(trial: optuna.Trial, said: str = "dict()") -> dict:
    return as_block(trial.params, convert_barrierppo_params, said)


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_a_block_in_yaml_trains_what_its_trial_tried():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        trial = study.ask()
        tried = sample_barrierppo_params(trial, 2, 64, {})
        block = yaml.safe_load(yaml.safe_dump(block_of(trial)))
        network = eval(block["policy_kwargs"], {"nn": nn})  # as the Zoo reads it
        loaded = ExperimentManager._preprocess_schedules({**block, "policy_kwargs": network})
        rate, loaded_rate = tried.pop("learning_rate"), loaded.pop("learning_rate")
        assert loaded.pop("clip_range")(1.0) == tried.pop("clip_range")
        for progress in (1.0, 0.3):
            assert loaded_rate(progress) == pytest.approx(rate(progress) if callable(rate) else rate, rel=1e-3)
        for name in ("gamma", "gae_lambda", "ent_coef"):
            assert loaded.pop(name) == pytest.approx(tried.pop(name), rel=1e-3)
        assert loaded == tried


def test_the_study_of_this_package_tunes_every_block_once():
    blocks = yaml.safe_load(packaged_config("barrierppo").read_text())
    del blocks["default"]
    tuned = [blocks[env_id] for env_id in read_study(ROOT / "studies" / "tuning.yml").environments]
    assert all(tuned.count(block) == 1 for block in blocks.values())
    assert len(tuned) == len({str(block) for block in blocks.values()})


def test_a_trial_trains_for_its_own_budget_with_the_block_of_the_method(tmp_path):
    clutter, _ = tunings(read(tmp_path), BUDGET, tmp_path)
    command = clutter.command(finished=0)
    assert option(command, "--n-timesteps") == "512"
    assert option(command, "--env") == option(command, "--study-name") == ENV_ID
    assert option(command, "-params") == "ent_coef:0.5"
    assert (option(command, "--n-trials"), option(command, "--n-startup-trials")) == ("5", "2")


def test_a_tuning_goes_on_with_the_trials_that_are_missing_and_draws_others(tmp_path):
    tuning = with_trials(tunings(read(tmp_path), BUDGET, tmp_path)[0], 1.0, None, 3.0, 2.0)
    finished = tuning.finished_trials()
    assert [trial.number for trial in finished] == [0, 2, 3]
    assert {trial.state for trial in finished} == {TrialState.COMPLETE}
    command = tuning.command(len(finished))
    assert option(command, "--n-trials") == "2"
    assert option(command, "--seed") == str(TUNING_SEED + 3)


def test_a_finished_tuning_runs_nothing_and_another_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("the tuner was started"))
    study = read(tmp_path)
    with_trials(tunings(study, BUDGET, tmp_path)[0], 1.0, 2.0, 3.0, 2.0, 1.0).go_on()
    more_evaluations = TuningBudget(trials=5, startup_trials=2, timesteps=512, evaluations=4, eval_episodes=3)
    with pytest.raises(ConfigurationError, match=r"another tuning in .*another evaluations: {'evaluations': 2}"):
        tunings(study, more_evaluations, tmp_path)[0].go_on()


def test_the_best_trials_are_methods_beside_what_they_may_replace(tmp_path):
    study = read(tmp_path)
    clutter, open_arena = tunings(study, BUDGET, tmp_path)
    with_trials(clutter, 1.0, 3.0, 2.0)
    with_trials(open_arena, 5.0, 6.0)
    jobs = with_best_trials(study, [clutter, open_arena]).jobs(tmp_path)
    assert len(jobs) == 2 * 2 * 2
    tuned = {job.run.env_id: job for job in jobs if "shipped, trial 1" in job.methods}
    for tuning in (clutter, open_arena):
        definition = tuned[tuning.run.env_id].definition("shipped, trial 1")["hyperparameters"]
        assert definition.items() >= tuning.best_block().items()
        assert definition["env_wrapper"] == tuning.run.hyperparameters["env_wrapper"]
    assert {job.run.overrides["ent_coef"] for job in jobs if "shipped" in job.methods} == {"0.5"}


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        ("{algo: barrierppo, distill: 10}", "a trial is a training alone"),
        ("{algo: a2c}", r"registers another, as studies/tuning\.py does"),
    ],
)
def test_what_no_trial_can_try_is_refused_with_advice(tmp_path, method, advice):
    study = replace(read(tmp_path), methods={"other": StudyMethod(**yaml.safe_load(method))})
    with pytest.raises(ConfigurationError, match=f"'other'.*{advice}"):
        tunings(study, BUDGET, tmp_path)


def test_what_a_block_says_of_its_network_is_replaced_and_the_rest_stays():
    tuning_of_baselines.sample_ppo_params(trial := optuna.create_study().ask(), 2, 64, {})
    said = "dict(activation_fn=nn.ELU, net_arch=[8], optimizer_kwargs=dict(eps=1e-05))"
    written = eval(block_of(trial, said)["policy_kwargs"], {"nn": nn})  # as the Zoo reads it
    assert written["optimizer_kwargs"] == {"eps": 1e-05}
    assert written["net_arch"] != [8]
    assert written["activation_fn"] is not nn.ELU
    for wrong in ("[64, 64]", {"net_arch": [64]}):
        with pytest.raises(ConfigurationError, match="write them as the Zoo does"):
            block_of(trial, wrong)


def test_baselines_keep_their_rows_in_view():
    ppo = yaml.safe_load(packaged_config("ppo").read_text())[ENV_ID]["policy_kwargs"]
    assert ppo == "dict(row_encoding='sorted')"
    tried = tuning_of_baselines.sample_ppo_params(trial := optuna.create_study().ask(), 2, 64, {})
    written = eval(block_of(trial, ppo)["policy_kwargs"], {"nn": nn})  # as the Zoo reads it
    assert written == tried["policy_kwargs"]
    assert written.items() > {"row_encoding": "sorted"}.items()


@pytest.mark.parametrize("algo", ["sac", "tqc"])
def test_off_policy_baselines_try_what_their_block_will_say(tmp_path, algo):
    deploy = "{env_wrapper: [{sb3_barriernet.envs.PursuitEvasionBarrier: {alpha: 2.0}}]}"
    method = f"  other: {{algo: {algo}, filter: true, environments: [{ENV_ID}], deploy: {deploy}}}\n"
    study = read(tmp_path, STUDY + method)
    _, tuning, _ = tunings(study, BUDGET, tmp_path)
    tuning.folder.mkdir(parents=True)
    trials = optuna.create_study(storage=tuning.storage, study_name=ENV_ID, direction="maximize")
    tried = HYPERPARAMS_SAMPLER[algo](trial := trials.ask(), 2, 16, {})
    trials.tell(trial, 1.0)
    block = tuning.best_block()
    network = eval(block.pop("policy_kwargs"), {"get_class_by_name": get_class_by_name})  # as the Zoo reads it
    assert network == tried.pop("policy_kwargs")
    assert block == pytest.approx(tried, rel=1e-3)
    assert tuning.run.effective_hyperparameters.keys() >= block.keys() - {"top_quantiles_to_drop_per_net"}
    best = with_best_trials(study, [tuning]).methods["other, trial 0"]
    assert (best.algo, best.filter, best.deploy) == (algo, True, study.methods["other"].deploy)


def test_every_method_has_trials_of_its_own(tmp_path):
    ppo = "  PPO: {algo: ppo, environments: {PursuitEvasion-v0: {policy_kwargs: \"dict(row_encoding='sorted')\"}}}\n"
    study = read(tmp_path, STUDY + ppo)
    barrier, *_, baseline = tuned = tunings(study, BUDGET, tmp_path)
    assert len({tuning.folder for tuning in tuned}) == len(tuned) == 3
    with_trials(barrier, 1.0, 2.0)
    with_trials(baseline, 2.0, 1.0)
    methods = with_best_trials(study, [barrier, baseline]).methods
    assert [*methods] == ["shipped", "shipped, trial 1", "PPO", "PPO, trial 0"]
    assert methods["PPO, trial 0"].algo == "ppo"
    assert "row_encoding='sorted', net_arch=" in methods["PPO, trial 0"].params_on("PursuitEvasion-v0")["policy_kwargs"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_script_tunes_compares_and_reports_and_then_repeats_nothing(tmp_path):
    read(tmp_path, STUDY.replace("  PursuitEvasion-v0: {timesteps: 2048}\n", "").replace("[0, 1]", "[0]"))
    folders = ["--out", str(tmp_path / "out"), "--report", str(tmp_path / "report")]
    small = ["--trials", "2", "--timesteps", "512", "--startup-trials", "1", "--eval-episodes", "2"]
    command = [sys.executable, str(ROOT / "scripts" / "tune.py"), str(tmp_path / "study.yml"), *folders, *small]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    (found,) = results["tunings"]
    assert [trial["number"] for trial in found["trials"]] == [0, 1]
    assert [(run["method"], run["seed"]) for run in results["runs"]] == [("shipped", 0), (found["best_name"], 0)]
    assert all(run["train_violations"] == run["violations"] == 0 for run in results["runs"])
    report = (tmp_path / "report" / "report.md").read_text()
    assert f"| `n_steps` | `32` | `{found['tuned']['n_steps']}` |" in report
    assert f"| {found['best_name']} | 0 |" in report
