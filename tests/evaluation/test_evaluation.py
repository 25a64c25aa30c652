"""Evaluation counts what an obvious loop counts."""

import numpy as np
import pandas as pd
import pytest
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize

from sb3_barriernet import BarrierExtractor, BarrierPPO, FilteredEnv, NominalActorCriticPolicy, SafetyFilter
from sb3_barriernet.errors import ConfigurationError, NormalizedRowsError
from sb3_barriernet.evaluation import (
    TrainingRecorder,
    WithoutFilter,
    evaluate,
    run_episodes,
)
from sb3_barriernet.evaluation.learning_curve import FEWEST, WINDOW, learning_curve, read_episodes
from sb3_barriernet.evaluation.training_record import HISTORY_PERIOD, training_record
from tests.toys import DriftingPoint, limited_point

SETTINGS = dict(n_steps=32, batch_size=32, n_epochs=2, seed=0, device="cpu")
SPEED = 0.2


class SpeedTrap(DriftingPoint):
    """Violates whenever it drives faster than ``SPEED``, judged from what it received."""

    def step(self, action):
        observation, reward, terminated, truncated, _ = super().step(action)
        speeding = bool(action[0] > SPEED + 1e-6)
        return observation, reward, terminated, truncated, {"violation": speeding, "is_success": truncated}


def trapped_point(limit: float = SPEED, **kwargs):
    env = limited_point(limit)
    env.env = SpeedTrap(**kwargs)
    return env


class AlwaysFast:
    """Proposes full speed."""

    def __init__(self, model):
        self.model = model
        self.observation_space, self.action_space = model.observation_space, model.action_space

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.tile([1.0, 0.5], (len(observation["observation"]), 1)).astype(np.float32), state


@pytest.fixture
def model() -> PPO:
    return PPO(NominalActorCriticPolicy, make_vec_env(trapped_point, 2, seed=0), **SETTINGS)


def test_unfiltered_speeding_is_counted_step_by_step(model):
    env = make_vec_env(trapped_point, 3, seed=0)
    metrics = evaluate(AlwaysFast(model), env, 6)
    assert metrics["episodes"] == 6
    assert metrics["steps"] == metrics["violations"] == 120
    assert metrics["success_rate"] == 1.0
    assert metrics["violation_free_success_rate"] == 0.0
    assert metrics["intervention_rate"] == 0.0
    assert metrics["mean_return"] == pytest.approx(20.0)


def test_filtered_speeding_is_corrected_step_by_step(model):
    env = make_vec_env(trapped_point, 3, seed=0)
    metrics = evaluate(SafetyFilter(AlwaysFast(model)), env, 6)
    assert metrics["violations"] == 0
    assert metrics["violation_free_success_rate"] == 1.0
    assert metrics["intervention_rate"] == 1.0
    assert metrics["infeasible_rate"] == 0.0
    assert metrics["correction_norm"] == pytest.approx(0.8, rel=1e-6)
    assert metrics["mean_return"] == pytest.approx(20 * SPEED, rel=1e-6)


def test_safety_filter_serves_single_observations(model):
    env = trapped_point()
    observation, _ = env.reset(seed=0)

    class Single(AlwaysFast):
        def predict(self, observation, *args, **kwargs):
            return np.array([1.0, 0.5], dtype=np.float32), None

    action, _ = SafetyFilter(Single(model)).predict(observation)
    np.testing.assert_allclose(action, [SPEED, 0.5], rtol=1e-6)


def test_a_filter_in_the_environment_is_counted_like_one_in_the_agent(model):
    behind = evaluate(SafetyFilter(AlwaysFast(model)), make_vec_env(trapped_point, 3, seed=0), 6)
    within = evaluate(AlwaysFast(model), make_vec_env(lambda: FilteredEnv(trapped_point()), 3, seed=0), 6)
    assert within["intervention_rate"] == 1.0
    assert within == pytest.approx(behind)


def test_actions_of_the_filter_belong_to_who_asked(model):
    env = make_vec_env(trapped_point, 2, seed=0)
    safe = SafetyFilter(AlwaysFast(model))
    action, _ = safe.predict(env.reset())
    action *= 0.0  # as some environments do
    np.testing.assert_allclose(safe.projection.action, [[SPEED, 0.5]] * 2, rtol=1e-6)


def test_equal_shares_do_not_favour_short_episodes(model):
    """Taking the first ten episodes to finish would take nine short ones."""
    lengths = iter([3, 30])
    env = make_vec_env(lambda: trapped_point(episode_length=next(lengths)), 2, seed=0)
    records = run_episodes(AlwaysFast(model), env, 10)
    assert sorted(records.lengths) == [3] * 5 + [30] * 5


def test_without_filter_is_the_nominal_mean():
    env = make_vec_env(trapped_point, 2, seed=0)
    barrier = BarrierPPO("MlpPolicy", env, **SETTINGS)
    observation = env.reset()
    action, _ = WithoutFilter(barrier).predict(observation, deterministic=True)
    mean = barrier.policy.get_distribution(barrier.policy.obs_to_tensor(observation)[0]).distribution.mean
    np.testing.assert_allclose(action, mean.detach().numpy().clip(-1, 1))
    stock = PPO(NominalActorCriticPolicy, env, **SETTINGS)
    np.testing.assert_array_equal(
        WithoutFilter(stock).predict(observation, deterministic=True)[0],
        stock.predict(observation, deterministic=True)[0],
    )


class Silent(DriftingPoint):
    def step(self, action):
        *outcome, _ = super().step(action)
        return *outcome, {}


def silent_point():
    env = limited_point()
    env.env = Silent()
    return env


def test_what_the_environment_does_not_report_is_unknown_and_not_zero():
    env = make_vec_env(silent_point, 1, seed=0)
    model = BarrierPPO("MlpPolicy", env, **SETTINGS)
    model.set_logger(configure(None, []))
    model.learn(32, callback=TrainingRecorder(), log_interval=100)
    assert training_record(model).violations is None
    assert "rollout/violation_rate" not in model.logger.name_to_value
    metrics = evaluate(model, env, 1)
    for name in ("violations", "violation_rate", "violation_free_success_rate", "min_clearance"):
        assert metrics[name] is None, name


def test_a_model_without_a_record_is_refused(model):
    with pytest.raises(ConfigurationError, match="TrainingRecorder"):
        training_record(model)


def test_recurrent_agents_remember_and_are_filtered():
    env = make_vec_env(trapped_point, 2, seed=0)
    policy_kwargs = dict(features_extractor_class=BarrierExtractor)
    agent = RecurrentPPO("MultiInputLstmPolicy", env, n_steps=8, batch_size=8, policy_kwargs=policy_kwargs, seed=0)
    states = []

    class Watched:
        policy, action_space = None, agent.action_space

        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            states.append((state, episode_start.copy()))
            return safe.predict(observation, state, episode_start, deterministic)

    safe = SafetyFilter(agent)
    records = run_episodes(Watched(), env, 4)
    assert records.violation_steps.sum() == 0
    assert states[0][0] is None
    assert states[0][1].all()
    assert all(state is not None for state, _ in states[1:])
    assert [i for i, (_, start) in enumerate(states) if start.any()] == [0, 20]


def test_rows_that_a_normalisation_changed_are_refused_by_the_filter():
    """A PPO may train on normalised rows; they describe another barrier, so nothing may be filtered by them."""
    env = VecNormalize(make_vec_env(trapped_point, 2, seed=0))
    stock = PPO("MultiInputPolicy", env, **SETTINGS)
    with pytest.raises(NormalizedRowsError, match="norm_obs_keys"):
        SafetyFilter(stock).predict(env.reset())


def test_episodes_are_shared_out_exactly(model):
    assert len(run_episodes(AlwaysFast(model), make_vec_env(trapped_point, 3, seed=0), 4)) == 4
    with pytest.raises(ConfigurationError, match="at least 1"):
        run_episodes(AlwaysFast(model), make_vec_env(trapped_point, 3, seed=0), 0)


def test_episodes_end_at_the_step_of_the_whole_batch(tmp_path):
    """Two environments in lockstep: an episode that ends at step 30 of its own ends at step 60 of both."""
    lengths = iter([30, 20])
    env = make_vec_env(
        lambda: trapped_point(episode_length=next(lengths)),
        2,
        seed=0,
        monitor_dir=str(tmp_path),
        monitor_kwargs=dict(info_keywords=("is_success",)),
    )
    env.reset()
    for _ in range(65):
        env.step(np.zeros((2, 2), dtype=np.float32))
    episodes = read_episodes(tmp_path)
    assert episodes["steps"].tolist() == [40, 60, 80, 120, 120]
    assert episodes["l"].tolist() == [20, 30, 20, 30, 20]


@pytest.mark.parametrize("algorithm", ["ppo", "barrierppo"])
def test_the_training_record_is_kept_saved_and_continued(algorithm, tmp_path):
    env = make_vec_env(trapped_point, 2, seed=0)
    if algorithm == "ppo":
        model, cls = PPO(NominalActorCriticPolicy, env, **SETTINGS), PPO
    else:
        model, cls = BarrierPPO("MlpPolicy", env, **SETTINGS), BarrierPPO
    model.learn(128, callback=TrainingRecorder())
    received = np.concatenate([np.stack(e.unwrapped.received) for e in env.envs])
    record = training_record(model)
    assert record.steps == len(received) == 128
    assert record.violations == (received[:, 0] > SPEED + 1e-6).sum()
    if algorithm == "ppo":
        assert record.violations > 10
        assert record.interventions == 0
    else:
        assert record.violations == 0
        assert record.interventions > 10
    model.save(tmp_path / "model")
    again = cls.load(tmp_path / "model", env=env, device="cpu")
    again.learn(64, callback=TrainingRecorder(), reset_num_timesteps=False)
    assert training_record(again).steps == 192
    assert training_record(again).violations >= record.violations
    assert training_record(again).wall_s > record.wall_s


def test_the_history_of_a_training_ends_in_its_totals_and_its_points_lie_apart():
    env = make_vec_env(trapped_point, 2, seed=0)
    model = PPO(NominalActorCriticPolicy, env, **SETTINGS)
    rollout = SETTINGS["n_steps"] * env.num_envs
    model.learn(2 * rollout * -(-HISTORY_PERIOD // rollout), callback=TrainingRecorder())
    record = training_record(model)
    steps, violations, interventions = np.array(record.history).T
    assert (np.diff(steps, prepend=0) >= HISTORY_PERIOD).all()
    assert (np.diff(violations) >= 0).all()
    assert (steps[-1], violations[-1]) == (record.steps, record.violations)
    assert (interventions == 0).all()


def test_learning_curve_counts_steps_and_finds_the_level():
    num = 3 * WINDOW
    episodes = pd.DataFrame(
        {
            "r": np.ones(num),
            "l": np.full(num, 10),
            "steps": 10 * np.arange(1, num + 1),
            "is_success": np.arange(num) >= WINDOW,
            "violation_steps": np.where(np.arange(num) < 2 * WINDOW, 0, np.arange(num) % 2),
        }
    )
    curve = learning_curve(episodes)
    assert curve.steps[-1] == 10 * num
    assert len(curve.steps) == len(curve.success) == len(curve.violations) == num - FEWEST + 1
    assert curve.success[2 * WINDOW - FEWEST] == 1.0
    assert curve.success[2 * WINDOW - FEWEST - 1] < 1.0
    assert curve.safe_success[-1] == pytest.approx(0.5)
    assert curve.violations[-1] == WINDOW / 2
    assert curve.steps_to(0.95) == 10 * (WINDOW + 0.95 * WINDOW)
    assert curve.steps_to(1.1) is None
