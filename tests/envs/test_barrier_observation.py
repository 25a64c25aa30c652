"""The wrapper that publishes rows: what it adds, and what it refuses."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.errors import (
    ActionSpaceError,
    ConfigurationError,
    InvalidRowsError,
    RowShapeError,
    UnsafeStartError,
)
from sb3_barriernet.rows import BARRIER_KEY
from tests.toys import DriftingPoint, SpeedLimit, WallAhead, limited_point, read_position


def test_rows_join_the_observation():
    env = limited_point(0.3)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    np.testing.assert_array_equal(observation[BARRIER_KEY][1], [-1.0, 0.0, 0.0, 0.3])
    observation, *_ = env.step(np.zeros(2))
    assert env.observation_space.contains(observation)


class Thrifty(WallAhead):
    """Writes all its rows into the same memory."""

    def __init__(self):
        super().__init__()
        self.memory = np.empty((3, 4))

    def rows(self, position):
        self.memory[:] = super().rows(position)
        return self.memory


def test_rows_of_a_step_stay_when_the_next_is_taken():
    env = BarrierObservation(DriftingPoint(), Thrifty(), read_position)
    first, _ = env.reset(seed=0)
    before = first[BARRIER_KEY].copy()
    env.step(np.ones(2))
    np.testing.assert_array_equal(first[BARRIER_KEY], before)


class DictPoint(DriftingPoint):
    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Dict({"gps": self.observation_space})

    def _observation(self):
        return {"gps": super()._observation()}


def test_dictionary_observations_gain_a_key():
    env = BarrierObservation(DictPoint(), SpeedLimit(0.3), read_position)
    observation, _ = env.reset(seed=0)
    assert set(observation) == {"gps", BARRIER_KEY}
    assert env.observation_space.contains(observation)


def test_wrapping_twice_is_refused():
    with pytest.raises(ConfigurationError, match="wrapped twice"):
        BarrierObservation(limited_point(), SpeedLimit(), read_position)


def test_an_action_wrapper_below_is_refused():
    scaled = gym.wrappers.RescaleAction(DriftingPoint(), np.float32(-2.0), np.float32(2.0))
    with pytest.raises(ConfigurationError, match="RescaleAction below the barrier"):
        BarrierObservation(scaled, SpeedLimit(), read_position)


def test_a_barrier_over_other_actions_is_refused():
    barrier = SpeedLimit()
    barrier.action_dim = 3
    with pytest.raises(RowShapeError, match="barrier over 3 actions"):
        BarrierObservation(DriftingPoint(), barrier, read_position)


def test_unusable_actions_are_refused():
    env = DriftingPoint()
    env.action_space = spaces.Discrete(2)
    with pytest.raises(ActionSpaceError):
        BarrierObservation(env, SpeedLimit(), read_position)


def test_rows_that_are_not_finite_are_refused_with_their_index():
    env = limited_point(0.3)
    env.barrier.rows = lambda position: np.array([[0, 0, 1, 0], [np.nan, 0, 0, 1], [0, 0, 1, 0.0]])
    with pytest.raises(InvalidRowsError, match=r"rows \[1\]"):
        env.reset(seed=0)


def test_rows_of_varying_number_are_refused():
    env = limited_point(0.3)
    env.reset(seed=0)
    env.barrier.rows = lambda position: np.zeros((2, 4))
    with pytest.raises(RowShapeError, match=r"expected \(3, 4\)\. Pad"):
        env.step(np.zeros(2))


def test_a_start_outside_the_safe_set_is_refused():
    env = limited_point(0.3)
    env.barrier.start_values = lambda position: np.array([0.5, -0.25])
    with pytest.raises(UnsafeStartError, match=r"barrier value 1 is -0\.25.* h has the wrong sign"):
        env.reset(seed=0)


def test_rows_that_were_rounded_are_refused():
    env = limited_point(0.3)
    exact = env.barrier.rows
    env.barrier.rows = lambda position: exact(position).astype(np.float32)
    with pytest.raises(RowShapeError, match="rows of dtype float32; expected float64"):
        env.reset(seed=0)


def test_a_state_that_was_unpacked_is_refused_with_the_way_to_pack_it():
    env = limited_point(0.3)
    env.state = lambda env: (env.position, 0.0)
    with pytest.raises(
        ConfigurationError, match=r"returns 2 entries and a barrier with `rows\(position\)`; .* one entry, an array"
    ):
        env.reset(seed=0)
