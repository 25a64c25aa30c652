"""What BarrierPPO promises: what is stored, what is trained, what reaches the environment, what is saved."""

import copy

import cloudpickle
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

import sb3_barriernet.projection.row_filter as row_filter_module
from sb3_barriernet import BarrierPPO, Status, without_filter
from sb3_barriernet.barrier_ppo.nominal_policy import NominalMultiInputActorCriticPolicy
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.errors import ConfigurationError, NormalizedRowsError
from tests.barrier_ppo.models import LIMIT, SETTINGS, KeepRollout, make_model, rollout
from tests.toys import DriftingPoint, Scribbling, SpeedLimit, limited_point, read_position


def test_the_environment_receives_safe_actions_and_the_buffer_keeps_both():
    model = make_model()
    kept = rollout(model)
    received = np.stack([env.unwrapped.received for env in model.env.envs], axis=1)
    np.testing.assert_array_equal(received, kept.safe)
    assert (kept.safe[..., 0] <= LIMIT + 1e-7).all()
    assert (kept.nominal[..., 0] > LIMIT).mean() > 0.2
    assert (np.abs(kept.nominal) > 1.0).any(), "u_nom must be stored unclipped"
    np.testing.assert_array_equal(kept.status == Status.ACTIVE, kept.nominal[..., 0] > LIMIT)


def test_log_probability_is_that_of_the_nominal_action_and_per_sample():
    model = make_model(action_std=[0.5, 0.25])
    reference = make_model(action_std=[0.5, 0.25])
    kept = rollout(model)
    for step in (0, 17):
        obs = {key: th.as_tensor(value[step]) for key, value in kept.observations.items()}
        nominal = th.as_tensor(kept.nominal[step])
        with th.no_grad():
            mean = reference.policy.get_distribution(obs).distribution.mean
            _, log_prob, entropy = reference.policy.evaluate_actions(obs, nominal)
        expected = th.distributions.Normal(mean, th.tensor([0.5, 0.25])).log_prob(nominal).sum(dim=1)
        assert log_prob.shape == entropy.shape == (2,)
        th.testing.assert_close(log_prob, expected)
        np.testing.assert_allclose(kept.log_probs[step], expected.numpy(), rtol=1e-6, atol=1e-6)


def test_the_gradient_reaches_every_actor_parameter_with_stored_actions_only():
    model = make_model()
    kept = rollout(model)
    obs = {key: th.as_tensor(value.reshape(-1, *value.shape[2:])) for key, value in kept.observations.items()}
    nominal = th.as_tensor(kept.nominal.reshape(-1, 2))
    actor = [p for n, p in model.policy.named_parameters() if "policy_net" in n or "action_net" in n]

    _, log_prob, _ = model.policy.evaluate_actions(obs, nominal)
    gradients = th.autograd.grad((log_prob * th.linspace(-1, 1, len(log_prob))).sum(), actor)
    assert all((gradient != 0).any() for gradient in gradients)


def test_the_gradient_of_the_ppo_loss_reaches_every_actor_parameter():
    model = make_model(n_epochs=1, batch_size=64, normalize_advantage=True)
    rollout(model)  # one minibatch; its gradients are still there
    for name, parameter in model.policy.named_parameters():
        if "policy_net" in name or "action_net" in name:
            assert parameter.grad.abs().max() > 0.0, name


def test_evaluate_policy_executes_what_predict_returns():
    model = make_model()
    env = make_vec_env(_tight_point, 1, seed=4)
    expected, _ = model.predict(env.reset(), deterministic=True)
    env.seed(4)
    evaluate_policy(model, env, n_eval_episodes=1, deterministic=True)
    np.testing.assert_array_equal(env.envs[0].unwrapped.received[0], expected[0])


def test_the_gradient_vanishes_when_the_action_is_resampled():
    """The old bug: with ``u = mu + sigma eps`` made anew from the current mean the likelihood no longer holds mu."""
    model = make_model()
    obs = model.policy.obs_to_tensor(model.env.reset())[0]
    actor = [p for n, p in model.policy.named_parameters() if "policy_net" in n or "action_net" in n]
    resampled = model.policy.get_distribution(obs).distribution.rsample()
    _, log_prob, _ = model.policy.evaluate_actions(obs, resampled)
    gradients = th.autograd.grad(log_prob.sum(), actor)
    assert all(gradient.abs().max() < 1e-5 for gradient in gradients)


def test_std_is_a_buffer_in_the_checkpoint_and_training_leaves_it_alone(tmp_path):
    model = make_model(action_std=[0.5, 0.25])
    before = model.policy.log_std.clone()
    rollout(model)
    assert th.equal(model.policy.log_std, before)
    assert "log_std" in model.policy.state_dict()
    assert "log_std" in dict(model.policy.named_buffers())
    assert "log_std" not in dict(model.policy.named_parameters())
    optimised = {id(p) for group in model.policy.optimizer.param_groups for p in group["params"]}
    assert optimised == {id(p) for p in model.policy.parameters()}
    model.policy.set_action_std([0.4, 0.2])  # known to the weights alone
    model.save(tmp_path / "model")
    loaded = BarrierPPO.load(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(loaded.policy.action_std.numpy(), [0.4, 0.2], rtol=1e-6)


def test_loading_with_another_std_replaces_the_saved_one(tmp_path):
    make_model(action_std=0.5).save(tmp_path / "model")
    loaded = BarrierPPO.load(tmp_path / "model", action_std=0.1, device="cpu")
    np.testing.assert_allclose(loaded.policy.action_std.numpy(), [0.1, 0.1], rtol=1e-6)


def test_default_std_is_half_of_each_half_range():
    np.testing.assert_allclose(make_model().policy.action_std.numpy(), [0.5, 0.5], rtol=1e-6)


def test_the_update_solves_no_projection(monkeypatch):
    model = make_model()
    calls = []
    original = row_filter_module.project

    def counting(*args, **kwargs):
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(row_filter_module, "project", counting)
    rollout(model)
    assert len(calls) == model.n_steps
    model.train()
    assert len(calls) == model.n_steps


def test_every_door_gives_the_same_safe_action(tmp_path):
    model = make_model()
    rollout(model)
    env = make_vec_env(lambda: limited_point(LIMIT), 3, seed=5)
    observation = env.reset()
    expected, _ = model.predict(observation, deterministic=True)
    assert (expected[:, 0] <= LIMIT + 1e-7).all()
    model.save(tmp_path / "model")
    loaded = BarrierPPO.load(tmp_path / "model", env=make_vec_env(lambda: limited_point(LIMIT), 2), device="cpu")
    np.testing.assert_array_equal(loaded.predict(observation, deterministic=True)[0], expected)
    model.policy.save(str(tmp_path / "policy"))
    policy = type(model.policy).load(str(tmp_path / "policy"), device="cpu")
    np.testing.assert_array_equal(policy.predict(observation, deterministic=True)[0], expected)
    single = {key: value[1] for key, value in observation.items()}
    np.testing.assert_allclose(model.predict(single, deterministic=True)[0], expected[1], atol=1e-6)
    fresh = make_model()
    fresh.set_parameters(model.get_parameters())
    np.testing.assert_array_equal(fresh.predict(observation, deterministic=True)[0], expected)


def _spied(model: BarrierPPO, env: DummyVecEnv) -> float:
    evaluate_policy(model, env, n_eval_episodes=2, deterministic=False, warn=False)
    return max(np.max(np.stack(e.unwrapped.received)[:, 0]) for e in env.envs)


def test_evaluate_policy_and_eval_callback_act_safely(tmp_path):
    model = make_model()
    assert _spied(model, make_vec_env(lambda: limited_point(LIMIT), 1, seed=1)) <= LIMIT + 1e-7
    eval_env = make_vec_env(lambda: limited_point(LIMIT), 1, seed=2)
    callback = EvalCallback(eval_env, eval_freq=16, n_eval_episodes=1, deterministic=False, verbose=0)
    model.learn(64, callback=callback)
    assert max(np.stack(eval_env.envs[0].unwrapped.received)[:, 0]) <= LIMIT + 1e-7


def _tight_point():
    return limited_point(LIMIT)


@pytest.mark.parametrize("start_method", ["spawn"])
def test_subprocess_workers_act_like_the_dummy_env(start_method):
    kwargs = dict(n_envs=2, seed=0)
    dummy = make_vec_env(_tight_point, **kwargs)
    workers = make_vec_env(
        _tight_point, vec_env_cls=SubprocVecEnv, vec_env_kwargs=dict(start_method=start_method), **kwargs
    )
    one = BarrierPPO("MlpPolicy", dummy, **SETTINGS).learn(64)
    two = BarrierPPO("MlpPolicy", workers, **SETTINGS).learn(64)
    workers.close()
    for first, second in zip(one.policy.parameters(), two.policy.parameters(), strict=True):
        assert th.equal(first, second)


def test_vec_normalize_over_rows_is_refused_and_beside_them_works():
    env = make_vec_env(_tight_point, 2, seed=0)
    with pytest.raises(NormalizedRowsError, match=r"norm_obs_keys=\['observation'\]"):
        BarrierPPO("MlpPolicy", VecNormalize(env), **SETTINGS)
    normalised = VecNormalize(env, norm_obs_keys=["observation"])
    model = BarrierPPO("MlpPolicy", normalised, **SETTINGS)
    kept = rollout(model)
    assert (kept.safe[..., 0] <= LIMIT + 1e-7).all()
    rows_only = VecNormalize(make_vec_env(_tight_point, 2, seed=0), norm_obs=False)
    BarrierPPO("MlpPolicy", rows_only, **SETTINGS)
    with pytest.raises(NormalizedRowsError):
        model.set_env(VecNormalize(make_vec_env(_tight_point, 2)))


def test_continued_training_equals_uninterrupted_training(tmp_path):
    """On the same environment state and generator state, save and load lose nothing."""
    model = make_model()
    model.learn(64)
    model.save(tmp_path / "model")
    loaded = BarrierPPO.load(tmp_path / "model", env=make_vec_env(_tight_point, 2, seed=9), device="cpu")
    model.set_env(make_vec_env(_tight_point, 2, seed=9))
    for each in (model, loaded):
        each.set_random_seed(11)
        each.learn(64, reset_num_timesteps=False)
    assert model.num_timesteps == loaded.num_timesteps == 128
    for first, second in zip(model.policy.parameters(), loaded.policy.parameters(), strict=True):
        assert th.equal(first, second)


def test_what_was_executed_is_kept_although_an_environment_writes_into_it():
    model = BarrierPPO("MlpPolicy", BarrierObservation(Scribbling(), SpeedLimit(LIMIT), read_position), **SETTINGS)
    received = model.env.envs[0].unwrapped.received
    np.testing.assert_array_equal(rollout(model).safe[:, 0], np.float32(received))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda policy: cloudpickle.loads(cloudpickle.dumps(policy))])
def test_a_policy_that_has_acted_travels_to_other_processes(duplicate):
    model = make_model()
    observation = model.env.reset()
    expected, _ = model.predict(observation, deterministic=True)
    twin = duplicate(model.policy)
    for part in ("action", "slack", "status", "faces", "active"):
        assert th.equal(getattr(twin.projection, part), getattr(model.policy.projection, part))
    np.testing.assert_array_equal(twin.predict(observation, deterministic=True)[0], expected)


class Speeding(DriftingPoint):
    """Violates above 0.1, which the rows (0.2) allow."""

    def step(self, action):
        *outcome, _ = super().step(action)
        return *outcome, {"violation": bool(action[0] > 0.1)}


def test_logged_values_are_those_of_the_rollout():
    env = limited_point(LIMIT)
    env.env = Speeding()
    model = BarrierPPO("MlpPolicy", env, **SETTINGS)
    model.set_logger(configure(None, []))
    kept = KeepRollout()
    model.learn(32, callback=kept, log_interval=100)  # nothing is dumped, so everything is still there to read
    found = {key.removeprefix("rollout/"): value for key, value in model.logger.name_to_value.items()}
    clipped = kept.nominal.clip(-1, 1)
    corrected = kept.nominal[..., 0] > LIMIT
    assert 0 < corrected.sum() < corrected.size
    assert found["intervention_rate"] == pytest.approx(corrected.mean())
    assert found["box_clip_rate"] == pytest.approx((clipped != kept.nominal).any(axis=-1).mean())
    assert found["correction_norm"] == pytest.approx(np.linalg.norm(kept.safe - clipped, axis=-1).mean(), rel=1e-5)
    assert found["violation_rate"] == pytest.approx((kept.safe[..., 0] > 0.1).mean())
    assert found["barrier_min"] == pytest.approx(LIMIT)
    assert found["infeasible_rate"] == 0.0
    assert found["train/std_0"] == found["train/std_1"] == pytest.approx(0.5)


def test_infeasible_steps_are_logged():
    model = make_model(limit=-2.0)
    model.set_logger(configure(None, []))
    model.learn(64, log_interval=100)
    assert model.logger.name_to_value["rollout/infeasible_rate"] == 1.0


def test_intervention_rate_counts_rows_not_the_box():
    model = make_model(limit=np.inf, action_std=2.0)
    kept = rollout(model)
    assert (np.abs(kept.nominal) > 1.0).any()
    assert (kept.status == Status.INACTIVE).all()
    assert (np.abs(kept.safe) <= 1.0).all()


class KeepRewards(BaseCallback):
    """Rewards as the environment gave them."""

    def __init__(self):
        super().__init__()
        self.rewards: list[np.ndarray] = []

    def _on_step(self) -> bool:
        self.rewards.append(self.locals["rewards"].copy())
        return True

    def _on_rollout_end(self) -> None:
        self.stored = self.model.rollout_buffer.rewards.copy()
        self.nominal, self.safe = (
            self.model.rollout_buffer.actions.copy(),
            self.model.rollout_buffer.safe_actions.copy(),
        )


@pytest.mark.parametrize("kind", ["squared", "constant"])
def test_corrections_cost_the_algorithm_and_nobody_else(kind):
    model = make_model(
        correction_coef=2.0, correction_cost=kind, n_steps=16
    )  # shorter than an episode: no bootstrapping
    model.set_logger(configure(None, []))
    kept = KeepRewards()
    model.learn(32, callback=kept, log_interval=100)
    squared = np.square(kept.safe - kept.nominal.clip(-1, 1)).sum(axis=-1)
    cost = 2.0 * (squared if kind == "squared" else kept.nominal[..., 0] > LIMIT)
    assert cost.max() > 0.1
    np.testing.assert_allclose(kept.stored, np.stack(kept.rewards) - cost, atol=1e-6)
    np.testing.assert_allclose(np.stack(kept.rewards), kept.safe[..., 0], atol=1e-6)
    assert model.logger.name_to_value["rollout/correction_cost"] == pytest.approx(cost.mean(), rel=1e-5)


def test_a_ramped_cost_comes_late():
    schedule = make_model(correction_coef="ramp_3.0").correction_schedule
    assert [schedule(1.0 - done) for done in (0.0, 0.3, 0.45, 0.6, 1.0)] == pytest.approx([0.0, 0.0, 1.5, 3.0, 3.0])
    schedule = make_model(correction_coef="lin_3.0").correction_schedule
    assert [schedule(1.0 - done) for done in (0.0, 0.5, 1.0)] == pytest.approx([3.0, 1.5, 0.0])


def test_a_second_learn_starts_its_own_schedule():
    model = make_model(correction_coef="ramp_1.0")
    model.learn(256)
    seen = []
    schedule = model.correction_schedule
    model.correction_schedule = lambda progress: seen.append(progress) or schedule(progress)
    model.learn(64)
    assert seen[0] == 1.0


def test_policy_kwargs_stay_those_of_the_user(tmp_path):
    kwargs = dict(net_arch=[8])
    model = make_model(policy_kwargs=kwargs)
    assert model.policy_kwargs == kwargs
    model.save(tmp_path / "model")
    assert BarrierPPO.load(tmp_path / "model", policy_kwargs=kwargs).policy_kwargs == kwargs


@pytest.mark.parametrize("observe_rows", [True, False])
def test_observing_rows_widens_the_network_input(observe_rows):
    model = make_model(observe_rows=observe_rows)
    assert model.policy.features_extractor.features_dim == (2 + 3 * 3 if observe_rows else 2)


class ReorderedLimit(SpeedLimit):
    """The same rows in another order."""

    def rows(self, position):
        return np.roll(super().rows(position), 1, axis=0)


@pytest.mark.parametrize("row_encoding", ["sorted", "pooled"])
def test_a_policy_need_not_notice_the_order_of_the_rows(row_encoding, tmp_path):
    model = make_model(row_encoding=row_encoding)
    rollout(model)
    model.save(tmp_path / "model")
    loaded = BarrierPPO.load(tmp_path / "model", device="cpu")
    one = BarrierObservation(DriftingPoint(), SpeedLimit(LIMIT), read_position).reset(seed=0)[0]
    other = BarrierObservation(DriftingPoint(), ReorderedLimit(LIMIT), read_position).reset(seed=0)[0]
    assert (one["barrier"] != other["barrier"]).any()
    expected = model.predict(one, deterministic=True)[0]
    np.testing.assert_allclose(model.predict(other, deterministic=True)[0], expected, atol=1e-6)
    np.testing.assert_allclose(loaded.predict(other, deterministic=True)[0], expected, atol=1e-6)
    np.testing.assert_allclose(without_filter(model).predict(other, deterministic=True)[0], expected, atol=1e-6)


class ImagePoint(DriftingPoint):
    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Box(0, 255, (36, 36, 1), dtype=np.uint8)

    def _observation(self):
        return np.full((36, 36, 1), int(100 + 10 * self.position[0]), dtype=np.uint8)


class TwoSensors(DriftingPoint):
    def __init__(self):
        super().__init__()
        space = self.observation_space
        self.observation_space = spaces.Dict({"gps": space, "odometry": space})

    def _observation(self):
        return {"gps": super()._observation(), "odometry": super()._observation()}


@pytest.mark.parametrize("row_encoding", ["listed", "sorted", "pooled"])
@pytest.mark.parametrize(("policy", "base"), [("CnnPolicy", ImagePoint), ("MultiInputPolicy", TwoSensors)])
def test_images_and_dictionaries_train(policy, base, row_encoding):
    env = BarrierObservation(base(), SpeedLimit(LIMIT), read_position)
    model = BarrierPPO(policy, env, row_encoding=row_encoding, **SETTINGS)
    kept = rollout(model)
    assert (kept.safe[..., 0] <= LIMIT + 1e-7).all()


@pytest.mark.parametrize("policy", ["MlpPolicy", "CnnPolicy"])
def test_several_observations_ask_for_their_policy(policy):
    env = BarrierObservation(TwoSensors(), SpeedLimit(LIMIT), read_position)
    with pytest.raises(ConfigurationError, match=r"\['gps', 'odometry'\].*MultiInputPolicy"):
        BarrierPPO(policy, env, **SETTINGS)


def test_the_baseline_takes_dictionaries_as_barrier_ppo_does():
    env = BarrierObservation(TwoSensors(), SpeedLimit(LIMIT), read_position)
    ours = BarrierPPO("MultiInputPolicy", env, **SETTINGS).policy
    baseline = PPO(NominalMultiInputActorCriticPolicy, env, **SETTINGS).learn(32).policy
    assert [p.shape for p in baseline.parameters()] == [p.shape for p in ours.parameters()]


@pytest.mark.parametrize("row_encoding", ["listed", "sorted", "pooled"])
def test_sensors_are_normalised_beside_the_rows(row_encoding):
    def make():
        return BarrierObservation(TwoSensors(), SpeedLimit(LIMIT), read_position)

    env = VecNormalize(make_vec_env(make, 2, seed=0), norm_obs_keys=["gps", "odometry"])
    model = BarrierPPO("MultiInputPolicy", env, row_encoding=row_encoding, **SETTINGS)
    kept = rollout(model)
    assert (kept.safe[..., 0] <= LIMIT + 1e-7).all()
    assert (kept.observations["barrier"][..., 1, 3] == LIMIT).all()
    assert np.abs(kept.observations["gps"]).max() > 1.0 > np.abs(env.get_original_obs()["gps"]).max()
