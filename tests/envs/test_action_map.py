"""A steering angle behind its tangent: filtered where the dynamics are affine, mapped back exactly."""

import gymnasium as gym
import numpy as np
import pytest
import sympy as sp
from gymnasium import spaces

from sb3_barriernet import ActionMap, BarrierObservation, OneStepBarrier, OneStepMap, ResetOptions
from sb3_barriernet.errors import ActionSpaceError, ConfigurationError
from sb3_barriernet.evaluation.attacks import BangBang, Ramming, Uniform
from sb3_barriernet.evaluation.invariance import assert_invariant

DT, SPEED, WHEELBASE, MAX_STEERING = 0.05, 5.0, 2.5, 0.6
LANE = 0.4  # rad


class Car(gym.Env):
    """The heading of a car at constant speed; its action is the steering angle."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-MAX_STEERING, MAX_STEERING, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.start = (options or {}).get("start", 0.0)
        self.state = np.array([self.start])
        return self.state.astype(np.float32), {}

    def step(self, action):
        self.state = self.state + DT * SPEED / WHEELBASE * np.tan(float(action[0]))
        return self.state.astype(np.float32), 0.0, False, False, {}


def through_the_tangent(env: gym.Env, limit: float = np.tan(MAX_STEERING)) -> ActionMap:
    return ActionMap(env, np.arctan, spaces.Box(-limit, limit, (1,), np.float32))


def test_the_filter_is_exact_in_the_tangent():
    theta, tangent = sp.symbols("theta tangent", real=True)
    step = OneStepMap([theta], [tangent], [theta + DT * SPEED / WHEELBASE * tangent])
    barrier = OneStepBarrier(step, [LANE - theta, LANE + theta])
    env = BarrierObservation(through_the_tangent(Car()), barrier, lambda env: (env.state,))
    assert_invariant(env, lambda env: LANE - abs(env.state[0]), steps=1000, attacks=[Uniform, BangBang, Ramming])


def test_the_angle_itself_is_refused():
    theta, delta = sp.symbols("theta delta", real=True)
    with pytest.raises(ConfigurationError, match="map back"):
        OneStepMap([theta], [delta], [theta + DT * SPEED / WHEELBASE * sp.tan(delta)])


def test_a_box_that_maps_outside_is_refused():
    with pytest.raises(ActionSpaceError, match=r"sends the corner .* would be clipped"):
        through_the_tangent(Car(), limit=1.0)
    with pytest.raises(ActionSpaceError):
        ActionMap(Car(), lambda u: [u[0], u[0]], spaces.Box(-0.1, 0.1, (1,), np.float32))


def test_actions_that_are_no_box_are_refused():
    with pytest.raises(ActionSpaceError, match=r"action space Discrete\(2\); expected a `gymnasium.spaces.Box`"):
        ActionMap(gym.make("CartPole-v1"), np.arctan, spaces.Box(-1.0, 1.0, (1,), np.float32))
    with pytest.raises(ActionSpaceError, match="Declare the actuator limits"):
        ActionMap(Car(), np.arctan, spaces.Box(-np.inf, np.inf, (1,), np.float32))


def test_reset_options_hold_at_every_reset_and_give_way_to_the_callers():
    env = ResetOptions(Car(), start=0.1)
    assert env.reset()[0] == pytest.approx(0.1)
    assert env.reset()[0] == pytest.approx(0.1)
    assert env.reset(options={"start": 0.2})[0] == pytest.approx(0.2)
