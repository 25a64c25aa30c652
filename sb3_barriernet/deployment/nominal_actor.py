"""What an agent proposes, as a graph can compute it."""

from __future__ import annotations

import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor, nn

from sb3_barriernet.barrier_ppo.policies import BarrierActorCriticPolicy
from sb3_barriernet.rows import BARRIER_KEY, split_rows


class NominalActor(nn.Module):
    """Deterministic nominal actions and the rows that they are projected onto, from observations in key order.

    For a barrier policy the mean as it is; for any other what SB3's ``predict`` returns, in the action box. NaN or
    infinity anywhere in a sample's observation makes its nominal action NaN: networks do not pass them on reliably
    (a saturated unit hides infinity), and runtimes do so differently.

    :param policy: policy of an SB3 or sb3-contrib model, on dictionary observations with rows
    """

    low: Tensor
    high: Tensor

    def __init__(self, policy: BasePolicy):
        super().__init__()
        assert isinstance(policy.observation_space, spaces.Dict)
        assert isinstance(policy.action_space, spaces.Box)
        self.policy = policy
        self.keys = list(policy.observation_space.spaces)
        self.register_buffer("low", th.as_tensor(policy.action_space.low, device=policy.device), persistent=False)
        self.register_buffer("high", th.as_tensor(policy.action_space.high, device=policy.device), persistent=False)

    def forward(self, *observations: Tensor) -> tuple[Tensor, ...]:
        """
        :return: ``u_nom (B, M)``, ``A (B, K, M)``, ``c (B, K)``, and of learned gains ``kappa (B, K)``, float64
        """
        observation = dict(zip(self.keys, observations, strict=True))
        rows = observation[BARRIER_KEY]
        if isinstance(self.policy, BarrierActorCriticPolicy):
            decisions = self.policy.get_distribution(observation).get_actions(deterministic=True)
            nominal, kappa = self.policy.split(decisions)
        else:
            nominal, kappa = self._predicted(observation), 1.0
        nominal = nominal.double() + sum(_nan_if_broken(part) for part in observations if part.is_floating_point())
        gains = () if isinstance(kappa, float) else (kappa,)
        return (nominal, *split_rows(rows, kappa), *gains)

    def _predicted(self, observation: dict[str, Tensor]) -> Tensor:
        action = self.policy._predict(observation, deterministic=True)
        if self.policy.squash_output:
            return self.low + 0.5 * (action + 1.0) * (self.high - self.low)
        return th.minimum(th.maximum(action, self.low), self.high)


def _nan_if_broken(part: Tensor) -> Tensor:
    """0 for finite observations ``(B, ...)``, else NaN, ``(B, 1)``."""
    return (0.0 * part).flatten(start_dim=1).sum(dim=1, keepdim=True).double()
