"""With no row ever active BarrierPPO is PPO, bit by bit; and upstream has not moved under our copy of its loop."""

import hashlib
import inspect

import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_barriernet import BarrierPPO, NominalActorCriticPolicy
from tests.toys import DriftingPoint, limited_point

# Small std: no nominal action leaves the box [-1, 1], where PPO's clip and the projection agree in any case,
# but the env would no longer tell them apart.
SETTINGS = dict(n_steps=32, batch_size=32, n_epochs=3, learning_rate=1e-3, seed=3, device="cpu")
STD = 0.3


class FixedStdPPO(PPO):
    """Stock PPO whose log_std gets no gradient: the smallest change that fixes the std."""

    def _setup_model(self) -> None:
        super()._setup_model()
        self.policy.log_std.requires_grad_(False)
        self.policy.log_std.data.fill_(float(np.log(np.float64(STD))))


def weights(model) -> dict[str, th.Tensor]:
    """Parameters by name, without the std and without the extractor's prefix."""
    return {k: v.clone() for k, v in model.policy.named_parameters() if k != "log_std"}


@pytest.mark.parametrize("n_envs", [1, 4])
def test_weights_equal_stock_ppo_bitwise_when_no_row_is_active(n_envs):
    # Made and trained one after the other: both draw from the one global generator that the seed sets.
    stock = FixedStdPPO("MlpPolicy", make_vec_env(DriftingPoint, n_envs, seed=3), **SETTINGS).learn(384)
    ours = BarrierPPO(
        "MlpPolicy",
        make_vec_env(limited_point, n_envs, seed=3),
        action_std=STD,
        observe_rows=False,
        **SETTINGS,
    )
    start = weights(ours)
    ours.learn(384)
    assert stock.num_timesteps == ours.num_timesteps
    expected, found = weights(stock), weights(ours)
    assert expected.keys() == found.keys()
    for name in expected:
        assert th.equal(expected[name], found[name]), name
    assert not all(th.equal(start[name], found[name]) for name in found)


def test_weights_equal_ppo_on_the_nominal_policy_with_row_features():
    """Same network, same inputs, same noise: the baseline differs by the filter alone."""
    kwargs = dict(action_std=STD, observe_rows=True)
    baseline = PPO(
        NominalActorCriticPolicy, make_vec_env(limited_point, 2, seed=3), policy_kwargs=kwargs, **SETTINGS
    ).learn(256)
    ours = BarrierPPO("MlpPolicy", make_vec_env(limited_point, 2, seed=3), **kwargs, **SETTINGS).learn(256)
    for name, weight in weights(baseline).items():
        assert th.equal(weight, weights(ours)[name]), name


def test_an_active_row_breaks_the_parity():
    """The test of the test."""
    free = BarrierPPO("MlpPolicy", limited_point(), action_std=STD, observe_rows=False, **SETTINGS).learn(300)
    tight = BarrierPPO("MlpPolicy", limited_point(0.1), action_std=STD, observe_rows=False, **SETTINGS).learn(300)
    assert any(not th.equal(w, weights(tight)[n]) for n, w in weights(free).items())


def test_the_upstream_loop_that_we_follow_has_not_changed():
    source = inspect.getsource(OnPolicyAlgorithm.collect_rollouts)
    digest = hashlib.sha256(source.encode()).hexdigest()
    assert digest == "07f9eed35d9d7392f6ce287dc9d55aede83d8b0f93d34cb5d643410cdf11e3b7", (
        "stable_baselines3 changed OnPolicyAlgorithm.collect_rollouts. Compare it with BarrierPPO.collect_rollouts, "
        "carry the change over, and record the new digest here."
    )
