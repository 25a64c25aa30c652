"""Gains that the policy chooses: sampled, stored, in the likelihood, in their range, and learned."""

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure

from sb3_barriernet import BarrierPPO, project
from sb3_barriernet.barrier_ppo.policies import BarrierActorCriticPolicy
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.errors import ConfigurationError, GainError, RowShapeError
from sb3_barriernet.evaluation import WithoutFilter
from sb3_barriernet.rows import BARRIER_KEY, split_rows
from tests.barrier_ppo.models import SETTINGS, KeepRollout, rollout
from tests.toys import DriftingPoint, WallAhead, limited_point, read_position, walled_point

ALPHA = 1.0
RANGE = (0.1, 10.0)  # kappa alpha dt = 1 at its upper end


def make_model(n_envs: int = 2, alpha: float = ALPHA, **kwargs) -> BarrierPPO:
    env = make_vec_env(lambda: walled_point(alpha), n_envs, seed=0)
    return BarrierPPO("MlpPolicy", env, **SETTINGS | dict(learn_gains=True, gain_range=RANGE) | kwargs)


def gain_parameters(policy: BarrierActorCriticPolicy) -> list[th.nn.Parameter]:
    return list(policy.gain_head.parameters())


def flat(kept: KeepRollout) -> tuple[dict[str, th.Tensor], th.Tensor]:
    obs = {key: th.as_tensor(value.reshape(-1, *value.shape[2:])) for key, value in kept.observations.items()}
    return obs, th.as_tensor(kept.nominal.reshape(-1, kept.nominal.shape[-1]))


def test_the_environment_receives_actions_under_the_gains_that_the_buffer_keeps():
    model = make_model(gain_std=2.0)
    kept = rollout(model)
    received = np.stack([env.unwrapped.received for env in model.env.envs], axis=1)
    np.testing.assert_array_equal(received, kept.safe)
    assert kept.nominal.shape == (model.n_steps, 2, 3)
    assert kept.safe.shape == (model.n_steps, 2, 2)
    log_kappa = kept.nominal[..., 2:].astype(np.float64)
    assert (log_kappa < np.log(RANGE[0])).any(), "log kappa must be stored unclipped"
    kappa = np.exp(log_kappa).clip(*RANGE)
    limit = kappa * kept.observations[BARRIER_KEY][..., :2, 3]  # the rows read u <= kappa alpha (1 - q)
    np.testing.assert_allclose(kept.safe, np.minimum(kept.nominal[..., :2].clip(-1, 1), limit), atol=1e-6)
    assert (kept.safe < kept.nominal[..., :2].clip(-1, 1) - 1e-3).mean() > 0.1


def test_log_probability_is_that_of_action_and_gain():
    model = make_model(gain_std=0.3, action_std=[0.5, 0.25])
    reference = make_model(gain_std=0.3, action_std=[0.5, 0.25])
    kept = rollout(model)
    obs, decisions = flat(kept)
    with th.no_grad():
        mean = reference.policy.get_distribution(obs).distribution.mean
        _, log_prob, _ = reference.policy.evaluate_actions(obs, decisions)
    expected = th.distributions.Normal(mean, th.tensor([0.5, 0.25, 0.3])).log_prob(decisions).sum(dim=1)
    th.testing.assert_close(log_prob, expected)
    np.testing.assert_allclose(kept.log_probs.reshape(-1), expected.numpy(), rtol=1e-5, atol=1e-5)


def test_the_gradient_of_the_ppo_loss_reaches_the_gain_head():
    model = make_model(n_epochs=1, batch_size=64)
    rollout(model)  # one minibatch; its gradients are still there
    for parameter in gain_parameters(model.policy):
        assert parameter.grad.abs().max() > 1e-6


def test_a_gain_inside_the_projection_alone_gets_no_gradient():
    """The earlier design: the gain scales the QP that makes the action, the likelihood is that of ``u_nom``.

    The solver is not to blame, its gradient arrives. But PPO's loss holds nothing that was solved.
    """
    model = make_model()
    obs, decisions = flat(rollout(model))
    policy, advantages = model.policy, th.linspace(-1.0, 1.0, len(decisions))
    distribution = policy.get_distribution(obs).distribution
    nominal = decisions[:, :2]

    kappa = policy.gain_head.row_kappa(distribution.mean[:, 2:])
    safe = project(nominal, *split_rows(obs[BARRIER_KEY], kappa), policy.row_filter.low, policy.row_filter.high).action
    through_the_qp = th.autograd.grad(safe.sum(), gain_parameters(policy), retain_graph=True)
    assert all(gradient.abs().max() > 0.0 for gradient in through_the_qp)

    log_prob = distribution.log_prob(decisions)
    dead = log_prob[:, :2].sum(dim=1) * advantages
    found = th.autograd.grad(
        dead.sum(), gain_parameters(policy), retain_graph=True, allow_unused=True, materialize_grads=True
    )
    assert all((gradient == 0.0).all() for gradient in found)

    alive = log_prob.sum(dim=1) * advantages
    assert all(gradient.abs().max() > 0.0 for gradient in th.autograd.grad(alive.sum(), gain_parameters(policy)))


def test_the_gain_climbs_where_caution_costs():
    model = make_model(n_envs=8, alpha=0.1, learning_rate=3e-3, gain_range=(0.1, 10.0), observe_rows=False)
    model.set_logger(configure(None, []))
    model.learn(10_000, log_interval=10_000)
    assert model.logger.name_to_value["rollout/kappa_mean"] > 2.0


def test_the_largest_gains_keep_the_point_behind_its_walls():
    model = make_model(gain_std=3.0)
    th.nn.init.constant_(model.policy.action_net.bias, 3.0)  # straight ahead
    farthest = []

    class Watch(KeepRollout):
        def _on_step(self) -> bool:
            farthest.append(max(env.unwrapped.position.max() for env in self.model.env.envs))
            return True

    model.learn(512, callback=Watch())
    assert 0.9 < max(farthest) <= 1.0 + 1e-7


def test_predict_takes_the_mean_gain_and_every_door_the_same_action(tmp_path):
    model = make_model(gain_std=0.7)
    rollout(model)
    env = make_vec_env(lambda: walled_point(ALPHA), 3, seed=5)
    observation = env.reset()
    expected, _ = model.predict(observation, deterministic=True)
    obs = model.policy.obs_to_tensor(observation)[0]
    log_kappa = model.policy.get_distribution(obs).distribution.mean[:, 2:].double()
    th.testing.assert_close(model.policy.kappa, log_kappa.exp().expand(3, 3).detach())
    again, _ = model.predict(observation, deterministic=True)
    np.testing.assert_array_equal(again, expected)
    assert expected.shape == (3, 2)

    model.save(tmp_path / "model")
    loaded = BarrierPPO.load(tmp_path / "model", env=make_vec_env(lambda: walled_point(ALPHA), 2), device="cpu")
    model.policy.save(str(tmp_path / "policy"))
    policy = BarrierActorCriticPolicy.load(str(tmp_path / "policy"), device="cpu")
    for door in (loaded, policy):
        np.testing.assert_array_equal(door.predict(observation, deterministic=True)[0], expected)
    np.testing.assert_allclose(policy.gain_head.std.numpy(), [0.7], rtol=1e-6)
    loaded.learn(64)
    single = {key: value[1] for key, value in observation.items()}
    np.testing.assert_allclose(model.predict(single, deterministic=True)[0], expected[1], atol=1e-6)
    unfiltered, _ = WithoutFilter(model).predict(single, deterministic=True)
    np.testing.assert_allclose(unfiltered, model.policy.nominal.numpy()[0].clip(-1, 1), atol=1e-6)


def test_a_new_policy_takes_the_barriers_as_they_are():
    model = make_model()
    model.predict(model.env.reset(), deterministic=True)
    th.testing.assert_close(model.policy.kappa, th.ones(2, 3, dtype=th.float64), rtol=0.1, atol=0.0)
    cautious = make_model(gain_range=(0.1, 0.5))
    cautious.predict(cautious.env.reset(), deterministic=True)
    assert (cautious.policy.kappa <= 0.5).all()


def test_the_std_is_a_buffer_that_training_leaves_alone():
    model = make_model(gain_std=[0.4])
    rollout(model)
    assert "gain_head.log_std" in model.policy.state_dict()
    assert all("log_std" not in name for name, _ in model.policy.named_parameters())
    np.testing.assert_allclose(model.policy.gain_head.std.numpy(), [0.4], rtol=1e-6)
    np.testing.assert_allclose(model.policy.action_std.numpy(), [0.5, 0.5], rtol=1e-6)


def test_another_std_may_be_given_with_a_saved_model(tmp_path):
    make_model(gain_std=0.4).save(tmp_path / "model")
    assert BarrierPPO.load(tmp_path / "model", gain_std=0.1).policy.gain_head.std.item() == pytest.approx(0.1)
    assert BarrierPPO.load(tmp_path / "model").policy.gain_head.std.item() == pytest.approx(0.4)


def test_groups_of_rows_have_gains_of_their_own():
    model = make_model(gain_groups=[1, 0, 1], gain_std=[0.2, 1.5])
    model.set_logger(configure(None, []))
    kept = KeepRollout()
    model.learn(64, callback=kept, log_interval=100)
    kappa = np.exp(kept.nominal[..., 2:].astype(np.float64)).clip(*RANGE)
    assert kappa.shape[-1] == 2
    limit = kappa[..., [1, 0]] * kept.observations[BARRIER_KEY][..., :2, 3]
    np.testing.assert_allclose(kept.safe, np.minimum(kept.nominal[..., :2].clip(-1, 1), limit), atol=1e-6)
    logged = model.logger.name_to_value
    for group in range(2):
        assert logged[f"rollout/kappa_mean_{group}"] == pytest.approx(kappa[..., group].mean(), rel=1e-6)
    assert "rollout/kappa_mean" not in logged


def test_statistics_and_costs_leave_the_gains_out():
    model = make_model(correction_coef=1.0, correction_loss_coef=0.1)
    model.set_logger(configure(None, []))
    kept = KeepRollout()
    model.learn(64, callback=kept, log_interval=100)
    squared = np.square(kept.safe - kept.nominal[..., :2].clip(-1, 1)).sum(axis=-1)
    assert model.logger.name_to_value["rollout/correction_cost"] == pytest.approx(squared.mean(), rel=1e-5)
    assert model.logger.name_to_value["rollout/kappa_mean"] == pytest.approx(
        np.exp(kept.nominal[..., 2].astype(np.float64)).clip(*RANGE).mean(), rel=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (dict(gain_range=(0.1, 10.1)), GainError, r"at most 10, the largest scale"),
        (dict(alpha=4.0), GainError, r"at most 2.5, the largest scale.*Lower the range"),
        (dict(gain_range=(0.0, 1.0)), GainError, "0 < smallest < largest"),
        (dict(gain_range=(2.0, 1.0)), GainError, "0 < smallest < largest"),
        (dict(gain_range=1.0), GainError, "expected two numbers"),
        (dict(gain_std=0.0), ConfigurationError, "gain_std=0.0; expected a positive number"),
        (dict(gain_std=[0.1, 0.2]), ConfigurationError, "or 1, one for each gain"),
        (dict(gain_groups=[0, 1]), ConfigurationError, "expected 3 whole numbers, one for each row"),
        (dict(gain_groups=[0, 0, 2]), ConfigurationError, "use every index from 0 on"),
    ],
)
def test_gains_that_cannot_work_are_refused_when_the_model_is_made(settings, error, message):
    with pytest.raises(error, match=message):
        make_model(**settings)


def test_rows_without_a_restoring_term_are_refused_when_learning_begins():
    env = limited_point(0.5)
    env.barrier.rows = lambda position: np.tile([-1.0, 0.0, 0.5, 0.0], (3, 1))
    model = BarrierPPO("MlpPolicy", env, learn_gains=True, gain_range=(0.1, 1.0), **SETTINGS)
    with pytest.raises(ConfigurationError, match="scale nothing"):
        model.learn(32)


def test_a_barrier_that_permits_less_than_was_learned_is_refused(tmp_path):
    model = make_model()
    model.save(tmp_path / "model")
    hasty = make_vec_env(lambda: walled_point(alpha=2.0), 2)
    with pytest.raises(GainError, match="at most 5"):
        BarrierPPO.load(tmp_path / "model", env=hasty)
    with pytest.raises(GainError, match="at most 5"):
        model.set_env(hasty)


def test_another_number_of_rows_is_refused_with_advice(tmp_path):
    model = make_model(n_envs=1, learn_gains=False)
    model.save(tmp_path / "model")

    barrier = WallAhead()
    barrier.num_rows = 2
    narrow = BarrierObservation(DriftingPoint(), barrier, read_position)
    with pytest.raises(RowShapeError, match=r"do not match.*num_rows=K"):
        BarrierPPO.load(tmp_path / "model", env=narrow)
    with pytest.raises(RowShapeError, match=r"do not match.*num_rows=K"):
        model.set_env(narrow)
