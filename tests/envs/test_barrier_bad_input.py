"""Everything that would make a silent wrong row is an error with advice: when made, at the reset, or at the step."""

import gymnasium as gym
import numpy as np
import pytest
import sympy as sp
import torch as th
from gymnasium import spaces

from sb3_barriernet import ActionMap, BarrierObservation
from sb3_barriernet.barriers import (
    AutogradBarrier,
    OneStepBarrier,
    StackedBarrier,
    SymbolicBarrier,
    VirtualPointBarrier,
)
from sb3_barriernet.barriers.geometry import inside_box, limits, outside_disc
from sb3_barriernet.errors import (
    ActionSpaceError,
    ConfigurationError,
    GainError,
    InvalidRowsError,
    RowShapeError,
    UnsafeStartError,
)
from sb3_barriernet.rows import BARRIER_KEY
from sb3_barriernet.systems import double_integrator, single_integrator
from sb3_barriernet.systems.unicycle import Unicycle

DT = 0.1
EULER, FLOW = double_integrator(1, dt=DT, integrator="euler"), double_integrator(1, dt=DT)
Q = EULER.states[0]


class Cart(gym.Env):
    """A double integrator, its state at hand."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    start = (0.0, 0.0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = np.array(self.start)
        return self.state.astype(np.float32), {}

    def step(self, action):
        self.state = EULER.step(self.state, action)
        return self.state.astype(np.float32), 0.0, False, False, {}


BARRIERS = {
    "symbolic": lambda: SymbolicBarrier(FLOW, limits(Q, -1.0, 1.0), [1.0, 2.0], margin=0.0),
    "one step": lambda: OneStepBarrier(EULER.one_step(), limits(Q, -1.0, 1.0), 0.2),
    "autograd": lambda: AutogradBarrier(FLOW, lambda x: 1.0 - x[:1] ** 3, degree=2, alpha=[1.0, 2.0], margin=0.0),
}


def read(env):
    return (env.state,)


# The state reader


@pytest.mark.parametrize("name", BARRIERS)
def test_a_state_of_the_wrong_size_is_refused_at_the_first_reset(name):
    env = BarrierObservation(Cart(), BARRIERS[name](), lambda env: (np.append(env.state, 0.0),))
    with pytest.raises(ConfigurationError, match=r"\b3\b.*expected.*2.*in this order"):
        env.reset(seed=0)


@pytest.mark.parametrize("name", BARRIERS)
def test_a_state_reader_that_forgets_the_tuple_is_told_to_write_the_comma(name):
    env = BarrierObservation(Cart(), BARRIERS[name](), lambda env: env.state)
    with pytest.raises(ConfigurationError, match=r"expected a tuple.*with the comma"):
        env.reset(seed=0)


def test_a_batch_where_one_state_belongs_is_refused():
    env = BarrierObservation(Cart(), BARRIERS["symbolic"](), lambda env: (env.state[None],))
    with pytest.raises(RowShapeError, match=r"shape \(1, 2, 3\); expected \(2, 3\).*not a batch"):
        env.reset(seed=0)


@pytest.mark.parametrize("name", BARRIERS)
def test_a_state_that_is_not_a_number_is_refused_at_the_reset_and_at_the_step(name):
    env = BarrierObservation(Cart(), BARRIERS[name](), read)
    env.reset(seed=0)
    env.unwrapped.state = np.array([np.nan, 0.0])
    with pytest.raises(InvalidRowsError, match="Check the state"):
        env.step(np.zeros(1, dtype=np.float32))
    env.unwrapped.start = (0.0, np.nan)
    with pytest.raises(InvalidRowsError, match="Check the state"):
        env.reset()


@pytest.mark.parametrize("bad", [(np.nan, 0.0, 0.0), (0.0, np.nan, 0.0), (0.0, 0.0, np.nan)])
def test_the_unicycles_rows_show_a_pose_that_is_not_a_number(bad):
    barrier = VirtualPointBarrier(Unicycle(), half_extent=5.0, body_radius=0.15, max_discs=1)
    for disc in ([1.0, 1.0, 0.5], [0.0, 0.0, -1.0]):
        assert np.isnan(barrier.rows(np.array(bad), np.array([disc]))).any()


def test_half_a_parameter_is_not_padding():
    q0, q1 = (system := single_integrator(2, integrator="rk4")).states
    o = sp.symbols("ox oy", real=True)
    barrier = SymbolicBarrier(system, outside_disc((q0, q1), o, 1.0), parameters=o, copies=1, margin=0.0)
    assert np.isnan(barrier.rows(np.array([3.0, 0.0]), np.array([[0.0, np.nan]]))).any()


@pytest.mark.parametrize("name", ["symbolic", "one step"])
def test_a_start_that_is_safe_but_too_fast_is_refused(name):
    env = BarrierObservation(Cart(), BARRIERS[name](), read)
    env.unwrapped.start = (0.9, 0.05)
    env.reset(seed=0)
    env.unwrapped.start = (0.9, 2.0)  # h > 0, and the psi_1 of the upper limit < 0
    with pytest.raises(UnsafeStartError, match="barrier value 3"):
        env.reset(seed=0)


# Functions, degrees, gains, shapes


@pytest.mark.parametrize(
    "build",
    [
        lambda h: SymbolicBarrier(FLOW, h, margin=0.0),
        lambda h: OneStepBarrier(EULER.one_step(), h),
    ],
)
def test_functions_that_hold_no_state_or_never_meet_the_action_are_refused(build):
    with pytest.raises(ConfigurationError, match="holds none of the states"):
        build(sp.Integer(1))
    with pytest.raises(ConfigurationError, match="holds none of the states"):
        build(1.0 - sp.Symbol("q0"))  # another symbol of that name
    with pytest.raises(ConfigurationError, match="no relative degree"):
        build(Q - Q * (1 + sp.sin(Q) ** 2 + sp.cos(Q) ** 2) / 2 + 1)  # the state cancels


@pytest.mark.parametrize("h", [lambda x: th.ones(1, dtype=th.float64), lambda x: 1.0 - 0.0 * x[:1]])
def test_a_torch_function_that_ignores_the_state_is_refused(h):
    with pytest.raises(ConfigurationError, match="does not enter derivative 1"):
        AutogradBarrier(FLOW, h, margin=0.0)


@pytest.mark.parametrize("h", [lambda x: x[0], lambda x: x[:1].float(), lambda x: 1.0, lambda x: x[None]])
def test_a_torch_function_of_the_wrong_shape_is_refused(h):
    with pytest.raises(RowShapeError, match=r"expected a float64 tensor \(H,\)"):
        AutogradBarrier(FLOW, h, margin=0.0)


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.nan, np.inf, 10.1])
@pytest.mark.parametrize(
    "build",
    [
        lambda alpha: SymbolicBarrier(FLOW, 1 - Q, [1.0, alpha], margin=0.0),
        lambda alpha: AutogradBarrier(FLOW, lambda x: 1.0 - x[:1], degree=2, alpha=[1.0, alpha], margin=0.0),
        lambda alpha: VirtualPointBarrier(Unicycle(dt=DT), half_extent=5.0, body_radius=0.1, max_discs=1, alpha=alpha),
        lambda alpha: OneStepBarrier(EULER.one_step(), 1 - Q, [0.5, alpha * DT]),
    ],
    ids=["symbolic", "autograd", "virtual point", "one step"],
)
def test_gains_that_sampling_cannot_honour_are_refused(build, alpha):
    with pytest.raises(GainError):
        build(alpha)


@pytest.mark.parametrize("margin", [-0.1, np.nan, np.inf])
def test_margins_that_are_none_are_refused(margin):
    with pytest.raises(ConfigurationError, match="expected a number >= 0"):
        SymbolicBarrier(FLOW, 1 - Q, margin=margin)
    with pytest.raises(ConfigurationError, match="expected a number >= 0"):
        AutogradBarrier(FLOW, lambda x: 1.0 - x[:1], degree=2, margin=margin)


def test_shapes_of_another_dimension_are_refused():
    x, y = sp.symbols("x y", real=True)
    with pytest.raises(RowShapeError, match="expected 2 coordinates"):
        outside_disc((x, y), (0.0, 0.0, 0.0), 1.0)
    with pytest.raises(RowShapeError, match="expected 2 coordinates"):
        inside_box((x, y), (0.0, 0.0), (1.0,))


# Actions


class Doubled(gym.Wrapper):
    """Rescales actions without being a ``gym.ActionWrapper``."""

    def __init__(self, env):
        super().__init__(env)
        self.action_space = spaces.Box(-0.5, 0.5, (1,), np.float32)

    def step(self, action):
        return self.env.step(2.0 * action)


def test_wrappers_that_change_actions_below_the_barrier_are_refused_unless_the_barrier_knows():
    barrier = BARRIERS["symbolic"]()
    with pytest.raises(ConfigurationError, match="Doubled below the barrier"):
        BarrierObservation(Doubled(Cart()), barrier, read)
    with pytest.raises(ConfigurationError, match="RescaleAction below the barrier"):
        BarrierObservation(gym.wrappers.RescaleAction(Cart(), np.float32(-2.0), np.float32(2.0)), barrier, read)
    mapped = ActionMap(Cart(), lambda u: 2.0 * u, spaces.Box(-0.5, 0.5, (1,), np.float32))
    BarrierObservation(mapped, barrier, read)


def test_a_barrier_for_weaker_actuators_than_the_environment_has_is_refused():
    weak = double_integrator(1, max_acceleration=0.5, max_speed=1.0, dt=DT)
    certified = SymbolicBarrier(weak, 1.0 - weak.states[0], [1.0, 2.0])
    with pytest.raises(ActionSpaceError, match="reaches further: the margins would not hold"):
        BarrierObservation(Cart(), certified, read)
    with pytest.raises(ActionSpaceError, match="reaches further"):
        BarrierObservation(Cart(), StackedBarrier([BARRIERS["one step"](), certified]), read)
    # Who gives the margin answers for it.
    BarrierObservation(Cart(), SymbolicBarrier(weak, 1.0 - weak.states[0], [1.0, 2.0], margin=0.05), read)


def test_rows_reach_the_observation_of_what_is_sound():
    env = BarrierObservation(Cart(), BARRIERS["one step"](), read)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert observation[BARRIER_KEY].shape == (2, 3)
