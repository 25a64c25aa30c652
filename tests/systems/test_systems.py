"""Ready systems against independent formulas and against the simulators they claim to be."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
import sympy as sp

from sb3_barriernet.errors import ConfigurationError, RowShapeError
from sb3_barriernet.systems import (
    ControlAffineSystem,
    OneStepMap,
    car_following,
    cart_pole,
    double_integrator,
    inverted_pendulum,
    kinematic_bicycle,
    planar_quadrotor,
    single_integrator,
    unicycle_with_acceleration,
    unicycle_with_velocity,
)
from sb3_barriernet.systems.control_affine import runge_kutta

SYSTEMS = {
    "single": single_integrator(3),
    "double": double_integrator(2),
    "unicycle": unicycle_with_velocity(),
    "accelerated": unicycle_with_acceleration(),
    "bicycle": kinematic_bicycle(),
    "pendulum": inverted_pendulum(),
    "cart_pole": cart_pole(),
    "quadrotor": planar_quadrotor(),
    "cars": car_following(4, controlled=2),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_batches_equal_loops_and_leading_dimensions_pass_through(name):
    system = SYSTEMS[name]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, system.state_dim))
    u = rng.uniform(system.action_low, system.action_high, size=(2, 3, system.action_dim))
    after = system.step(x, u)
    assert system.actuation(x).shape == (2, 3, system.state_dim, system.action_dim)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(after[index], system.step(x[index], u[index]), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_flow_has_the_stated_rate(name):
    system = SYSTEMS[name]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, system.state_dim))
    u = rng.uniform(system.action_low, system.action_high, size=(50, system.action_dim))
    step = 1e-4
    slope = (runge_kutta(system, x, u, step) - runge_kutta(system, x, u, -step)) / (2.0 * step)
    np.testing.assert_allclose(slope, system.rate(x, u), rtol=1e-6, atol=1e-5)
    by_hand = system.drift(x) + np.einsum("bnm,bm->bn", system.actuation(x), u)
    np.testing.assert_allclose(system.rate(x, u), by_hand, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_symbol_has_a_unit_and_every_system_a_source(name):
    system = SYSTEMS[name]
    assert set(system.units) == {*system.states, *system.actions}
    assert all(system.units.values())
    assert system.name
    assert system.source


def test_a_half_step_twice_is_a_step_to_fourth_order():
    system = cart_pole(dt=0.05)
    x, u = np.array([0.1, 0.3, 0.2, -0.4]), np.array([3.0])
    whole = runge_kutta(system, x, u, 0.05)
    halves = runge_kutta(system, runge_kutta(system, x, u, 0.025), u, 0.025)
    finest = x
    for _ in range(64):
        finest = runge_kutta(system, finest, u, 0.05 / 64)
    assert np.abs(halves - finest).max() < np.abs(whole - finest).max() / 12.0


def test_the_pendulum_is_gymnasiums():
    system, env = inverted_pendulum(), gym.make("Pendulum-v1").unwrapped
    env.reset(seed=0, options={"x_init": 0.3, "y_init": 0.5})
    rng = np.random.default_rng(2)
    for _ in range(20):
        action = rng.uniform(-2.0, 2.0, size=1)
        expected = system.step(env.state, action)
        env.step(action)
        np.testing.assert_allclose(env.state, expected, rtol=0, atol=1e-14)


def test_the_cart_pole_has_gymnasiums_accelerations():
    env = gym.make("CartPole-v1").unwrapped
    env.reset(seed=0)
    system = cart_pole(integrator="euler")
    for action, force in ((1, 10.0), (0, -10.0)):
        env.state = state = np.array([0.3, -0.5, 0.15, 0.7])
        env.step(action)
        np.testing.assert_allclose(env.state, system.step(state, np.array([force])), rtol=1e-12)


def test_the_bicycle_drives_a_circle_of_the_textbook_radius():
    system = kinematic_bicycle(wheelbase=2.5, dt=0.01)
    delta, state, trace = 0.3, np.array([0.0, 0.0, 0.0, 5.0]), []
    for _ in range(2000):
        state = system.step(state, np.array([np.tan(delta), 0.0]))
        trace.append(state[:2])
    radius = 2.5 / np.tan(delta)
    np.testing.assert_allclose(np.linalg.norm(np.array(trace) - [0.0, radius], axis=1), radius, rtol=1e-8)


def test_a_quadrotor_hovers_on_its_weight():
    system = planar_quadrotor(mass=1.3)
    np.testing.assert_allclose(system.rate(np.zeros(6), np.array([1.3 * 9.81, 0.0])), 0.0, atol=1e-12)


def test_systems_travel_to_worker_processes():
    system = pickle.loads(pickle.dumps(cart_pole()))
    x, u = np.ones(4), np.ones(1)
    np.testing.assert_array_equal(system.step(x, u), cart_pole().step(x, u))


def test_a_step_that_bends_in_the_action_is_refused():
    x, u = sp.symbols("x u", real=True)
    with pytest.raises(ConfigurationError, match=r"\[x\] that are not affine in the actions \[u\]"):
        OneStepMap([x], [u], [x + sp.sin(u)])
    assert OneStepMap([x], [u], [x + (1 + u) ** 2 - u**2])(np.zeros(1), np.ones(1)) == 3.0  # affine in disguise


def test_the_runge_kutta_step_is_no_formula():
    with pytest.raises(ConfigurationError, match="'euler' or 'semi_implicit'"):
        cart_pole().one_step()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(f=[0]), RowShapeError, "N expressions"),
        (dict(g=[[1, 0], [0, 1]]), RowShapeError, "N rows of M"),
        (dict(action_low=1.0), ConfigurationError, "low < high"),
        (dict(action_high=np.inf), ConfigurationError, "finite limits"),
        (dict(action_high=[1.0, 2.0]), RowShapeError, r"expected a number or \(1,\)"),
        (dict(dt=0.0), ConfigurationError, "positive period"),
        (dict(integrator="leapfrog"), ConfigurationError, "one of"),
        (dict(f=[sp.Symbol("y"), 0]), ConfigurationError, r"\['y'\] without a value"),
    ],
)
def test_systems_that_make_no_sense_are_refused(change, error, message):
    x, v, u = sp.symbols("x v u", real=True)
    sound = dict(states=[x, v], actions=[u], f=[v, 0], g=[[0], [1]], action_low=-1.0, action_high=1.0, dt=0.1)
    ControlAffineSystem(**sound)
    with pytest.raises(error, match=message):
        ControlAffineSystem(**{**sound, **change})


def test_states_of_the_wrong_width_are_refused():
    with pytest.raises(ConfigurationError, match=r"width \[3\]; expected \[4\]"):
        cart_pole().drift(np.zeros(3))
