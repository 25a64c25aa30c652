"""Checks of class-K gains."""

from __future__ import annotations

import math
from typing import Any

from sb3_barriernet.errors import GainError


def check_gain(alpha: float, dt: float) -> float:
    """Return ``alpha`` if sampling can honour it.

    Between two samples the condition ``h' >= -alpha h`` is held with the ``h`` of the sample, so
    ``h`` may shrink to ``(1 - alpha dt) h``: positive only while ``alpha * dt <= 1``.

    :param alpha: linear class-K gain, 1/s
    :param dt: sampling period, s
    :raises GainError: unless ``0 < alpha <= 1 / dt``
    """
    if not (math.isfinite(alpha) and alpha > 0.0):
        raise GainError(f"Found the gain alpha = {alpha}; expected a positive number of 1/s. Try alpha = 2.")
    if alpha * dt > 1.0:
        raise GainError(
            f"Found alpha * dt = {alpha} * {dt} = {alpha * dt:.4g}; expected at most 1, else one sampling period "
            f"may cross the boundary. Use alpha <= {1.0 / dt:.4g}, or sample faster."
        )
    return float(alpha)


def check_share(gamma: float) -> None:
    """Refuse a one-step gain that is no share of ``h``.

    :raises GainError: unless ``0 < gamma <= 1``
    """
    if not 0.0 < gamma <= 1.0:
        raise GainError(
            f"Found the one-step gain gamma = {gamma}; expected 0 < gamma <= 1, the share of h that one step may "
            "use up. Try 0.5; gamma = 1 only asks the next state to be safe."
        )


def largest_kappa(alpha: float, dt: float) -> float:
    """Largest scale of ``alpha`` that sampling can honour: ``kappa * alpha * dt <= 1``."""
    return 1.0 / (alpha * dt) if dt > 0.0 else math.inf


def max_kappa(*barriers: Any) -> float:
    """Largest scale of the restoring terms under which all barriers keep their promise.

    A barrier that has no attribute ``max_kappa`` promises nothing beyond its own gain, which is 1.
    """
    return min(float(getattr(barrier, "max_kappa", 1.0)) for barrier in barriers)
