"""The algorithm's own interface and settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_barriernet import BarrierPPO
from sb3_barriernet.barriers import StackedBarrier
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.errors import ConfigurationError, RowShapeError
from tests.compatibility.page import refused, works
from tests.compatibility.points import LIMIT, SETTINGS, assert_kept, points, trained
from tests.toys import DriftingPoint, SpeedLimit, read_position

GROUP = "Algorithm"


@works(GROUP, "`save`, `load`", "the same safe actions")
def test_save_and_load(tmp_path):
    model = trained()
    model.save(tmp_path / "model")
    observation = points().reset()
    expected = model.predict(observation, deterministic=True)[0]
    loaded = BarrierPPO.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(loaded.predict(observation, deterministic=True)[0], expected)


@works(GROUP, "`get_parameters`, `set_parameters`")
def test_parameters():
    model, other = trained(), BarrierPPO("MlpPolicy", points(), **SETTINGS | dict(seed=1))
    other.set_parameters(model.get_parameters())
    observation = points().reset()
    np.testing.assert_array_equal(
        other.predict(observation, deterministic=True)[0], model.predict(observation, deterministic=True)[0]
    )


@works(GROUP, "`set_env`, `get_env`", "checked as the first one")
def test_another_environment():
    model = trained()
    model.set_env(points(n_envs=2))
    model.learn(64)
    assert_kept(model.get_env())


@refused(GROUP, "an environment with another number of rows", "a policy takes as many rows as it was trained on; pad")
def test_another_number_of_rows(tmp_path):
    trained().save(tmp_path / "model")
    wider = BarrierObservation(DriftingPoint(), StackedBarrier([SpeedLimit(LIMIT)], num_rows=5), read_position)
    with pytest.raises(RowShapeError, match="as many rows as it was trained on"):
        BarrierPPO.load(tmp_path / "model", env=wider)


@works(GROUP, "`learn` again, `reset_num_timesteps=False`", "goes on as one training")
def test_learning_goes_on():
    model = trained()
    model.learn(64, reset_num_timesteps=False)
    assert model.num_timesteps == 192
    assert_kept(model.get_env())


@works(GROUP, "`predict`", "one observation or many, stochastic or not: always filtered, flagged where infeasible")
def test_predict():
    model = trained()
    observation = points(3).reset()
    for deterministic in (True, False):
        actions, _ = model.predict(observation, deterministic=deterministic)
        assert actions.shape == (3, 2)
        assert actions[:, 0].max() <= LIMIT + 1e-6
    single = {key: value[0] for key, value in observation.items()}
    assert model.predict(single)[0].shape == (2,)


@works(GROUP, "`evaluate_policy`", "executes what `predict` returns")
def test_evaluation():
    model, env = trained(), points(1)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=2, deterministic=False, warn=False)
    assert np.isfinite(mean)
    assert_kept(env)


@works(GROUP, "`seed`, `set_random_seed`", "the same seed gives the same parameters")
def test_seeds():
    one, two, other = trained(), trained(), trained(seed=1)
    weights = [th.nn.utils.parameters_to_vector(model.policy.parameters()) for model in (one, two, other)]
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


@works(GROUP, "schedules of `learning_rate` and `clip_range`", "numbers or functions; in the Zoo's YAML `lin_...`")
def test_schedules():
    asked: list[float] = []
    trained(learning_rate=lambda left: asked.append(left) or 1e-3 * left, clip_range=lambda left: 0.1 + 0.1 * left)
    assert set(asked) >= {0.5, 0.0}


@works(GROUP, "`target_kl`", "stops the epochs of an update")
def test_target_kl():
    assert trained(target_kl=1e-9, n_epochs=10)._n_updates < trained(n_epochs=10)._n_updates


@works(GROUP, "`ent_coef`, `clip_range_vf`, `normalize_advantage`, `max_grad_norm`, `stats_window_size`")
def test_other_settings():
    trained(ent_coef=0.01, clip_range_vf=0.2, normalize_advantage=False, max_grad_norm=0.1, stats_window_size=5)


@works(GROUP, "CUDA", "tested where there is one; the projection itself stays on the CPU by default")
@pytest.mark.skipif(not th.cuda.is_available(), reason="needs a GPU")
def test_cuda():
    trained(device="cuda")


@refused(GROUP, "`use_sde`", "gSDE learns its noise; the barrier's likelihood needs the fixed `action_std`")
def test_state_dependent_exploration():
    with pytest.raises(ConfigurationError, match="gSDE learns its noise"):
        BarrierPPO("MlpPolicy", points(), use_sde=True, **SETTINGS)


@refused(
    GROUP,
    "a foreign `rollout_buffer_class`",
    "derive it from `BarrierRolloutBuffer`",
)
def test_a_foreign_buffer():
    with pytest.raises(ConfigurationError, match="expected a subclass of BarrierRolloutBuffer"):
        BarrierPPO("MlpPolicy", points(), rollout_buffer_class=DictRolloutBuffer, **SETTINGS)
