"""The policy that proposes: an SB3 actor-critic with a fixed std that may see barrier rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import DiagGaussianDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor
from stable_baselines3.common.type_aliases import Schedule

from sb3_barriernet.barrier_ppo.extractor import BarrierExtractor, RowEncoding
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.rows import check_spaces

DEFAULT_STD_FRACTION = 0.5
"""Default exploration std as a fraction of each actuator's half range."""


class FixedStdGaussian(DiagGaussianDistribution):
    """SB3's diagonal Gaussian without argument validation.

    Validation would raise for a whole batch when one observation holds NaN; here that one
    sample is flagged by the projection and its neighbours are served.
    """

    def proba_distribution(self, mean_actions: th.Tensor, log_std: th.Tensor) -> FixedStdGaussian:
        """A new object every time: SB3's would be shared by all threads that call ``predict``."""
        gaussian = FixedStdGaussian(self.action_dim)
        std = log_std.exp().expand_as(mean_actions)
        gaussian.distribution = th.distributions.Normal(mean_actions, std, validate_args=False)
        return gaussian


class NominalActorCriticPolicy(ActorCriticPolicy):
    """Proposes ``u_nom ~ N(mu(obs), diag(sigma^2))``, unfiltered, on observations that carry barrier rows.

    The network's output is in normalised action units: 0 is the middle of the action box, 1 a half range
    from it. On the box ``[-1, 1]`` that SB3 recommends this changes nothing; on a physical box it spares the
    network from learning the units.

    ``sigma`` is a buffer: saved with the model, moved with it, never trained. With SB3's ``PPO`` this
    is the fair baseline of ``BarrierPPO``: same network, same inputs, same noise, no filter.

    :param observation_space: dictionary with the key ``"barrier"``
    :param action_space: bounded box of shape ``(M,)``
    :param lr_schedule: learning-rate schedule
    :param action_std: std of the nominal action in action units, a number or ``(M,)``; by default half of
        each actuator's half range
    :param observe_rows: whether the network sees row features
    :param row_encoding: how it sees them, a :data:`~sb3_barriernet.barrier_ppo.extractor.RowEncoding`
    :param kwargs: keyword arguments of SB3's ``ActorCriticPolicy``; its ``features_extractor_class``
        extracts the task's own observation
    """

    log_std: th.Tensor  # type: ignore[assignment]
    action_middle: th.Tensor
    action_half_range: th.Tensor

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Box,
        lr_schedule: Schedule,
        *args: Any,
        action_std: float | list[float] | np.ndarray | None = None,
        observe_rows: bool = True,
        row_encoding: RowEncoding = "listed",
        **kwargs: Any,
    ):
        check_spaces(observation_space, action_space)
        if kwargs.get("use_sde", False):
            raise ConfigurationError(
                "Found use_sde=True; gSDE learns its noise, while the barrier's likelihood needs the fixed std "
                "`action_std`. Leave use_sde out."
            )
        if kwargs.get("log_std_init", 0.0) != 0.0:
            raise ConfigurationError(
                f"Found log_std_init={kwargs['log_std_init']}; the std is fixed, not learned from a start. Pass "
                f"action_std={np.exp(kwargs['log_std_init']):.3g} to the algorithm instead, in units of the action."
            )
        self._initial_std = checked_std(action_std, action_space)
        self.observe_rows = observe_rows
        self.row_encoding = row_encoding
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)

    @property
    def action_std(self) -> th.Tensor:
        """Std of the nominal action, ``(M,)``, action units."""
        return self.log_std.exp()

    def set_action_std(self, action_std: float | list[float] | np.ndarray) -> None:
        """Replace the fixed std, for example on a schedule of your own."""
        assert isinstance(self.action_space, spaces.Box)
        std = checked_std(action_std, self.action_space)
        self.log_std.copy_(th.as_tensor(np.log(std), dtype=self.log_std.dtype))

    def make_features_extractor(self) -> BaseFeaturesExtractor:
        return BarrierExtractor(
            self.observation_space,  # type: ignore[arg-type]
            self.action_space,  # type: ignore[arg-type]
            observe_rows=self.observe_rows,
            row_encoding=self.row_encoding,
            extractor_class=self.features_extractor_class,
            extractor_kwargs=self.features_extractor_kwargs,
        )

    def _build(self, lr_schedule: Schedule) -> None:
        self.action_dist = FixedStdGaussian(len(self._initial_std))
        super()._build(lr_schedule)
        # SB3 made log_std a parameter; as a buffer it is saved but never trained, so the optimizer is made anew.
        del self.log_std
        low, high = self.action_space.low, self.action_space.high  # type: ignore[attr-defined]
        self.register_buffer("action_middle", th.as_tensor((high + low) / 2.0), persistent=False)
        self.register_buffer("action_half_range", th.as_tensor((high - low) / 2.0), persistent=False)
        self.register_buffer("log_std", th.as_tensor(np.log(self._initial_std), dtype=th.float32))
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]

    def _get_action_dist_from_latent(self, latent_pi: th.Tensor) -> Distribution:
        return self.action_dist.proba_distribution(self._mean_action(latent_pi), self.log_std)

    def _mean_action(self, latent_pi: th.Tensor) -> th.Tensor:
        """``mu``, ``(B, M)``, action units."""
        return self.action_middle + self.action_half_range * self.action_net(latent_pi)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        # The std itself is in the state dictionary.
        parameters = super()._get_constructor_parameters()
        return {**parameters, "observe_rows": self.observe_rows, "row_encoding": self.row_encoding}


class NominalMultiInputActorCriticPolicy(NominalActorCriticPolicy):
    """:class:`NominalActorCriticPolicy` for several observations beside the rows."""

    def __init__(
        self,
        *args: Any,
        features_extractor_class: type[BaseFeaturesExtractor] = CombinedExtractor,
        **kwargs: Any,
    ):
        super().__init__(*args, features_extractor_class=features_extractor_class, **kwargs)


def checked_std(action_std: Any, action_space: spaces.Box) -> np.ndarray:
    """Std per action dimension, ``(M,)``.

    :raises ConfigurationError: unless it is positive, finite, and a number or one per dimension
    """
    half_range = (action_space.high - action_space.low).astype(np.float64) / 2.0
    if action_std is None:
        return DEFAULT_STD_FRACTION * half_range
    std = np.asarray(action_std, dtype=np.float64)
    if std.ndim > 1 or (std.ndim == 1 and std.shape != half_range.shape):
        raise ConfigurationError(
            f"Found action_std of shape {std.shape}; expected a number or {half_range.shape[0]} numbers, one for each "
            f"action of {action_space}."
        )
    if not (np.isfinite(std).all() and (std > 0.0).all()):
        raise ConfigurationError(
            f"Found action_std = {action_std}; expected positive finite numbers in action units, "
            f"for example {(DEFAULT_STD_FRACTION * half_range).tolist()}."
        )
    return np.broadcast_to(std, half_range.shape).copy()
