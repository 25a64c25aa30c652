"""A training that was cut off and resumed is, bit by bit, the one that was not."""

import threading
import zipfile

import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from sb3_barriernet import BarrierPPO, FilteredEnv, ResumableTraining, distill
from sb3_barriernet.barrier_ppo import ActionStdSchedule
from sb3_barriernet.errors import CheckpointError, ConfigurationError, DivergedError
from sb3_barriernet.evaluation import TrainingRecorder
from tests.barrier_ppo.trainings import (
    SETTINGS,
    TRAININGS,
    InterruptAfter,
    InterruptedTrainingError,
    differences,
    gains,
    plain_ppo,
    total,
    what_was_learned,
)
from tests.toys import limited_point, walled_point


def cut_off(make, steps, path, *callbacks):
    model = make()
    with pytest.raises(InterruptedTrainingError):
        model.learn(total(model), [ResumableTraining(path), *callbacks, InterruptAfter(steps)])


def resumed(make, path, *callbacks):
    model = make()
    return model.learn(total(model), [*callbacks, ResumableTraining(path, verbose=0)])


@pytest.mark.parametrize("name", TRAININGS)
def test_resumed_training_is_uninterrupted_training(name, tmp_path):
    make = TRAININGS[name]
    uninterrupted = make()
    expected = what_was_learned(uninterrupted.learn(total(uninterrupted)))
    cut_off(make, 2 * 16 + 5, tmp_path / "training")
    assert not differences(what_was_learned(resumed(make, tmp_path / "training")), expected)


def test_a_training_may_be_cut_off_again_and_again(tmp_path):
    expected = what_was_learned((model := gains()).learn(total(model)))
    for _ in range(5):  # each gets to the next rollout, and half way through it
        cut_off(gains, 16 + 8, tmp_path / "training.zip")
        if BarrierPPO.load(tmp_path / "training.zip").num_timesteps == total(model) - 32:
            break
    assert not differences(what_was_learned(resumed(gains, tmp_path / "training.zip")), expected)


def test_what_is_compared_tells_another_seed(tmp_path):
    """The test of the test: without the random states a resumed training is another one."""
    expected = what_was_learned((model := gains()).learn(total(model)))
    cut_off(gains, 40, tmp_path / "training")
    model = gains()
    callback = ResumableTraining(tmp_path / "training")
    model._setup_learn(total(model), callback)
    th.manual_seed(1)
    model.learn(total(model) - model.num_timesteps, reset_num_timesteps=False)
    assert differences(what_was_learned(model), expected)


def test_a_longer_training_goes_on_from_the_last_file(tmp_path, capsys):
    model = gains()
    model.learn(total(model), ResumableTraining(tmp_path / "training"))
    longer = gains().learn(2 * total(model), ResumableTraining(tmp_path / "training"))
    assert longer.num_timesteps == 2 * total(model)
    assert f"step {total(model)}, same episodes" in capsys.readouterr().out


def test_a_training_that_is_complete_is_not_repeated(tmp_path):
    trained = what_was_learned((model := gains()).learn(total(model), ResumableTraining(tmp_path / "training")))
    assert not differences(what_was_learned(resumed(gains, tmp_path / "training")), trained)


def test_a_model_that_learns_on_loses_nothing(tmp_path):
    def learn_twice(callback):
        model = gains().learn(64, callback)
        return what_was_learned(model.learn(64, callback, reset_num_timesteps=False))

    assert not differences(learn_twice(ResumableTraining(tmp_path / "training", verbose=0)), learn_twice(None))


def test_the_users_environment_is_the_one_that_goes_on(tmp_path):
    cut_off(gains, 40, tmp_path / "training")
    model = gains()
    env = model.get_env()
    model.learn(total(model), ResumableTraining(tmp_path / "training", verbose=0))
    assert model.get_env() is env
    assert len(env.envs[0].get_wrapper_attr("received")) > 0


def test_monitor_files_are_those_of_the_new_process(tmp_path):
    def make():
        return BarrierPPO("MlpPolicy", make_vec_env(walled_point, 2, seed=0, monitor_dir=str(tmp_path)), **SETTINGS)

    def episodes():  # return and length, without the header
        return [line.split(",")[:2] for line in (tmp_path / "0.monitor.csv").read_text().splitlines()[2:]]

    model = make()
    model.learn(total(model))
    whole = episodes()
    cut_off(make, 40, tmp_path / "training")
    resumed(make, tmp_path / "training")
    assert len(whole) == 3
    assert episodes() == whole[1:]  # the first ended before the file was written, the second after it


def test_what_other_callbacks_keep_on_the_model_is_resumed_too(tmp_path):
    model = gains()
    model.learn(total(model), [ActionStdSchedule(0.2), TrainingRecorder()])
    cut_off(gains, 40, tmp_path / "training", ActionStdSchedule(0.2), TrainingRecorder())
    again = resumed(gains, tmp_path / "training", ActionStdSchedule(0.2), TrainingRecorder())
    assert not differences(what_was_learned(again), what_was_learned(model))
    assert again.training_record["steps"] == model.training_record["steps"] == total(model)


def test_the_file_is_a_model_for_everybody_else(tmp_path):
    cut_off(gains, 40, tmp_path / "training")
    model = BarrierPPO.load(tmp_path / "training", walled_point(), device="cpu")
    assert model.num_timesteps == 64
    model.predict(model.get_env().reset())


def test_trainings_that_take_turns_in_one_process_are_each_as_if_alone(tmp_path):
    makers = {"ours": gains, "plain": plain_ppo}
    alone = {name: what_was_learned((model := make()).learn(total(model))) for name, make in makers.items()}
    for _ in range(2):
        for name, make in makers.items():
            cut_off(make, 16 + 5, tmp_path / name)
    for name, make in makers.items():
        assert not differences(what_was_learned(resumed(make, tmp_path / name)), alone[name])


def test_worker_processes_begin_new_episodes_and_say_so(tmp_path, capsys):
    def make():
        workers = dict(vec_env_cls=SubprocVecEnv, vec_env_kwargs=dict(start_method="fork"))
        return BarrierPPO("MlpPolicy", make_vec_env(walled_point, 2, 0, **workers), **SETTINGS)

    with pytest.warns(UserWarning, match=r"SubprocVecEnv cannot be pickled.*begins new episodes.*DummyVecEnv"):
        cut_off(make, 40, tmp_path / "training")
    with pytest.warns(UserWarning, match="begins new episodes"):
        model = (model := make()).learn(total(model), ResumableTraining(tmp_path / "training"))
    assert "step 64, new episodes" in capsys.readouterr().out
    assert model.num_timesteps == total(model)


def test_new_episodes_are_others_than_the_first(tmp_path):
    class NoPickle(DummyVecEnv):
        def __init__(self, *args):
            super().__init__(*args)
            self.lock = threading.Lock()

    def make():
        return BarrierPPO("MlpPolicy", make_vec_env(walled_point, 2, 0, vec_env_cls=NoPickle), **SETTINGS)

    with pytest.warns(UserWarning, match="NoPickle cannot be pickled"):
        cut_off(make, 40, tmp_path / "training")
    model, first = make(), make().get_env().reset()
    model._setup_learn(total(model), ResumableTraining(tmp_path / "training", verbose=0))
    assert not np.isin(model._last_obs["observation"], first["observation"]).any()
    assert model._last_episode_starts.all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(n_steps=32), "n_steps=16 there and 32 here"),
        (dict(seed=1), "seed=0 there and 1 here"),
        (dict(learning_rate=1e-4), r"learning_rate=0.0003 there and 0.0001 here"),
        (dict(action_std=0.2), "action_std=None there and 0.2 here"),
    ],
)
def test_another_training_is_not_mixed_in(changes, message, tmp_path):
    cut_off(gains, 20, tmp_path / "training")
    model = BarrierPPO("MlpPolicy", make_vec_env(walled_point, 2), learn_gains=True, **{**SETTINGS, **changes})
    with pytest.raises(ConfigurationError, match=f"another training: found {message}.*another path"):
        model.learn(64, ResumableTraining(tmp_path / "training"))


def test_another_number_of_environments_is_not_mixed_in(tmp_path):
    cut_off(gains, 20, tmp_path / "training")
    model = BarrierPPO("MlpPolicy", make_vec_env(walled_point, 3), learn_gains=True, **SETTINGS)
    with pytest.raises(ConfigurationError, match="n_envs=2 there and 3 here"):
        model.learn(64, ResumableTraining(tmp_path / "training"))


def test_files_that_are_no_training_are_refused(tmp_path):
    gains().save(tmp_path / "model")
    with pytest.raises(CheckpointError, match="a model without the state of its training"):
        gains().learn(64, ResumableTraining(tmp_path / "model"))
    cut_off(gains, 20, tmp_path / "training")
    whole = (tmp_path / "training.zip").read_bytes()
    (tmp_path / "training.zip").write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match="It was cut off"):
        gains().learn(64, ResumableTraining(tmp_path / "training"))


def test_algorithms_that_are_not_saved_whole_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"Found a SAC.*replay buffer"):
        SAC("MultiInputPolicy", FilteredEnv(limited_point())).learn(2, ResumableTraining(tmp_path / "training"))
    with pytest.raises(ConfigurationError, match=r"Found a Distiller.*lessons.*teacher"):
        distill(gains(), total_timesteps=64, callback=ResumableTraining(tmp_path / "training"))
    with pytest.raises(ConfigurationError, match="Leave use_sde out"):
        PPO("MlpPolicy", "Pendulum-v1", use_sde=True, n_steps=8).learn(8, ResumableTraining(tmp_path / "training"))
    with pytest.raises(ConfigurationError, match="save_freq=0"):
        ResumableTraining(tmp_path / "training", save_freq=0)


def test_weights_that_are_no_numbers_never_replace_good_ones(tmp_path):
    cut_off(gains, 20, tmp_path / "training")
    before = (tmp_path / "training.zip").read_bytes()
    model = gains()
    model._setup_learn(64, callback := ResumableTraining(tmp_path / "training", verbose=0))
    with th.no_grad():
        next(model.policy.parameters()).fill_(th.nan)
    with pytest.raises(DivergedError, match=r"not saved.*as it was before"):
        callback.on_rollout_start()
    assert (tmp_path / "training.zip").read_bytes() == before


def test_only_every_so_many_rollouts_are_written_down(tmp_path):
    path = tmp_path / "training.zip"
    with pytest.raises(InterruptedTrainingError):
        gains().learn(5 * 32, [ResumableTraining(path, save_freq=3), InterruptAfter(5 * 16 - 1)])
    assert BarrierPPO.load(path).num_timesteps == 3 * 32
    assert [file.name for file in tmp_path.iterdir()] == ["training.zip"]
    assert zipfile.ZipFile(path).testzip() is None
