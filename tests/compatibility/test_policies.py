"""Policies and their keywords."""

from __future__ import annotations

import pytest
import torch as th
from stable_baselines3.common.torch_layers import CombinedExtractor

from sb3_barriernet import BarrierPPO
from sb3_barriernet.errors import ConfigurationError
from tests.compatibility.page import refused, works
from tests.compatibility.points import SETTINGS, points, trained

GROUP = "Policies"


@works(GROUP, "`net_arch`, `activation_fn`, `ortho_init`, `optimizer_class`, `optimizer_kwargs`")
def test_networks():
    network = dict(net_arch=dict(pi=[8], vf=[8, 8]), activation_fn=th.nn.ReLU, ortho_init=False)
    trained(policy_kwargs=network | dict(optimizer_class=th.optim.RAdam, optimizer_kwargs=dict(weight_decay=1e-4)))


@works(GROUP, "`share_features_extractor=False`")
def test_separate_extractors():
    model = trained(policy_kwargs=dict(share_features_extractor=False))
    assert model.policy.pi_features_extractor is not model.policy.vf_features_extractor


class HalfExtractor(CombinedExtractor):
    """A user's own, of half the features."""

    def forward(self, observations):
        return 0.5 * super().forward(observations)


@works(
    GROUP,
    "a `features_extractor_class` of your own",
    "rows are added behind it",
)
def test_own_extractor():
    trained(policy_kwargs=dict(features_extractor_class=HalfExtractor))


@works(GROUP, "`policy_kwargs` stay as given", "barrier settings are keywords of the algorithm")
def test_policy_kwargs_are_left_alone():
    given = dict(net_arch=[8])
    assert trained(policy_kwargs=given).policy_kwargs == given == dict(net_arch=[8])


@refused(GROUP, "`log_std_init`", "the std is fixed: `action_std`, in units of the action")
def test_initial_std():
    with pytest.raises(ConfigurationError, match="Pass action_std="):
        BarrierPPO("MlpPolicy", points(), policy_kwargs=dict(log_std_init=-1.0), **SETTINGS)


@refused(GROUP, "`squash_output`", "by SB3, which has it with gSDE only; the projection keeps the box")
def test_squashed_outputs():
    with pytest.raises(AssertionError, match="only available when using gSDE"):
        BarrierPPO("MlpPolicy", points(), policy_kwargs=dict(squash_output=True), **SETTINGS)
