"""Every algorithm of SB3 and sb3-contrib for continuous actions learns under the filter without a violation."""

import runpy
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import TQC, TRPO, CrossQ, RecurrentPPO
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_barriernet import (
    BarrierExtractor,
    BarrierObservation,
    FilteredEnv,
    FilterLog,
    SafeActionDictReplayBuffer,
    SafeActionReplayBuffer,
    Status,
    ViolationCounter,
)
from sb3_barriernet.errors import ConfigurationError, MissingRowsError
from tests.toys import DriftingPoint, Scribbling, SpeedLimit, limited_point, read_position

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "pendulum.py"))
STEPS = 160
ROUND_OFF = 1e-7  # of float32 actions
ON_POLICY = dict(n_steps=40)
OFF_POLICY = dict(learning_starts=100, batch_size=32)
SEEN = dict(features_extractor_class=BarrierExtractor, net_arch=[32])
ALGORITHMS = {
    "PPO": (PPO, "MultiInputPolicy", dict(ON_POLICY, batch_size=40, n_epochs=2)),
    "A2C": (A2C, "MultiInputPolicy", ON_POLICY),
    "TRPO": (TRPO, "MultiInputPolicy", dict(ON_POLICY, batch_size=40)),
    "RecurrentPPO": (RecurrentPPO, "MultiInputLstmPolicy", dict(ON_POLICY, batch_size=40, n_epochs=1)),
    "SAC": (SAC, "MultiInputPolicy", OFF_POLICY),
    "TD3": (TD3, "MultiInputPolicy", OFF_POLICY),
    "DDPG": (DDPG, "MultiInputPolicy", OFF_POLICY),
    "TQC": (TQC, "MultiInputPolicy", OFF_POLICY),
    "CrossQ": (CrossQ, "MlpPolicy", OFF_POLICY),  # it has no policy for dictionaries
}
KEYS = {f"rollout/{name}_rate" for name in ("intervention", "infeasible", "violation")}
KEYS |= {"rollout/correction_norm", "rollout/barrier_min"}


def pendulum(**settings) -> ViolationCounter:
    """Violations are judged by the angle of the pendulum."""
    safe = FilteredEnv(EXAMPLE["make_safe"](EXAMPLE["make_env"]()), **settings)
    return ViolationCounter(safe, EXAMPLE["clearance"])


def test_without_the_filter_random_actions_violate():
    env = ViolationCounter(EXAMPLE["make_env"](), EXAMPLE["clearance"])
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(STEPS):
        env.step(env.action_space.sample())
    assert env.violations > 50


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_training_violates_nothing_and_logs_what_barrierppo_logs(name):
    algorithm, policy, settings = ALGORITHMS[name]
    hidden = policy == "MlpPolicy"
    env = pendulum(hide_rows=hidden)
    policy_kwargs = dict(net_arch=[32]) if hidden else dict(SEEN)  # off-policy algorithms write into theirs
    model = algorithm(policy, env, policy_kwargs=policy_kwargs, seed=0, device="cpu", **settings)
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.set_logger(configure(None, []))
    model.learn(STEPS, callback=FilterLog(), log_interval=1000)  # nothing is written, so the values stay
    assert any(not (old == new).all() for old, new in zip(before, model.policy.parameters(), strict=True))
    assert env.steps == STEPS
    assert env.violations == 0
    logged = model.logger.name_to_value
    assert set(logged) >= KEYS
    assert logged["rollout/violation_rate"] == 0.0
    assert logged["rollout/infeasible_rate"] == 0.0
    assert logged["rollout/intervention_rate"] > 0.1
    assert -ROUND_OFF < logged["rollout/barrier_min"] < 0.3


def test_hidden_rows_leave_the_task_as_it_was():
    plain, hidden = EXAMPLE["make_env"](), pendulum(hide_rows=True)
    assert hidden.observation_space == plain.observation_space
    assert hidden.reset(seed=0)[0] in hidden.observation_space
    assert hidden.step(np.zeros(1, dtype=np.float32))[0] in hidden.observation_space


def test_info_says_what_was_done():
    env = FilteredEnv(limited_point(0.2))
    env.reset(seed=0)
    *_, info = env.step(np.array([1.0, 0.5]))
    np.testing.assert_allclose(env.unwrapped.received, [[0.2, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(info["safe_action"], [0.2, 0.5], rtol=1e-6)
    assert info["intervention"]
    assert info["filter_status"] == Status.ACTIVE
    assert info["correction"] == pytest.approx(0.8)
    assert info["barrier_min"] == pytest.approx(0.2)
    *_, info = env.step(np.array([-3.0, 0.5]))  # a clip to the box is no intervention
    np.testing.assert_allclose(info["safe_action"], [-1.0, 0.5])
    assert not info["intervention"]
    assert info["correction"] == 0.0


def test_what_was_executed_is_told_although_the_environment_writes_into_it():
    env = FilteredEnv(BarrierObservation(Scribbling(), SpeedLimit(0.2), read_position))
    env.reset(seed=0)
    *_, info = env.step(np.array([1.0, 0.5]))
    np.testing.assert_allclose(info["safe_action"], [0.2, 0.5], rtol=1e-6)
    assert info["correction"] == pytest.approx(0.8)


def test_the_filter_keeps_its_rows_whatever_is_made_of_the_observation():
    env = FilteredEnv(limited_point(0.2))
    observation, _ = env.reset(seed=0)
    for _ in range(2):
        observation["barrier"][:] = 0.0
        observation, *_ = env.step(np.array([1.0, 0.5]))
    np.testing.assert_allclose(env.unwrapped.received, [[0.2, 0.5]] * 2, rtol=1e-6)


def test_an_action_that_is_no_number_is_answered_by_the_backup_action():
    env = FilteredEnv(limited_point(0.2), backup_action=[-0.5, 0.25])
    env.reset(seed=0)
    *_, info = env.step(np.array([np.nan, 0.5]))
    np.testing.assert_allclose(env.unwrapped.received, [[-0.5, 0.25]])
    assert info["filter_status"] == Status.INVALID


class WideBox(DriftingPoint):
    """Actions in other units than SB3's."""

    def __init__(self):
        super().__init__()
        self.action_space = gym.spaces.Box(np.float32([-1, -3]), np.float32([1, 5]))


def wide_point():
    env = limited_point(0.2)
    env.env = WideBox()
    return type(env)(env.env, env.barrier, env.state)


@pytest.mark.parametrize("hidden", [False, True])
def test_the_replay_buffer_holds_what_its_class_says(hidden):
    policy, safe_class = (
        ("MlpPolicy", SafeActionReplayBuffer) if hidden else ("MultiInputPolicy", SafeActionDictReplayBuffer)
    )
    stored = {}
    for buffer_class in (None, safe_class):
        env = make_vec_env(lambda: FilteredEnv(wide_point(), hide_rows=hidden), 2, seed=0)
        model = SAC(policy, env, replay_buffer_class=buffer_class, learning_starts=100, seed=0, device="cpu")
        model.learn(60)
        low, high = env.action_space.low, env.action_space.high
        actions = model.replay_buffer.actions[:30]
        stored[buffer_class] = low + 0.5 * (actions + 1.0) * (high - low)
        received = np.stack([inner.unwrapped.received for inner in env.envs], axis=1)
    np.testing.assert_allclose(stored[safe_class], received, atol=1e-6)
    limited = np.minimum(stored[None], [0.2, 5.0])
    np.testing.assert_allclose(stored[safe_class], limited, atol=1e-6)
    assert (stored[None][..., 0] > 0.3).any()


def test_what_cannot_work_is_refused_with_advice():
    with pytest.raises(MissingRowsError, match="BarrierObservation"):
        FilteredEnv(DriftingPoint())
    model = SAC("MultiInputPolicy", limited_point(), replay_buffer_class=SafeActionDictReplayBuffer, device="cpu")
    with pytest.raises(ConfigurationError, match="FilteredEnv"):
        model.learn(1)
    with pytest.raises(ConfigurationError, match="FilteredEnv"):
        PPO("MultiInputPolicy", limited_point(), n_steps=8, batch_size=8, device="cpu").learn(8, callback=FilterLog())


@pytest.mark.slow
def test_workers_filter_for_themselves():
    env = make_vec_env(lambda: pendulum(), 2, seed=0, vec_env_cls=SubprocVecEnv)
    model = PPO("MultiInputPolicy", env, policy_kwargs=SEEN, n_steps=200, device="cpu", seed=0)
    model.set_logger(configure(None, []))
    model.learn(400, callback=FilterLog(), log_interval=1000)
    assert env.get_attr("violations") == [0, 0]
    assert model.logger.name_to_value["rollout/intervention_rate"] > 0.1
    env.close()
