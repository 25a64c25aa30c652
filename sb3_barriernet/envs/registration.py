"""Names under which :func:`gymnasium.make` finds the tasks of this package."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

ENTRY_POINT = "sb3_barriernet.envs.pursuit_evasion:PursuitEvasionEnv"

SLOWER_EVADER = 0.8
"""Speed of an evader that flees on purpose [m/s]: as fast as the pursuer it is not caught in the open."""

PURSUIT_TASKS: dict[str, dict[str, Any]] = {
    "PursuitEvasion-v0": {"preset": "open"},
    "PursuitEvasionFlee-v0": {"preset": "open", "evader": "flee", "evader_speed": SLOWER_EVADER},
    "PursuitEvasionGreedy-v0": {"preset": "open", "evader": "greedy", "evader_speed": SLOWER_EVADER},
    "PursuitEvasionClutter-v0": {"preset": "clutter"},
    "PursuitEvasionClutterRandom-v0": {"preset": "clutter", "evader": "random", "evader_speed": 1.0},
    "PursuitEvasionClutterGreedy-v0": {"preset": "clutter", "evader": "greedy"},
}
"""Every task and what it is made of; ids of their own, because not every tool passes keywords on."""

LITERATURE_TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "BarrierNetRobot-v0": ("barriernet_robot:BarrierNetRobotEnv", {}),
    "ChengCarFollowing-v0": ("cheng_car_following:ChengCarFollowingEnv", {}),
    "ChengPendulum-v0": ("cheng_pendulum:ChengPendulumEnv", {}),
    "EmamCars-v0": ("emam_cars:EmamCarsEnv", {}),
    "EmamUnicycle-v0": ("emam_unicycle:EmamUnicycleEnv", {"random_start": True}),
}
"""Tasks rebuilt from papers: module and class under ``sb3_barriernet.envs.literature``, and keywords."""


def register_envs() -> None:
    """Register the tasks; doing it again changes nothing.

    Entry points are given as text: Numba is imported when a task is made, not before. The time limit is
    part of the simulation, so Gymnasium gets none.
    """
    for env_id, kwargs in PURSUIT_TASKS.items():
        if env_id not in gym.registry:
            gym.register(env_id, entry_point=ENTRY_POINT, kwargs=dict(kwargs))
    for env_id, (place, kwargs) in LITERATURE_TASKS.items():
        if env_id not in gym.registry:
            gym.register(env_id, entry_point=f"sb3_barriernet.envs.literature.{place}", kwargs=dict(kwargs))
