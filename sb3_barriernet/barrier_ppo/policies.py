"""Policies that act through the projection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule

from sb3_barriernet.barrier_ppo.correction_loss import CorrectionLoss
from sb3_barriernet.barrier_ppo.extractor import ROW_FEATURES_KEY, BarrierExtractor, RowFeatures
from sb3_barriernet.barrier_ppo.gains import (
    DEFAULT_GAIN_RANGE,
    DEFAULT_GAIN_STD,
    GainHead,
    GainRange,
    gain_settings,
)
from sb3_barriernet.barrier_ppo.nominal_policy import NominalActorCriticPolicy
from sb3_barriernet.projection import Projection
from sb3_barriernet.projection.row_filter import RowFilter, warn_if_unsafe
from sb3_barriernet.rows import BARRIER_KEY, check_observed_rows, check_spaces


class BarrierActorCriticPolicy(NominalActorCriticPolicy):
    """A nominal policy whose ``predict`` returns the closest action that satisfies every barrier row.

    * ``forward`` and ``evaluate_actions`` speak about *decisions*, whose likelihood is exact: ``u_nom``, followed by
      ``log kappa`` of every gain if gains are learned.
    * ``predict`` returns the safe action; ``.nominal``, ``.kappa`` and ``.projection`` hold the last batch's
      proposals, gain scales of the rows and statuses.

    :param observation_space: dictionary with the key ``"barrier"``
    :param action_space: bounded box of shape ``(M,)``
    :param lr_schedule: learning-rate schedule
    :param projection_weight: see :class:`~sb3_barriernet.projection.row_filter.RowFilter`
    :param projection_backend: name of the projection backend
    :param backup_action: ``(M,)``, taken where rows or nominal action are not finite
    :param learn_gains: whether the policy scales the gains of the barriers
    :param gain_range: see :func:`~sb3_barriernet.barrier_ppo.gains.gain_settings`, as the next two
    :param gain_std: std of ``log kappa``
    :param gain_groups: which gain each row takes
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
        learn_gains: bool = False,
        gain_range: GainRange = DEFAULT_GAIN_RANGE,
        gain_std: float | Sequence[float] = DEFAULT_GAIN_STD,
        gain_groups: Sequence[int] | None = None,
        **kwargs: Any,
    ):
        check_spaces(observation_space, action_space)
        # Without the std, which is in the state dictionary.
        self.gain_kwargs = {"learn_gains": learn_gains, "gain_range": gain_range, "gain_groups": gain_groups}
        self._gain_settings = (
            gain_settings(observation_space, gain_range, gain_std, gain_groups) if learn_gains else None
        )
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
        self.kappa: th.Tensor | float = 1.0
        self.projection: Projection | None = None
        self.correction_loss: CorrectionLoss | None = None

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """As SB3's, for decisions that may be wider than actions.

        :return: decisions ``(B, M + G)``, values and log probabilities
        """
        features = self.extract_features(obs)
        pi_features, vf_features = features if isinstance(features, tuple) else (features, features)
        distribution = self._get_action_dist_from_latent(self.mlp_extractor.forward_actor(pi_features))
        values = self.value_net(self.mlp_extractor.forward_critic(vf_features))
        decisions = distribution.get_actions(deterministic=deterministic)
        return decisions, values, distribution.log_prob(decisions)

    def extract_features(  # type: ignore[override]  # as SB3's own, which overrides its base likewise
        self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor | None = None
    ) -> th.Tensor | tuple[th.Tensor, th.Tensor]:
        """As SB3's; row features that were computed before take the place of the rows."""
        assert isinstance(obs, dict)
        if ROW_FEATURES_KEY in obs:
            obs = dict(obs)
            obs[BARRIER_KEY] = obs.pop(ROW_FEATURES_KEY)
        return super().extract_features(obs, features_extractor)

    def evaluate_actions(self, obs: PyTorchObs, actions: th.Tensor) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        """As SB3's; while ``.correction_loss`` is set, backpropagation through the likelihood adds its gradient."""
        evaluated = super().evaluate_actions(obs, actions)
        if self.correction_loss is not None:
            gaussian = self.action_dist.distribution  # of what was just evaluated
            assert isinstance(gaussian, th.distributions.Normal)
            mean = gaussian.mean
            safe = self.project(obs, mean.detach()).action
            self.correction_loss.attach(mean, safe, self.row_filter.weight)
        return evaluated

    def obs_to_tensor(self, observation: np.ndarray | dict[str, np.ndarray]) -> tuple[PyTorchObs, bool]:
        """As SB3's, for rows that are in shape.

        :raises MissingRowsError: if there are no rows
        :raises RowShapeError: if they have another shape
        """
        check_observed_rows(observation, self.observation_space)
        return super().obs_to_tensor(observation)

    def set_training_mode(self, mode: bool) -> None:
        """As SB3's, which visits every module before every prediction; here only if the mode is another."""
        if mode != self.training:
            super().set_training_mode(mode)

    @property
    def row_features(self) -> RowFeatures | None:
        """What the network sees of rows; None if nothing, or if it is not a :class:`BarrierExtractor` that shows it."""
        extractor = self.features_extractor
        return extractor.row_features if isinstance(extractor, BarrierExtractor) else None

    def project(self, obs: PyTorchObs, decisions: th.Tensor) -> Projection:
        """Safe actions for decisions ``(B, M + G)`` under the rows of ``obs``."""
        assert isinstance(obs, dict)
        return self.row_filter(obs[BARRIER_KEY], *self.split(decisions))

    def split(self, decisions: th.Tensor) -> tuple[th.Tensor, th.Tensor | float]:
        """Nominal actions ``(B, M)`` and gain scales of the rows ``(B, K)``; 1 if none are learned."""
        if self.gain_head is None:
            return decisions, 1.0
        action_dim = len(self.log_std)
        # Contiguous, as a projection wants it that is like the last one.
        return decisions[:, :action_dim].contiguous(), self.gain_head.row_kappa(decisions[:, action_dim:])

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        decisions = super()._predict(observation, deterministic)
        if not _surely_finite(observation):
            # A network may make a number of infinity; an action on such grounds is flagged.
            decisions = decisions.masked_fill(~_finite(observation)[:, None], th.nan)
        # What is returned is this call's, whatever other threads keep in the attributes meanwhile.
        projection = self.project(observation, decisions)
        self.nominal, self.kappa = self.split(decisions)
        self.projection = projection
        warn_if_unsafe(projection)
        return projection.action

    def _build_mlp_extractor(self) -> None:
        """All networks but the heads of SB3, before the optimizer is made."""
        super()._build_mlp_extractor()
        settings = self._gain_settings
        self.gain_head = None if settings is None else GainHead(self.mlp_extractor.latent_dim_pi, settings)

    def _get_action_dist_from_latent(self, latent_pi: th.Tensor) -> Distribution:
        if self.gain_head is None:
            decisions = super()._get_action_dist_from_latent(latent_pi)
        else:
            mean = th.cat([self._mean_action(latent_pi), self.gain_head(latent_pi)], dim=1)
            decisions = self.action_dist.proba_distribution(mean, th.cat([self.log_std, self.gain_head.log_std]))
        self.action_dist.distribution = decisions.distribution  # for `evaluate_actions`
        return decisions

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self.filter_kwargs, **self.gain_kwargs}


def _surely_finite(observation: PyTorchObs) -> bool:
    """Whether sums say that everything is a number, which takes less time; that of finite numbers may overflow."""
    assert isinstance(observation, dict)
    return all(math.isfinite(value.sum()) for value in observation.values())


def _finite(observation: PyTorchObs) -> th.Tensor:
    """Whether everything that was observed is a number, ``(B,)``."""
    assert isinstance(observation, dict)
    entries = [th.isfinite(value).reshape(len(value), -1).all(dim=1) for value in observation.values()]
    return th.stack(entries).all(dim=0)


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
