"""highway-env's car park, without the work that changes nothing."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from sb3_barriernet.errors import ConfigurationError, MissingPackageError

try:
    from highway_env.envs.common.observation import KinematicsGoalObservation
except ImportError as error:
    raise MissingPackageError(
        "Found no package 'highway_env'; it is the car park. `pip install 'sb3-barriernet[examples]'`."
    ) from error


class SwiftParking(gym.Wrapper):
    """The episodes of highway-env's car park, bit for bit, in a fraction of the time.

    At every frame each parked car searches for its lane, and for contact with every other parked car and wall; and at
    every step two data frames are made for each of four observations. Here only the driven car looks around, and
    observations are read off. What parked cars do to each other after a crash, when the episode is over, is left out.

    :param env: ``parking-v0`` with one driven car and its own kind of observation
    :raises ConfigurationError: for anything else
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        scene: Any = env.unwrapped
        found = getattr(scene, "observation_type", None)
        if not isinstance(found, KinematicsGoalObservation) or scene.config["controlled_vehicles"] != 1:
            raise ConfigurationError(
                f"Found {env}, observed as {type(found).__name__}; expected highway-env's car park with one driven car "
                "and observations of type 'KinematicsGoal', its default. Leave `SwiftParking` out."
            )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        scene: Any = self.unwrapped
        for thing in (*scene.road.vehicles, *scene.road.objects):
            if thing is not scene.vehicle:
                thing.check_collisions, thing.road = False, None
        swift = _GoalObservation(scene, **scene.config["observation"])
        scene.observation_type = scene.observation_type_parking = swift
        return observation, info


class _GoalObservation(KinematicsGoalObservation):
    """The same numbers without data frames."""

    def observe(self) -> dict[str, np.ndarray]:
        seen, goal = self._features(self.observer_vehicle), self._features(self.observer_vehicle.goal)
        return {"observation": seen, "achieved_goal": seen.copy(), "desired_goal": goal}

    def _features(self, thing: Any) -> np.ndarray:
        state = thing.to_dict()
        return np.array([state[name] for name in self.features]) / self.scales
