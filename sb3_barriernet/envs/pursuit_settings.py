"""Every constant of the pursuit-evasion tasks, in SI units, in one frozen place."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, get_args

from sb3_barriernet.errors import ConfigurationError

EvaderKind = Literal["random", "flee", "greedy"]
"""Behaviours of the evader; :class:`PursuitSettings` describes each."""

EVADERS: tuple[str, ...] = get_args(EvaderKind)
"""Names of the behaviours, in the order of the codes that the compiled step switches on."""


@dataclasses.dataclass(frozen=True)
class PursuitSettings:
    """What a game of pursuit and evasion is made of.

    The evader is one of

    - ``"random"``: speed and turn rate uniform over their ranges, drawn anew every step;
    - ``"flee"``: drives straight away from the pursuer, slides along walls and obstacles that it comes
      near, and breaks out sideways when cornered;
    - ``"greedy"``: tries five turn rates over the next second and takes the one that ends farthest from
      the pursuer without touching anything.

    :param arena_size: side of the square arena, centred at the origin [m]
    :param obstacles: least and greatest number of circular obstacles in an episode
    :param obstacle_radius: smallest and largest radius of an obstacle [m]
    :param obstacle_gap: least distance of an obstacle's edge to walls and other obstacles [m]; wider than a
        robot, so that a robot touches at most one thing at a time
    :param observed_obstacles: how many of the nearest obstacles the observation shows
    :param robot_radius: radius of either robot [m]
    :param max_speed: greatest speed of the pursuer [m/s]; it cannot drive backwards
    :param evader_speed: greatest speed of the evader [m/s]
    :param max_turn_rate: greatest turn rate of either robot, to either side [rad/s]
    :param dt: period of one step [s]
    :param max_steps: time limit of an episode [steps]
    :param capture_distance: distance of the centres at which the evader is caught [m]
    :param initial_distance: least and greatest distance of the centres at the start [m]
    :param start_clearance: least distance of either robot's *edge* to walls and obstacles at the start [m]
    :param evader: behaviour of the evader
    :param distance_scale: reward for closing in by one diagonal of the arena
    :param capture_reward: reward for the capture
    :param timeout_penalty: what the time limit costs; the observation does not show the clock, so
        anything but 0 is hard to learn from
    """

    arena_size: float = 20.0
    obstacles: tuple[int, int] = (2, 2)
    obstacle_radius: tuple[float, float] = (0.3, 1.0)
    obstacle_gap: float = 0.5
    observed_obstacles: int = 2
    robot_radius: float = 0.15
    max_speed: float = 1.0
    evader_speed: float = 1.0
    max_turn_rate: float = 2.84
    dt: float = 0.05
    max_steps: int = 600
    capture_distance: float = 0.5
    initial_distance: tuple[float, float] = (3.0, 15.0)
    start_clearance: float = 0.4
    evader: EvaderKind = "random"
    distance_scale: float = 100.0
    capture_reward: float = 100.0
    timeout_penalty: float = 0.0

    def __post_init__(self) -> None:
        for name in ("obstacles", "obstacle_radius", "initial_distance"):
            object.__setattr__(self, name, _pair(name, getattr(self, name)))
        _check_evader(self.evader)
        _check_signs(self)
        _check_integers(self)
        _check_gaps(self)

    @property
    def diagonal(self) -> float:
        """Diagonal of the arena, the longest distance there is [m]."""
        return self.arena_size * math.sqrt(2.0)

    @property
    def max_obstacles(self) -> int:
        """Greatest number of obstacles in an episode."""
        return self.obstacles[1]

    def updated(self, **changes: Any) -> PursuitSettings:
        """These settings with some changed.

        :raises ConfigurationError: if a name is not a setting or a value makes no sense
        """
        known = [field.name for field in dataclasses.fields(self)]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise ConfigurationError(
                f"Found the unknown setting(s) {', '.join(unknown)}; pursuit-evasion knows "
                f"{', '.join(known)}. Correct the keyword given to `gym.make` or to `env_kwargs`."
            )
        return dataclasses.replace(self, **changes)


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    """YAML and JSON know lists only, so any two ordered numbers will do."""
    if not isinstance(value, list | tuple) or len(value) != 2 or not 0 <= value[0] <= value[1]:
        raise ConfigurationError(
            f"Found {name}={value!r}; expected two ordered numbers that are not negative, "
            f"the least and the greatest. Write for example {name}={getattr(PursuitSettings, name)}."
        )
    return value[0], value[1]


def _check_evader(evader: str) -> None:
    if evader not in EVADERS:
        raise ConfigurationError(
            f"Found evader={evader!r}; expected one of {', '.join(map(repr, EVADERS))}. "
            "PursuitSettings describes what each does."
        )


def _check_signs(settings: PursuitSettings) -> None:
    positive = ("arena_size", "robot_radius", "max_speed", "max_turn_rate", "dt", "capture_distance")
    others = ("evader_speed", "start_clearance", "distance_scale", "capture_reward", "timeout_penalty")
    for name in positive + others:
        value = getattr(settings, name)
        if not (math.isfinite(value) and (value > 0 or (value == 0 and name in others))):
            wanted = "positive" if name in positive else "not negative"
            raise ConfigurationError(
                f"Found {name}={value}; expected a finite number that is {wanted}. "
                f"The usual value is {getattr(PursuitSettings, name)}."
            )


def _check_integers(settings: PursuitSettings) -> None:
    for name, least in (("max_steps", 1), ("observed_obstacles", 0), ("obstacles", 0)):
        value = getattr(settings, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if any(number != int(number) or number < least for number in numbers):
            raise ConfigurationError(
                f"Found {name}={value}; expected whole numbers of at least {least}. "
                f"The usual value is {getattr(PursuitSettings, name)}."
            )


def _check_gaps(settings: PursuitSettings) -> None:
    if settings.obstacle_gap <= 2 * settings.robot_radius:
        raise ConfigurationError(
            f"Found obstacle_gap={settings.obstacle_gap} m; expected more than a robot's diameter, "
            f"{2 * settings.robot_radius} m, so that no robot is wedged between two obstacles. Widen the gap."
        )
    if settings.obstacles[1] and settings.obstacle_radius[0] <= 0:
        raise ConfigurationError(
            f"Found obstacle_radius={settings.obstacle_radius}; expected positive radii, "
            "because entries without an obstacle are marked by a negative one. Use for example (0.3, 1.0)."
        )
    if settings.initial_distance[0] <= settings.capture_distance:
        raise ConfigurationError(
            f"Found initial_distance={settings.initial_distance} m with capture_distance="
            f"{settings.capture_distance} m: a game could begin with the capture. Start farther apart."
        )


PRESETS: dict[str, PursuitSettings] = {
    "open": PursuitSettings(),
    "clutter": PursuitSettings(
        arena_size=10.0, obstacles=(6, 8), observed_obstacles=4, evader="flee", evader_speed=0.8
    ),
}
"""``open``: a wide arena and a random evader. ``clutter``: a narrow one, where safety decides."""


def preset(name: str) -> PursuitSettings:
    """The preset called ``name``.

    :raises ConfigurationError: if there is none
    """
    if name not in PRESETS:
        raise ConfigurationError(
            f"Found the preset {name!r}; pursuit-evasion has {', '.join(map(repr, PRESETS))}. "
            "Start from one of them and change single settings by keyword."
        )
    return PRESETS[name]
