"""Kinds of observations, actions and wrappers."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env as check_gymnasium_env
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierPPO
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.errors import ActionSpaceError, MissingRowsError, RowShapeError
from tests.compatibility.page import refused, works
from tests.compatibility.points import LIMIT, SETTINGS, make_point, trained
from tests.toys import DriftingPoint, SpeedLimit, read_position

GROUP = "Environments"


class Sensed(DriftingPoint):
    """The drifting point behind another sensor."""

    def __init__(self, space: spaces.Space):
        super().__init__()
        self.observation_space = space

    def _observation(self):
        return self.observation_space.sample()


class Driven(DriftingPoint):
    """The drifting point with more actuators; the first two move it."""

    def __init__(self, space: spaces.Space):
        super().__init__()
        self.action_space = space


class FirstSpeedLimit(SpeedLimit):
    """``u_1 <= limit`` among ``M`` actions."""

    num_rows = 1

    def __init__(self, action_dim: int):
        super().__init__(LIMIT)
        self.action_dim = action_dim

    def rows(self, position):
        return np.array([[-1.0, *[0.0] * self.action_dim, LIMIT]])


def sensing(space: spaces.Space, policy: str = "MlpPolicy", **settings):
    wrapped = lambda: BarrierObservation(Sensed(space), SpeedLimit(LIMIT), read_position)  # noqa: E731 (make_vec_env calls it)
    return trained(make_vec_env(wrapped, 2, seed=0), policy=policy, **settings)


@works(GROUP, "`check_env` of SB3 and of Gymnasium", "on the wrapped environment")
def test_environment_checkers_are_content():
    check_env(make_point(), warn=False)
    check_gymnasium_env(make_point(), skip_render_check=True)


@works(GROUP, "an environment, or its id", "is vectorised by SB3")
def test_a_plain_environment_and_an_id():
    trained(make_point())
    gym.register("LimitedPoint-v0", entry_point=make_point)
    try:
        trained("LimitedPoint-v0")
    finally:
        del gym.registry["LimitedPoint-v0"]


@works(GROUP, "observations: `Box`, `Discrete`, `MultiDiscrete`, `MultiBinary`", "`MlpPolicy`")
@pytest.mark.parametrize(
    "space", [spaces.Box(-1.0, 1.0, (3,)), spaces.Discrete(4), spaces.MultiDiscrete([3, 4]), spaces.MultiBinary(3)]
)
def test_single_observations(space):
    sensing(space)


@works(GROUP, "observations: images", "`CnnPolicy`")
def test_images():
    sensing(spaces.Box(0, 255, (36, 36, 1), dtype=np.uint8), "CnnPolicy", steps=64)


@works(GROUP, "observations: `Dict`", "`MultiInputPolicy`; images and vectors may be mixed")
def test_dictionaries():
    image, place = spaces.Box(0, 255, (36, 36, 1), dtype=np.uint8), spaces.Box(-1.0, 1.0, (2,))
    sensing(spaces.Dict(camera=image, place=place), "MultiInputPolicy", steps=64)


@refused(GROUP, "observations: `Tuple`, nested `Dict`", "by SB3 itself")
def test_nested_observations():
    with pytest.raises(NotImplementedError, match="Nested observation spaces"):
        sensing(spaces.Tuple([spaces.Box(-1.0, 1.0, (2,)), spaces.Discrete(3)]))


@works(GROUP, "1 to 16 actions")
@pytest.mark.parametrize("action_dim", [1, 2, 3, 6, 16])
def test_action_dimensions(action_dim):
    def make():
        space = spaces.Box(-1.0, 1.0, (action_dim,), dtype=np.float32)
        return BarrierObservation(_Padded(space), FirstSpeedLimit(action_dim), read_position)

    trained(make_vec_env(make, 2, seed=0))


class _Padded(Driven):
    def step(self, action):
        return super().step(np.resize(action, 2) if len(action) < 2 else action[:2])


@works(GROUP, "action boxes in physical units", "any finite box, of other limits on every axis")
def test_physical_units():
    def make():
        space = spaces.Box(np.array([0.0, -2.84], np.float32), np.array([1.0, 2.84], np.float32))
        return BarrierObservation(Driven(space), SpeedLimit(LIMIT), read_position)

    trained(make_vec_env(make, 2, seed=0))


@refused(GROUP, "actions: `Discrete`, `MultiDiscrete`, `MultiBinary`, `Dict`", "a barrier filters continuous actions")
@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3),
        spaces.MultiDiscrete([2, 2]),
        spaces.MultiBinary(2),
        spaces.Dict(a=spaces.Box(-1.0, 1.0, (2,))),
    ],
)
def test_actions_that_are_not_continuous(space):
    with pytest.raises(ActionSpaceError, match="a barrier filters continuous actions"):
        BarrierObservation(Driven(space), SpeedLimit(LIMIT), read_position)


@refused(GROUP, "actions without bounds", "declare the actuator limits; they are part of the projection")
def test_actions_without_bounds():
    with pytest.raises(ActionSpaceError, match="Declare the actuator limits"):
        BarrierObservation(Driven(spaces.Box(-np.inf, np.inf, (2,))), SpeedLimit(LIMIT), read_position)


@works(GROUP, "wrappers below the barrier", "stacking frames, time limits")
def test_wrappers_below():
    def make():
        base = gym.wrappers.TimeLimit(gym.wrappers.FrameStackObservation(DriftingPoint(), 3), 10)
        return BarrierObservation(base, SpeedLimit(LIMIT), read_position)

    trained(make_vec_env(make, 2, seed=0))


@refused(GROUP, "wrappers above the barrier that change actions", "wrap the barrier last")
def test_action_wrappers_above():
    with pytest.raises(RowShapeError, match="Wrap the barrier last"):
        BarrierPPO("MlpPolicy", gym.wrappers.RescaleAction(make_point(), np.float32(-2.0), np.float32(2.0)), **SETTINGS)


@refused(GROUP, "`FlattenObservation` above the barrier", "the rows need their key; flatten below the barrier")
def test_flattening_above():
    with pytest.raises(MissingRowsError, match="has no 'barrier' key"):
        BarrierPPO("MlpPolicy", gym.wrappers.FlattenObservation(make_point()), **SETTINGS)
