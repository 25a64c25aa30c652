"""Symbolic rows of every system and degree against finite differences of the simulated flow."""

import numpy as np
import pytest
import sympy as sp

from sb3_barriernet.barriers import SymbolicBarrier
from sb3_barriernet.barriers.geometry import half_plane, limits, outside_disc, point_ahead
from sb3_barriernet.errors import ConfigurationError
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

GAINS = [1.0, 2.0, 1.5, 0.7]
STEP = 1e-3  # s
NUM_STATES = 2000


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
    """Every ready system with barriers of every relative degree that it has: name, system, functions, degree."""
    for dim in (1, 2, 3):
        single, double = single_integrator(dim), double_integrator(dim)
        yield f"single {dim}-D", single, outside_disc(single.states, (5.0,) * dim, 0.7), 1
        yield f"double {dim}-D speed", double, limits(double.states[dim], -2.0, 2.0), 1
        yield f"double {dim}-D place", double, outside_disc(double.states[:dim], (5.0,) * dim, 0.7), 2
    unicycle = unicycle_with_velocity()
    x, y, theta = unicycle.states
    yield "unicycle heading", unicycle, limits(theta, -2.0, 2.0), 1
    yield "unicycle point ahead", unicycle, outside_disc(point_ahead((x, y), theta, 0.1), (3.0, 3.0), 0.7), 1
    accelerated = unicycle_with_acceleration()
    x, y, theta, v = accelerated.states
    yield "accelerated heading", accelerated, sp.cos(theta), 1
    yield "accelerated speed", accelerated, limits(v, 0.1, 4.0), 1
    yield "accelerated place", accelerated, outside_disc((x, y), (5.0, 5.0), 0.7), 2
    bicycle = kinematic_bicycle()
    x, y, theta, v = bicycle.states
    yield "bicycle heading", bicycle, limits(theta, -1.0, 1.0), 1
    yield "bicycle speed", bicycle, v * (15.0 - v), 1
    yield "bicycle place", bicycle, half_plane((x, y), (1.0, 1.0), 9.0), 2
    pendulum = inverted_pendulum()
    yield "pendulum rate", pendulum, limits(pendulum.states[1], -8.0, 8.0), 1
    yield "pendulum angle", pendulum, limits(pendulum.states[0], -0.3, 0.3), 2
    pole = cart_pole()
    x, v, theta, omega = pole.states
    yield "cart speed", pole, limits(v, -2.0, 2.0), 1
    yield "pole rate", pole, limits(omega, -2.0, 2.0), 1
    yield "cart place", pole, limits(x, -2.0, 2.0), 2
    yield "pole angle", pole, limits(theta, -0.2, 0.2), 2
    quadrotor = planar_quadrotor()
    x, z, phi, _, vz, omega = quadrotor.states
    yield "quadrotor rates", quadrotor, [2.0 - vz, 3.0 - omega], 1
    yield "quadrotor height", quadrotor, z, 2
    yield "quadrotor tilt", quadrotor, limits(phi, -0.5, 0.5), 2
    yield "quadrotor disc", quadrotor, outside_disc((x, z), (5.0, 5.0), 1.0), 2
    cars = car_following(3, controlled=1)
    yield "cars speed", cars, 35.0 - cars.states[4], 1
    yield "cars gap", cars, cars.states[0] - cars.states[1] - 2.0, 2
    yield "cars gap behind", cars, cars.states[1] - cars.states[2] - 2.0, 2
    for length in (1, 2, 3, 4):
        chain = integrator_chain(length)
        yield f"chain of {length}", chain, sp.sin(chain.states[0]) + 2.0, length


CASES = list(cases())


def flow_error(system: ControlAffineSystem, h: sp.Expr | list[sp.Expr], degree: int) -> float:
    """Worst error of a row against five-point differences of the last psi along the flow (error of order step^4).

    Relative to the size of the row's own terms at the state, so that cancellation does not pass for an error.
    """
    gains = GAINS[:degree]
    barrier = SymbolicBarrier(system, h, gains, margin=0.0, allow_singular=True)
    assert set(barrier.degrees) == {degree}
    x, u = draw(system)
    A, c = split_rows(barrier.rows(x))
    terms = np.concatenate([A * u[:, None], barrier.rows(x)[..., -2:]], axis=-1)
    flow = {k: runge_kutta(system, x, u, k * STEP) for k in (-2, -1, 1, 2)}

    def psi(states: np.ndarray, order: int) -> np.ndarray:
        return barrier.start_values(states).reshape(len(states), -1, degree)[..., order]

    def rate(order: int) -> np.ndarray:
        p = {k: psi(states, order) for k, states in flow.items()}
        return (8.0 * (p[1] - p[-1]) - (p[2] - p[-2])) / (12.0 * STEP)

    last = rate(degree - 1) + gains[-1] * psi(x, degree - 1)
    errors = [np.abs((A @ u[..., None])[..., 0] + c - last) / np.abs(terms).sum(axis=-1)]
    for i in range(1, degree):
        before, speed = psi(x, i - 1), rate(i - 1)
        chained = np.abs(psi(x, i) - (speed + gains[i - 1] * before))
        errors.append(chained / (np.abs(speed) + np.abs(gains[i - 1] * before)))
    return float(np.max(errors))


def draw(system: ControlAffineSystem) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    low, high = np.array([system.bounds.get(s, (-1.5, 1.5)) for s in system.states]).T
    x = rng.uniform(low, high, size=(NUM_STATES, system.state_dim))
    return x, rng.uniform(system.action_low, system.action_high, size=(NUM_STATES, system.action_dim))


@pytest.mark.parametrize(("system", "h", "degree"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_rows_are_the_derivative_of_the_chain_along_the_simulated_flow(system, h, degree):
    assert flow_error(system, h, degree) <= 1e-6


def test_a_car_that_nobody_drives_has_no_relative_degree():
    cars = car_following(3, controlled=1)
    with pytest.raises(ConfigurationError, match="no relative degree"):
        SymbolicBarrier(cars, cars.states[0] - cars.states[2], margin=0.0)
