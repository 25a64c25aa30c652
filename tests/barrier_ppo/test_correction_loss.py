"""The auxiliary loss on the policy's mean: its gradient, what it costs, what it changes."""

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure

import sb3_barriernet.projection.row_filter as row_filter_module
from sb3_barriernet import BarrierPPO
from sb3_barriernet.barrier_ppo import CorrectionLoss
from tests.barrier_ppo.models import LIMIT, make_model, rollout
from tests.toys import limited_point


def with_biased_mean(model: BarrierPPO, bias: list[float]) -> BarrierPPO:
    """A model whose mean is about ``bias`` everywhere, in half ranges."""
    with th.no_grad():
        model.policy.action_net.bias.copy_(th.as_tensor(bias))
    return model


def minibatch(model: BarrierPPO) -> tuple[dict[str, th.Tensor], th.Tensor]:
    kept = rollout(model)
    obs = {key: th.as_tensor(value.reshape(-1, *value.shape[2:])) for key, value in kept.observations.items()}
    return obs, th.as_tensor(kept.nominal.reshape(-1, 2))


@pytest.mark.parametrize("weight", [None, [3.0, 0.5], [[2.0, 0.7], [0.7, 1.0]]])
@pytest.mark.parametrize("bias", [[0.6, 0.1], [-1.5, 0.3], [1.8, -1.2]])  # beyond the row, the box, both
def test_the_gradient_is_that_of_the_loss_through_the_projection(weight, bias):
    """The oracle writes the loss down and differentiates through the QP."""
    model = make_model(projection_weight=weight, n_epochs=1)
    obs, nominal = minibatch(model)
    with_biased_mean(model, bias)
    policy, coef = model.policy, 0.7
    parameters = list(policy.parameters())

    mean = policy.get_distribution(obs).distribution.mean
    correction = (mean - policy.project(obs, mean).action).double()
    W = policy.row_filter.weight if policy.row_filter.weight.ndim == 2 else th.diag(policy.row_filter.weight)
    loss = 0.5 * th.einsum("bi,ij,bj->b", correction, W, correction).mean()
    assert loss > 0.0
    _, log_prob, _ = policy.evaluate_actions(obs, nominal)
    expected = th.autograd.grad(log_prob.mean() + coef * loss, parameters, allow_unused=True, materialize_grads=True)

    policy.correction_loss = CorrectionLoss(coef)
    _, log_prob, _ = policy.evaluate_actions(obs, nominal)
    found = th.autograd.grad(log_prob.mean(), parameters, allow_unused=True, materialize_grads=True)
    assert policy.correction_loss.mean == pytest.approx(loss.item(), rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        th.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_update_descends_the_sum_of_both_losses():
    """PPO's own update, seen from outside: the gradients that it leaves behind differ by that of the loss."""
    settings = dict(limit=-0.3, n_epochs=1, batch_size=64, max_grad_norm=1e9)
    # Made and trained one after the other: all draw from the one global generator that the seed sets.
    rollout(plain := make_model(**settings))
    kept = rollout(charged := make_model(correction_loss_coef=2.0, **settings))
    untrained = make_model(**settings)
    obs = {key: th.as_tensor(value.reshape(-1, *value.shape[2:])) for key, value in kept.observations.items()}
    mean = untrained.policy.get_distribution(obs).distribution.mean
    loss = 0.5 * (mean - untrained.policy.project(obs, mean).action).square().sum(dim=1).mean()
    parameters = list(untrained.policy.parameters())
    expected = th.autograd.grad(2.0 * loss, parameters, allow_unused=True, materialize_grads=True)
    found = [c.grad - p.grad for c, p in zip(charged.policy.parameters(), plain.policy.parameters(), strict=True)]
    assert max(gradient.abs().max() for gradient in expected) > 0.1
    for one, other in zip(found, expected, strict=True):
        th.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_it_draws_the_mean_towards_the_safe_actions():
    def unsafe_share(coef: float) -> float:
        model = with_biased_mean(
            make_model(correction_loss_coef=coef, learning_rate=3e-3, observe_rows=False), [0.9, 0.0]
        )
        model.learn(512)
        env = make_vec_env(lambda: limited_point(LIMIT), 8, seed=7)
        model.predict(env.reset(), deterministic=True)
        return float(model.policy.nominal[:, 0].mean()) - LIMIT

    assert unsafe_share(10.0) < 0.3 < unsafe_share(0.0)


def test_the_update_solves_one_batch_for_every_minibatch(monkeypatch):
    model = make_model(correction_loss_coef=0.1)
    sizes = []
    original = row_filter_module.project

    def counting(u_nom, *args, **kwargs):
        sizes.append(len(u_nom))
        return original(u_nom, *args, **kwargs)

    rollout(model)
    monkeypatch.setattr(row_filter_module, "project", counting)
    model.train()
    assert sizes == [model.batch_size] * (model.n_epochs * model.n_steps * model.n_envs // model.batch_size)


def test_it_is_logged_and_leaves_the_policy_as_it_was():
    model = make_model(correction_loss_coef="lin_1.0")
    model.set_logger(configure(None, []))
    model.learn(64, log_interval=100)
    assert model.logger.name_to_value["train/correction_loss"] >= 0.0
    assert model.policy.correction_loss is None
    assert model.correction_loss_schedule(0.25) == 0.25
    silent = make_model()
    silent.set_logger(configure(None, []))
    silent.learn(64, log_interval=100)
    assert "train/correction_loss" not in silent.logger.name_to_value


def test_where_no_row_and_no_bound_is_near_it_changes_no_bit():
    free, charged = [make_model(limit=np.inf, correction_loss_coef=coef).learn(256) for coef in (0.0, 5.0)]
    for one, other in zip(free.policy.parameters(), charged.policy.parameters(), strict=True):
        assert th.equal(one, other)
