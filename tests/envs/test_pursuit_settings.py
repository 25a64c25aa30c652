"""Settings accept what makes sense and explain what does not."""

from __future__ import annotations

from typing import Any

import pytest

from sb3_barriernet.envs.pursuit_settings import PRESETS, PursuitSettings, preset
from sb3_barriernet.errors import ConfigurationError


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"speed": 2.0}, r"unknown setting\(s\) speed; .*max_speed"),
        ({"evader": "lazy"}, "'random', 'flee', 'greedy'"),
        ({"arena_size": 0.0}, "arena_size=0.0.*positive"),
        ({"max_speed": float("nan")}, "max_speed=nan"),
        ({"evader_speed": -0.1}, "evader_speed=-0.1.*not negative"),
        ({"max_steps": 0}, "max_steps=0.*at least 1"),
        ({"observed_obstacles": 1.5}, "observed_obstacles=1.5.*whole numbers"),
        ({"obstacles": (3, 2)}, r"obstacles=\(3, 2\).*ordered"),
        ({"obstacles": (1.5, 3)}, r"obstacles=\(1.5, 3\).*whole numbers"),
        ({"obstacles": 3}, r"obstacles=3.*two ordered numbers.*\(2, 2\)"),
        ({"obstacle_radius": (0.0, 1.0)}, "positive radii"),
        ({"obstacle_gap": 0.3}, "more than a robot's diameter"),
        ({"initial_distance": (0.4, 15.0)}, "begin with the capture"),
    ],
)
def test_nonsense_is_refused_with_advice(changes: dict[str, Any], advice: str) -> None:
    with pytest.raises(ConfigurationError, match=advice):
        preset("open").updated(**changes)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'maze'.*'open', 'clutter'"):
        preset("maze")


def test_lists_from_yaml_mean_the_same_as_tuples() -> None:
    assert preset("open").updated(obstacles=[3, 5]) == preset("open").updated(obstacles=(3, 5))


def test_presets_are_the_published_tasks() -> None:
    assert PRESETS["open"] == PursuitSettings(arena_size=20.0, obstacles=(2, 2), evader="random", evader_speed=1.0)
    clutter = PRESETS["clutter"]
    assert (clutter.arena_size, clutter.obstacles, clutter.evader, clutter.evader_speed) == (
        10.0,
        (6, 8),
        "flee",
        0.8,
    )
