"""Symbolic rows against the simulated flow, against hand-written rows, and against states that break them."""

import pickle

import numpy as np
import pytest
import sympy as sp

from sb3_barriernet.barriers import SymbolicBarrier, VirtualPointBarrier
from sb3_barriernet.barriers.geometry import half_plane, inside_disc, limits, outside_disc
from sb3_barriernet.errors import ConfigurationError, GainError, RowShapeError
from sb3_barriernet.rows import split_rows
from sb3_barriernet.systems import (
    ControlAffineSystem,
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
from sb3_barriernet.systems.unicycle import Unicycle


def integrator_chain(length: int) -> ControlAffineSystem:
    x = sp.symbols(f"x0:{length}", real=True)
    return ControlAffineSystem(
        x,
        sp.symbols("u:1", real=True),
        [*x[1:], 0],
        [[0]] * (length - 1) + [[1]],
        action_low=-1,
        action_high=1,
        dt=0.01,
    )


def cases():
    """System, barrier functions, relative degree."""
    single, double, unicycle = single_integrator(2), double_integrator(2), unicycle_with_velocity(integrator="rk4")
    accelerated, bicycle, pendulum = unicycle_with_acceleration(), kinematic_bicycle(), inverted_pendulum()
    pole, quadrotor, cars = cart_pole(), planar_quadrotor(), car_following(3, controlled=1)
    x, y, theta = unicycle.states
    ahead = (x + 0.1 * sp.cos(theta), y + 0.1 * sp.sin(theta))
    yield "single", single, outside_disc(single.states, (0.5, 1.0), 0.7), 1
    yield "double", double, outside_disc(double.states[:2], (5.0, 5.0), 0.7), 2
    yield "unicycle", unicycle, outside_disc(ahead, (3.0, 3.0), 0.7), 1
    yield "accelerated", accelerated, outside_disc(accelerated.states[:2], (5.0, 5.0), 0.7), 2
    yield "bicycle", bicycle, half_plane(bicycle.states[:2], (1.0, 1.0), 9.0), 2
    yield "pendulum", pendulum, limits(pendulum.states[0], -0.3, 0.3), 2
    yield "pole angle", pole, limits(pole.states[2], -0.2, 0.2), 2
    yield "pole place", pole, limits(pole.states[0], -2.0, 2.0), 2
    yield "quadrotor", quadrotor, quadrotor.states[1], 2
    yield "cars", cars, cars.states[0] - cars.states[1] - 2.0, 2
    yield "third", integrator_chain(3), limits(integrator_chain(3).states[0], -1.0, 1.0), 3
    yield "fourth", integrator_chain(4), sp.sin(integrator_chain(4).states[0]) + 2.0, 4


@pytest.mark.parametrize(
    ("name", "system", "h", "degree"), list(cases()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_rows_are_the_derivative_of_the_chain_along_the_simulated_flow(name, system, h, degree):
    gains = [1.0, 2.0, 1.5, 0.7][:degree]
    barrier = SymbolicBarrier(system, h, gains, margin=0.0, allow_singular=True)
    assert set(barrier.degrees) == {degree}
    rng = np.random.default_rng(0)
    low = np.array([system.bounds.get(s, (-1.5, 1.5))[0] for s in system.states])
    high = np.array([system.bounds.get(s, (-1.5, 1.5))[1] for s in system.states])
    x = rng.uniform(low, high, size=(200, system.state_dim))
    u = rng.uniform(system.action_low, system.action_high, size=(200, system.action_dim))
    A, c = split_rows(barrier.rows(x))
    predicted = (A @ u[..., None])[..., 0] + c

    def psi(states, order):
        values = barrier.start_values(states)
        return values.reshape(len(states), -1, degree)[..., order]

    # Five-point differences along the flow: error of order step^4.
    step = 1e-3
    flow = {k: runge_kutta(system, x, u, k * step) for k in (-2, -1, 1, 2)}

    def rate(order):
        p = {k: psi(states, order) for k, states in flow.items()}
        return (8.0 * (p[1] - p[-1]) - (p[2] - p[-2])) / (12.0 * step)

    expected = rate(degree - 1) + gains[-1] * psi(x, degree - 1)
    np.testing.assert_allclose(predicted, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    for order in range(1, degree):
        np.testing.assert_allclose(
            psi(x, order), rate(order - 1) + gains[order - 1] * psi(x, order - 1), rtol=1e-6, atol=1e-8
        )


def test_symbols_and_hand_agree_on_the_virtual_point():
    system = unicycle_with_velocity(integrator="rk4")
    x, y, theta = system.states
    ox, oy, radius = sp.symbols("ox oy radius", real=True)
    ahead = (x + 0.1 * sp.cos(theta), y + 0.1 * sp.sin(theta))
    symbolic = SymbolicBarrier(
        system, outside_disc(ahead, (ox, oy), radius), 2.0, parameters=(ox, oy, radius), copies=3, margin=0.0
    )
    by_hand = VirtualPointBarrier(Unicycle(), half_extent=5.0, body_radius=0.15, max_discs=3, alpha=2.0)
    rng = np.random.default_rng(0)
    pose = rng.uniform([-5, -5, -np.pi], [5, 5, np.pi], size=(100, 3))
    discs = rng.uniform([-5, -5, 0.3], [5, 5, 1.0], size=(100, 3, 3))
    pairs = by_hand.rows(pose, discs)[:, 8:].reshape(100, 3, 2, 4)
    inflated = discs.copy()
    inflated[..., 2] = np.hypot(discs[..., 2] + by_hand.body_radius + 1e-5, 0.1)
    rows = symbolic.rows(pose, inflated)
    np.testing.assert_allclose(rows[..., :2], pairs.mean(axis=2)[..., :2], atol=1e-12)
    outside = symbolic.values(pose, inflated) >= 0.0  # the hand-written rows clamp h at zero
    np.testing.assert_allclose(rows[..., 3][outside], pairs[:, :, 0, 3][outside], atol=1e-12)


def test_moving_parameters_enter_the_drift():
    system = single_integrator(1, integrator="rk4")
    ox, speed = sp.symbols("ox speed", real=True)
    barrier = SymbolicBarrier(
        system, ox - system.states[0], 1.0, parameters=(ox, speed), parameter_rates={ox: speed}, margin=0.0
    )
    row = barrier.rows(np.array([1.0]), np.array([[3.0, -0.5]]))
    np.testing.assert_allclose(row, [[-1.0, -0.5, 2.0]])


def test_copies_that_are_not_there_are_padding():
    system = single_integrator(2, integrator="rk4")
    o = sp.symbols("ox oy r", real=True)
    barrier = SymbolicBarrier(system, outside_disc(system.states, o[:2], o[2]), parameters=o, copies=2, margin=0.0)
    parameters = np.array([[3.0, 0.0, 1.0], [np.nan] * 3])
    rows = barrier.rows(np.zeros((5, 2)), parameters)
    assert rows.shape == (5, 2, 4)
    np.testing.assert_array_equal(rows[:, 1], np.tile([0.0, 0.0, 1.0, 0.0], (5, 1)))
    np.testing.assert_allclose(barrier.values(np.zeros(2), parameters), [2.0, np.inf])
    with pytest.raises(RowShapeError, match=r"expected \(\.\.\., 2, 3\)"):
        barrier.rows(np.zeros(2), parameters[0])


def test_barriers_travel_to_worker_processes_and_print():
    system = double_integrator(1)
    barrier = SymbolicBarrier(system, limits(system.states[0], -1.0, 1.0), [2, 4], margin=0.0)
    again = pickle.loads(pickle.dumps(barrier))
    np.testing.assert_array_equal(again.rows(np.ones(2)), barrier.rows(np.ones(2)))
    assert "a0" in str(barrier)
    assert r"h_{1} &= q_{0} + 1.0" in barrier.latex()


# Refusals


def test_a_barrier_that_the_action_cannot_steer_away_from_is_refused_with_the_state():
    system = unicycle_with_velocity(integrator="rk4")
    x, y, _ = system.states
    h = outside_disc((x, y), (0.0, 0.0), 1.0)
    with pytest.raises(
        ConfigurationError, match=r"no uniform relative degree 1 .* at x = .*, y = .*, theta = "
    ) as error:
        SymbolicBarrier(system, h, margin=0.0)
    text = str(error.value).split(" at ")[1].split(" the action")[0]
    at = {name: float(value) for name, value in (part.split(" = ") for part in text.split(", "))}
    # The named state is real: on the disc, heading along its edge.
    assert np.hypot(at["x"], at["y"]) == pytest.approx(1.0, abs=1e-2)
    assert abs(at["x"] * np.cos(at["theta"]) + at["y"] * np.sin(at["theta"])) < 1e-2
    SymbolicBarrier(system, h, margin=0.0, allow_singular=True)


def test_a_robot_at_rest_cannot_steer_but_a_moving_one_can():
    system = unicycle_with_acceleration()
    x, y, _, v = system.states
    h = outside_disc((x, y), (5.0, 5.0), 1.0)
    SymbolicBarrier(system, h, 1.0, margin=0.0)
    with pytest.raises(ConfigurationError, match="v = "):
        SymbolicBarrier(system, h, 1.0, margin=0.0, bounds={v: (0.0, 1.0)})


def test_losing_authority_where_the_row_holds_anyway_is_no_defect():
    system = single_integrator(2, integrator="rk4")
    SymbolicBarrier(system, inside_disc(system.states, (0.0, 0.0), 3.0), 1.0, margin=0.0)  # its centre: a = 0, c > 0


def test_barriers_without_a_relative_degree_are_refused():
    x, y, u = sp.symbols("x y u", real=True)
    system = ControlAffineSystem([x, y], [u], [0, -y], [[1], [0]], action_low=-1, action_high=1, dt=0.1)
    with pytest.raises(ConfigurationError, match="no relative degree"):
        SymbolicBarrier(system, y - 1.0, margin=0.0)
    with pytest.raises(ConfigurationError, match="holds none of the states"):
        SymbolicBarrier(system, sp.Symbol("x") - 1.0, margin=0.0)  # another symbol of that name
    with pytest.raises(ConfigurationError, match=r"\['z'\] without a value"):
        SymbolicBarrier(system, x - sp.Symbol("z"), margin=0.0)


@pytest.mark.parametrize("gains", [[1.0], [1.0, 2.0, 3.0], [1.0, -1.0], 0.0, [1.0, 101.0], np.nan])
def test_gains_that_cannot_work_are_refused(gains):
    system = double_integrator(1, dt=0.01)
    with pytest.raises(GainError):
        SymbolicBarrier(system, 1 - system.states[0], gains, margin=0.0)


# Sampling and disturbance


@pytest.mark.parametrize("dt", [0.05, 0.2])
def test_the_certified_margin_holds_between_samples_and_no_margin_leaks(dt):
    """A double integrator thrown at a wall, looked at 50 times within every period."""
    system = double_integrator(1, max_acceleration=3.0, max_speed=4.0, dt=dt)
    q, _ = system.states
    leaks = {}
    for name, margin in (("certified", "certified"), ("none", 0.0)):
        barrier = SymbolicBarrier(system, 1.0 - q, [1.0, 1.0 / dt], margin=margin)
        x = np.array([[-1.0, v] for v in np.linspace(0.0, 2.0, 30)])
        x = x[(barrier.start_values(x) >= 0.0).all(axis=-1)]
        lowest = np.inf
        for _ in range(int(8.0 / dt)):
            A, c = split_rows(barrier.rows(x))
            # One row, one action: the hardest push that the row allows, within what the motor can do.
            assert (c / -A[..., 0]).min() >= -3.0
            u = np.minimum(c / -A[..., 0], 3.0)
            for part in np.linspace(0.02, 1.0, 50):
                lowest = min(lowest, barrier.start_values(runge_kutta(system, x, u, part * dt)).min())
            x = system.step(x, u)
        leaks[name] = lowest
    assert leaks["certified"] >= -1e-9
    assert leaks["none"] < -1e-4


def test_the_certified_margin_of_a_curved_barrier_is_sound_and_not_wasteful():
    system = double_integrator(2, max_speed=1.0)
    q0, q1, *_ = system.states
    bounds = {q0: (-3.0, 3.0), q1: (-3.0, 3.0)}
    barrier = SymbolicBarrier(system, outside_disc((q0, q1), (0.0, 0.0), 1.0), [2.0, 4.0], bounds=bounds)
    rng = np.random.default_rng(0)
    x = rng.uniform([-3, -3, -1, -1], [3, 3, 1, 1], size=(60_000, 4))
    x = x[(barrier.start_values(x) >= 0.0).all(axis=-1)]
    u = rng.choice([-1.0, 1.0], size=(len(x), 2))
    step = 1e-3
    p = [barrier.start_values(runge_kutta(system, x, u, k * step))[:, 1] for k in (-1, 0, 1)]
    needed = -((p[0] - 2.0 * p[1] + p[2]) / step**2).min() * system.dt / 2.0
    (margin,) = barrier.margins
    assert needed <= margin <= 8.0 * needed


def test_margins_that_cannot_be_certified_say_why():
    double = double_integrator(2)
    h = outside_disc(double.states[:2], (0.0, 0.0), 1.0)
    with pytest.raises(ConfigurationError, match=r"unbounded in \['q0', 'q1'.*Give `bounds="):
        SymbolicBarrier(double, h)
    q0, q1, v0, v1 = double.states
    with pytest.raises(ConfigurationError, match="the safe set is empty"):
        SymbolicBarrier(double, h, bounds={q0: (-0.5, 0.5), q1: (-0.5, 0.5), v0: (-1, 1), v1: (-1, 1)})
    with pytest.raises(ConfigurationError, match="Use `OneStepBarrier"):
        SymbolicBarrier(single_integrator(1), 1 - single_integrator(1).states[0])


def test_the_robust_term_is_what_the_worst_disturbance_takes():
    system = single_integrator(2, integrator="rk4")
    q0, q1 = system.states
    sizes = {q0: 0.2, q1: 0.1}
    h = outside_disc(system.states, (0.0, 0.0), 1.0)
    plain = SymbolicBarrier(system, h, 1.0, margin=0.0)
    robust = SymbolicBarrier(system, h, 1.0, margin=0.0, disturbance=sizes)
    x = np.random.default_rng(0).uniform(1.0, 3.0, size=(50, 2))
    A, _ = split_rows(plain.rows(x))
    corners = np.array([[a, b] for a in (-0.2, 0.2) for b in (-0.1, 0.1)])
    worst = (A[:, 0] @ corners.T).min(axis=-1)
    np.testing.assert_allclose(robust.rows(x)[:, 0, 2] - plain.rows(x)[:, 0, 2], worst, atol=1e-12)


@pytest.mark.parametrize("known", [True, False])
def test_a_push_on_the_action_is_survived_between_samples_by_those_who_expect_it(known):
    system = double_integrator(1, max_acceleration=3.0, max_speed=4.0)
    q, _ = system.states
    push = {system.actions[0]: 0.5} if known else {}
    barrier = SymbolicBarrier(system, 1.0 - q, [1.0, 5.0], disturbance=push)
    x, lowest = np.array([[-1.0, v] for v in np.linspace(0.0, 1.9, 20)]), np.inf
    for _ in range(200):
        A, c = split_rows(barrier.rows(x))
        u = np.minimum(c / -A[..., 0], 3.0)
        for part in np.linspace(0.1, 1.0, 10):
            lowest = min(lowest, barrier.start_values(runge_kutta(system, x, u + 0.5, part * system.dt)).min())
        x = runge_kutta(system, x, u + 0.5, system.dt)
    assert (lowest >= -1e-9) == known


def test_a_disturbance_that_comes_before_the_action_is_refused():
    system = double_integrator(1)
    q, v = system.states
    SymbolicBarrier(system, 1 - q, margin=0.0, disturbance={v: 0.1})
    with pytest.raises(ConfigurationError, match="no row can make up for it"):
        SymbolicBarrier(system, 1 - q, margin=0.0, disturbance={q: 0.1})
    with pytest.raises(ConfigurationError, match="real=True"):
        SymbolicBarrier(system, 1 - q, margin=0.0, disturbance={sp.Symbol("w"): 0.1})
