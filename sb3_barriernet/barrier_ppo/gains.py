"""The policy's choice of how cautious each barrier is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

from sb3_barriernet.errors import ConfigurationError, GainError
from sb3_barriernet.rows import BARRIER_KEY, row_groups

GainRange = tuple[float, float]

DEFAULT_GAIN_RANGE: GainRange = (0.1, 2.5)
"""Range of the gain scale ``kappa``."""

DEFAULT_GAIN_STD = 0.3
"""Default exploration std of ``log kappa``: a factor of 1.35."""

INITIAL_KAPPA = 1.0
"""The barrier's own gain, where a new policy begins."""


@dataclass(frozen=True)
class GainSettings:
    """Settings of the gains that have been checked.

    :param low: smallest ``kappa``
    :param high: largest ``kappa``
    :param std: std of each ``log kappa``, ``(G,)``
    :param groups: which gain each row takes, ``(K,)``
    """

    low: float
    high: float
    std: np.ndarray
    groups: np.ndarray

    @property
    def num_gains(self) -> int:
        """``G``."""
        return len(self.std)


def gain_settings(
    observation_space: spaces.Dict,
    gain_range: GainRange = DEFAULT_GAIN_RANGE,
    gain_std: float | Sequence[float] = DEFAULT_GAIN_STD,
    gain_groups: Sequence[int] | None = None,
) -> GainSettings:
    """Check what the user wrote against the rows of an environment.

    :raises GainError: if the range makes no sense, or reaches beyond what sampling can honour
    :raises ConfigurationError: if stds or groups make no sense
    """
    rows_space = observation_space[BARRIER_KEY]
    assert rows_space.shape is not None
    groups = row_groups(gain_groups, rows_space.shape[0])
    low, high = _checked_range(gain_range, getattr(rows_space, "max_kappa", 1.0))
    return GainSettings(low, high, _checked_std(gain_std, int(groups.max()) + 1), groups)


class GainHead(nn.Module):
    """Scales of the restoring terms, ``log kappa ~ N(nu(latent), diag(tau^2))``, one for each group of rows.

    The gains are part of what the policy decides: ``log kappa`` is sampled, stored and weighed by the likelihood as
    the nominal action is, so the policy gradient reaches them. A gain that is computed inside the projection, under
    the likelihood of ``u_nom`` alone, gets none: nothing that PPO differentiates depends on it.

    Like the nominal action it is stored as sampled, and clipped to its range where it is used. ``tau`` is a buffer.

    :param latent_dim: width of the policy network's last hidden layer
    :param settings: range, stds and groups
    """

    log_std: th.Tensor
    groups: th.Tensor

    def __init__(self, latent_dim: int, settings: GainSettings):
        super().__init__()
        self.low, self.high = settings.low, settings.high
        self.num_gains = settings.num_gains
        self.net = nn.Linear(latent_dim, self.num_gains)
        # As small as SB3 makes the action head: a new policy takes the barriers as they are.
        nn.init.orthogonal_(self.net.weight, gain=0.01)
        nn.init.zeros_(self.net.bias)
        self.initial = float(np.log(np.clip(INITIAL_KAPPA, self.low, self.high)))
        self.half_range = float(np.log(self.high / self.low) / 2.0)
        self.register_buffer("log_std", th.as_tensor(np.log(settings.std), dtype=th.float32))
        self.register_buffer("groups", th.as_tensor(settings.groups), persistent=False)

    @property
    def std(self) -> th.Tensor:
        """Std of ``log kappa``, ``(G,)``."""
        return self.log_std.exp()

    def set_std(self, std: np.ndarray) -> None:
        """Replace the std of ``log kappa``, by one that has been checked."""
        self.log_std.copy_(th.as_tensor(np.log(std), dtype=self.log_std.dtype))

    def forward(self, latent_pi: th.Tensor) -> th.Tensor:
        """Mean of ``log kappa``, ``(B, G)``."""
        return self.initial + self.half_range * self.net(latent_pi)

    def kappa(self, log_kappa: th.Tensor) -> th.Tensor:
        """Gain scales in their range, float64, of the same shape."""
        return log_kappa.double().exp().clamp(self.low, self.high)

    def row_kappa(self, log_kappa: th.Tensor) -> th.Tensor:
        """Gain scale of every row ``(B, K)``, from those of the groups ``(B, G)``."""
        kappa = self.kappa(log_kappa)
        return kappa.expand(-1, len(self.groups)) if self.num_gains == 1 else kappa[:, self.groups]


def check_restoring(rows: np.ndarray) -> None:
    """Refuse to learn gains that scale nothing.

    :param rows: observed rows ``(..., K, M + 2)``
    :raises ConfigurationError: if no row has a restoring term
    """
    if not rows[..., -1].any():
        raise ConfigurationError(
            "Found learn_gains=True and rows whose restoring column is zero; a gain would scale nothing. Publish "
            "`alpha * h` in the last column and the rest in the one before, or leave learn_gains out."
        )


def _checked_range(gain_range: Any, max_kappa: float) -> GainRange:
    try:
        low, high = (float(bound) for bound in gain_range)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not 0.0 < low < high < np.inf:
        raise GainError(
            f"Found gain_range={gain_range!r}; expected two numbers 0 < smallest < largest, between which the policy "
            f"scales the gains of its barriers. Try {DEFAULT_GAIN_RANGE}."
        )
    if high > max_kappa:
        raise GainError(
            f"Found gain_range={gain_range!r}; expected at most {max_kappa:.6g}, the largest scale under which these "
            "rows still keep the system safe between two samples (kappa * alpha * dt <= 1). Lower the range or the "
            "barrier's alpha, or sample faster; a barrier of your own says with `max_kappa` what it permits."
        )
    return low, high


def _checked_std(gain_std: Any, num_gains: int) -> np.ndarray:
    std = np.asarray(gain_std, dtype=np.float64)
    if std.shape not in ((), (num_gains,)) or not (np.isfinite(std).all() and (std > 0.0).all()):
        raise ConfigurationError(
            f"Found gain_std={gain_std!r}; expected a positive number, or {num_gains}, one for each gain: the std of "
            f"log kappa. Try {DEFAULT_GAIN_STD}."
        )
    return np.broadcast_to(std, (num_gains,)).copy()
