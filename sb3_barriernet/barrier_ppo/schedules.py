"""Coefficients that change during training, written as SB3 and the Zoo write them."""

from __future__ import annotations

import math

from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import ConstantSchedule, LinearSchedule

from sb3_barriernet.errors import ConfigurationError

RAMP_START = 0.3
"""Share of training before a ramp leaves zero: the task comes first."""

RAMP_END = 0.6
"""Share of training at which a ramp reaches its value."""


class RampSchedule:
    """Zero until :data:`RAMP_START` of training, then linear up to ``value`` at :data:`RAMP_END`."""

    def __init__(self, value: float):
        self.value = value

    def __call__(self, progress_remaining: float) -> float:
        share = (1.0 - progress_remaining - RAMP_START) / (RAMP_END - RAMP_START)
        return self.value * min(max(share, 0.0), 1.0)

    def __repr__(self) -> str:
        return f"RampSchedule(value={self.value})"


def coefficient_schedule(name: str, value: float | str | Schedule) -> Schedule:
    """The schedule that a number, ``"lin_1.0"``, ``"ramp_1.0"`` or a callable stands for.

    :param name: keyword that is being set, for the error message
    :raises ConfigurationError: unless it is one of these, with a number that is not negative
    """
    if callable(value):
        return value
    kind, _, text = value.rpartition("_") if isinstance(value, str) else ("", "", value)
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if kind not in ("", "lin", "ramp") or not (math.isfinite(number) and number >= 0.0):
        raise ConfigurationError(
            f"Found {name}={value!r}; expected a number >= 0, 'lin_<number>' (down to 0), 'ramp_<number>' (up from 0) "
            "or a function of the remaining progress. Try 'ramp_1.0'."
        )
    if kind == "lin":
        return LinearSchedule(number, 0.0, 1.0)
    return RampSchedule(number) if kind == "ramp" else ConstantSchedule(number)
