"""Policies that act through the projection."""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule

from sb3_barriernet.barrier_ppo.correction_loss import CorrectionLoss
from sb3_barriernet.barrier_ppo.nominal_policy import NominalActorCriticPolicy
from sb3_barriernet.projection import Projection
from sb3_barriernet.projection.row_filter import RowFilter, warn_if_unsafe
from sb3_barriernet.rows import BARRIER_KEY


class BarrierActorCriticPolicy(NominalActorCriticPolicy):
    """A nominal policy whose ``predict`` returns the closest action that satisfies every barrier row.

    * ``forward`` and ``evaluate_actions`` speak about ``u_nom``, whose likelihood is exact.
    * ``predict`` returns the safe action; ``.nominal`` and ``.projection`` hold the last batch's
      proposals and statuses.

    :param observation_space: dictionary with the key ``"barrier"``
    :param action_space: bounded box of shape ``(M,)``
    :param lr_schedule: learning-rate schedule
    :param projection_weight: see :class:`~sb3_barriernet.projection.row_filter.RowFilter`
    :param projection_backend: name of the projection backend
    :param backup_action: ``(M,)``, taken where rows or nominal action are not finite
    :param kwargs: as :class:`NominalActorCriticPolicy`
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Box,
        lr_schedule: Schedule,
        *args: Any,
        projection_weight: Any = None,
        projection_backend: str | None = None,
        backup_action: Any = None,
        **kwargs: Any,
    ):
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)
        self.filter_kwargs = {
            "projection_weight": projection_weight,
            "projection_backend": projection_backend,
            "backup_action": backup_action,
        }
        self.row_filter = RowFilter(
            action_space, weight=projection_weight, backend=projection_backend, backup_action=backup_action
        )
        self.nominal: th.Tensor | None = None
        self.projection: Projection | None = None
        self.correction_loss: CorrectionLoss | None = None

    def evaluate_actions(self, obs: PyTorchObs, actions: th.Tensor) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        """As SB3's; while ``.correction_loss`` is set, backpropagation through the likelihood adds its gradient."""
        evaluated = super().evaluate_actions(obs, actions)
        if self.correction_loss is not None:
            mean = self.action_dist.distribution.mean  # type: ignore[union-attr] # of the distribution just evaluated
            safe = self.project(obs, mean.detach()).action
            self.correction_loss.attach(mean, safe, self.row_filter.weight)
        return evaluated

    def project(self, obs: PyTorchObs, nominal: th.Tensor) -> Projection:
        """Safe actions for the nominal actions ``(B, M)`` under the rows of ``obs``."""
        assert isinstance(obs, dict)
        return self.row_filter(obs[BARRIER_KEY], nominal)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        self.nominal = super()._predict(observation, deterministic)
        self.projection = self.project(observation, self.nominal)
        warn_if_unsafe(self.projection)
        return self.projection.action

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.filter_kwargs}


class BarrierActorCriticCnnPolicy(BarrierActorCriticPolicy):
    """:class:`BarrierActorCriticPolicy` for one image beside the rows."""

    def __init__(self, *args: Any, features_extractor_class: type[BaseFeaturesExtractor] = NatureCNN, **kwargs: Any):
        super().__init__(*args, features_extractor_class=features_extractor_class, **kwargs)


class BarrierMultiInputActorCriticPolicy(BarrierActorCriticPolicy):
    """:class:`BarrierActorCriticPolicy` for several observations beside the rows."""

    def __init__(
        self,
        *args: Any,
        features_extractor_class: type[BaseFeaturesExtractor] = CombinedExtractor,
        **kwargs: Any,
    ):
        super().__init__(*args, features_extractor_class=features_extractor_class, **kwargs)
