"""Callbacks and loggers."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EvalCallback,
    EveryNTimesteps,
    LogEveryNTimesteps,
    ProgressBarCallback,
    StopTrainingOnMaxEpisodes,
    StopTrainingOnNoModelImprovement,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.logger import configure

from sb3_barriernet import BarrierPPO
from tests.compatibility.page import works
from tests.compatibility.points import LIMIT, SETTINGS, assert_kept, points, trained

GROUP = "Callbacks and logs"
LOGGED = {"rollout/intervention_rate", "rollout/infeasible_rate", "rollout/correction_norm", "rollout/ep_rew_mean"}


@works(GROUP, "`EvalCallback`", "evaluates filtered actions; the best model is saved and acts alike")
def test_evaluation_keeps_the_best_model(tmp_path):
    env = points(1)
    noisy = EvalCallback(env, eval_freq=32, best_model_save_path=str(tmp_path), deterministic=False, verbose=0)
    model = trained(callback=noisy)
    assert_kept(env)
    best = BarrierPPO.load(tmp_path / "best_model", device="cpu")
    observation = env.reset()
    assert best.predict(observation, deterministic=False)[0][0, 0] <= LIMIT + 1e-6
    assert set(best.get_parameters()) == set(model.get_parameters())


@works(GROUP, "`CheckpointCallback`", "training goes on from a checkpoint")
def test_checkpoints(tmp_path):
    trained(callback=CheckpointCallback(32, str(tmp_path)))
    checkpoints = sorted(tmp_path.glob("rl_model_*_steps.zip"))
    assert len(checkpoints) == 2
    model = BarrierPPO.load(checkpoints[0], env=points(), device="cpu")
    before = model.num_timesteps
    model.learn(64, reset_num_timesteps=False)
    assert model.num_timesteps == before + 64


class Counter(BaseCallback):
    """Counts how often it is called."""

    def _on_step(self) -> bool:
        return True


@works(GROUP, "`CallbackList`, functions, `EveryNTimesteps`")
def test_lists_and_functions():
    counter, calls = Counter(), []
    trained(callback=CallbackList([EveryNTimesteps(64, counter), ConvertCallback(lambda *_: calls.append(1) or True)]))
    assert counter.n_calls == 2
    assert len(calls) == 64
    trained(callback=lambda *_: calls.append(1) or True)
    assert len(calls) == 128


@works(GROUP, "`StopTrainingOnRewardThreshold`, `...OnNoModelImprovement`, `...OnMaxEpisodes`")
def test_early_ends():
    enough = StopTrainingOnRewardThreshold(-1e9)
    assert (
        trained(callback=EvalCallback(points(1), callback_on_new_best=enough, eval_freq=32, verbose=0)).num_timesteps
        < 128
    )
    stuck = StopTrainingOnNoModelImprovement(0, min_evals=0)
    after = EvalCallback(points(1), callback_after_eval=stuck, eval_freq=16, verbose=0)
    assert trained(steps=640, callback=after).num_timesteps < 640
    assert trained(steps=640, callback=StopTrainingOnMaxEpisodes(2)).num_timesteps < 200


@works(GROUP, "`ProgressBarCallback`, `progress_bar=True`")
def test_progress_bar():
    pytest.importorskip("rich")
    trained(callback=ProgressBarCallback())


@works(GROUP, "CSV, JSON, text, TensorBoard", "SB3's keys, and `rollout/intervention_rate` and its neighbours")
def test_loggers(tmp_path):
    model = BarrierPPO("MlpPolicy", points(), **SETTINGS)
    model.set_logger(configure(str(tmp_path), ["csv", "json", "log", "tensorboard"]))
    model.learn(128, callback=LogEveryNTimesteps(32))
    with open(tmp_path / "progress.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    last = json.loads((tmp_path / "progress.json").read_text(encoding="utf-8").splitlines()[-1])
    assert set(rows[-1]) >= LOGGED
    assert set(last) >= LOGGED
    assert 0.0 < max(float(row["rollout/intervention_rate"] or "0") for row in rows) <= 1.0
    assert list(tmp_path.glob("events.out.tfevents*"))
    assert (tmp_path / "log.txt").stat().st_size > 0


@works(GROUP, "`Monitor` files", "`info_keywords` such as `violation` from the environment")
def test_monitor_files(tmp_path):
    trained(points(monitor_dir=str(tmp_path)))
    files = sorted(tmp_path.glob("*.monitor.csv"))
    assert len(files) == 2
    table = np.genfromtxt(files[0], delimiter=",", names=True, skip_header=1)
    assert set(table.dtype.names) >= {"r", "l", "t"}
