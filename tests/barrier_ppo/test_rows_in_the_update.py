"""What the network sees of the rows is computed once for all epochs, and is what it would have seen."""

import numpy as np
import pytest
import torch as th

from sb3_barriernet.barrier_ppo.extractor import ROW_FEATURES_KEY, RowFeatures
from sb3_barriernet.rows import BARRIER_KEY
from tests.barrier_ppo.models import KeepRollout, make_model

SETTINGS = [dict(), dict(row_encoding="sorted"), dict(row_encoding="pooled"), dict(correction_loss_coef=0.1)]


def trained(**kwargs):
    """A model after one rollout and its update; the buffer still holds what the update drew from."""
    model = make_model(n_epochs=3, **kwargs)
    kept = KeepRollout()
    model.learn(model.n_steps * model.n_envs, callback=kept)
    return model, kept


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_minibatches_carry_the_features_of_their_own_rows(settings):
    model, _ = trained(**settings)
    minibatch = next(model.rollout_buffer.get(16)).observations
    rows = minibatch[BARRIER_KEY]
    assert rows.dtype is th.float64
    assert th.equal(minibatch[ROW_FEATURES_KEY], model.policy.row_features(rows.float()))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_policy_evaluates_them_as_it_evaluates_rows(settings):
    model, _ = trained(**settings)
    minibatch = next(model.rollout_buffer.get(16))
    rows_alone = {key: value for key, value in minibatch.observations.items() if key != ROW_FEATURES_KEY}
    found = model.policy.evaluate_actions(minibatch.observations, minibatch.actions)
    expected = model.policy.evaluate_actions(rows_alone, minibatch.actions)
    for one, other in zip(found, expected, strict=True):
        assert th.equal(one, other)


def test_an_update_of_many_epochs_looks_at_the_rows_once(monkeypatch):
    model, _ = trained()
    looked = []
    forward = RowFeatures.forward
    monkeypatch.setattr(RowFeatures, "forward", lambda self, rows: looked.append(rows.ndim) or forward(self, rows))
    model.collect_rollouts(model.env, model._init_callback(None), model.rollout_buffer, model.n_steps)
    in_rollout = looked.count(3)
    model.train()
    assert looked.count(3) == in_rollout + 1
    assert looked.count(2) == model.n_epochs * model.n_steps * model.n_envs // model.batch_size


def test_minibatches_are_copies():
    """The buffer leaves out SB3's second copy; writing into a minibatch must not reach the buffer all the same."""
    model, _ = trained()
    buffer = model.rollout_buffer
    before = {key: value.copy() for key, value in buffer.observations.items()}
    minibatch = next(buffer.get())
    for tensor in (*minibatch.observations.values(), *minibatch[1:]):
        tensor.fill_(7.0)
    for key, value in buffer.observations.items():
        np.testing.assert_array_equal(value, before[key])
    assert not (buffer.actions == 7.0).any()
    assert not (buffer.returns == 7.0).any()


def test_a_network_that_sees_no_rows_gets_no_features():
    model, _ = trained(observe_rows=False)
    assert ROW_FEATURES_KEY not in next(model.rollout_buffer.get(16)).observations
