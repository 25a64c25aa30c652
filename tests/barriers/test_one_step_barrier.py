"""One-step rows: exact where a step is affine, safe where it is convex, refused elsewhere."""

import numpy as np
import pytest
import sympy as sp

from sb3_barriernet.barriers import OneStepBarrier
from sb3_barriernet.barriers.geometry import half_plane, inside_disc, outside_disc
from sb3_barriernet.errors import ConfigurationError, GainError
from sb3_barriernet.rows import split_rows
from sb3_barriernet.systems import OneStepMap, double_integrator, inverted_pendulum, single_integrator

RNG = np.random.default_rng(0)


def test_an_affine_step_is_predicted_exactly():
    system = inverted_pendulum()
    theta, omega = system.states
    barrier = OneStepBarrier(system.one_step(), [0.3 - theta - 0.25 * omega, 0.3 + theta + 0.25 * omega], gamma=0.5)
    x = RNG.uniform(-0.3, 0.3, size=(100, 2))
    u = RNG.uniform(-2.0, 2.0, size=(100, 1))
    A, c = split_rows(barrier.rows(x))
    now, after = barrier.values(x), barrier.values(system.step(x, u))
    np.testing.assert_allclose((A @ u[..., None])[..., 0] + c, after - 0.5 * now, atol=1e-14)
    np.testing.assert_allclose(barrier.values(np.zeros(2)), 0.3 - 1e-6, atol=1e-15)


@pytest.mark.parametrize("gamma", [0.2, 1.0])
def test_a_convex_step_is_bounded_from_below(gamma):
    system = single_integrator(2, dt=0.2)
    barrier = OneStepBarrier(system.one_step(), outside_disc(system.states, (0.0, 0.0), 1.0), gamma)
    x = RNG.uniform(-2.0, 2.0, size=(20_000, 2))
    u = RNG.uniform(-1.0, 1.0, size=(20_000, 2))
    A, c = split_rows(barrier.rows(x))
    allowed = (((A @ u[..., None])[..., 0] + c >= 0.0) & (barrier.values(x) >= 0.0)).all(axis=-1)
    assert 1000 < allowed.sum() < 19_000
    after, now = barrier.values(system.step(x, u))[allowed], barrier.values(x)[allowed]
    assert (after >= (1.0 - gamma) * now - 1e-12).all()
    # The bound is a tangent, not a guess: at the middle of the action box it touches.
    middle = barrier.values(system.step(x, np.zeros_like(u))) - (1.0 - gamma) * barrier.values(x)
    np.testing.assert_allclose(c, middle, atol=1e-12)


def test_two_steps_to_the_action_make_a_chain_that_keeps_the_disc():
    """Explicit Euler moves the position before the speed: the action shows up after two steps."""
    system = double_integrator(2, integrator="euler", max_acceleration=4.0, dt=0.1)
    barrier = OneStepBarrier(system.one_step(), outside_disc(system.states[:2], (0.0, 0.0), 1.0), [0.15, 0.5])
    assert barrier.degrees == (2,)
    x = np.concatenate([RNG.uniform(-3, 3, size=(2000, 2)), RNG.uniform(-1, 1, size=(2000, 2))], axis=1)
    x = x[(barrier.start_values(x) >= 0.0).all(axis=-1)]
    lowest, forced = np.inf, 0
    for _ in range(100):
        A, c = split_rows(barrier.rows(x))
        u = -np.sign(A[:, 0]) * 4.0  # straight into the barrier
        broken = (A[:, 0] * u).sum(axis=-1) + c[:, 0]
        # The least push along the row's normal that satisfies it.
        u = u - np.where(broken < 0.0, broken / (A[:, 0] ** 2).sum(axis=-1), 0.0)[:, None] * A[:, 0]
        forced += int((broken < 0.0).sum())
        x = system.step(x, u)
        lowest = min(lowest, np.linalg.norm(x[:, :2], axis=-1).min() - 1.0)
    assert forced > 1000
    assert lowest >= 0.0


def test_steps_that_bend_the_wrong_way_are_refused_with_a_state():
    system = single_integrator(2)
    with pytest.raises(ConfigurationError, match=r"not convex in the actions: at q0 = .*overestimates it by"):
        OneStepBarrier(system.one_step(), inside_disc(system.states, (0.0, 0.0), 3.0))


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_kinks_in_the_safe_set_are_refused_and_those_beyond_it_are_not(lead):
    system = double_integrator(1, integrator="euler", max_speed=2.0)
    q, v = system.states
    for h in (1.0 - sp.Abs(q + lead * v), sp.Min(1.0 - q - lead * v, 1.0 + q + lead * v)):
        with pytest.raises(ConfigurationError, match="no derivative at the safe state"):
            OneStepBarrier(system.one_step(), h, 0.1)
    ahead = sp.Matrix([q - 1.0 + lead * v])
    x = RNG.uniform([1.0, -0.1], [3.0, 0.1], size=(20, 2))
    beyond = OneStepBarrier(system.one_step(), sp.Abs(q + lead * v) - 1.0, 0.1, allow_singular=True)
    np.testing.assert_allclose(beyond.rows(x), OneStepBarrier(system.one_step(), ahead, 0.1).rows(x), atol=1e-12)


def test_a_kink_that_no_action_reaches_is_exact_and_accepted():
    """A clock in the state: the next step's limit is known, whatever becomes of it."""
    q, time, v = sp.symbols("q time v", real=True)
    step = OneStepMap([q, time], [v], [q + 0.1 * v, time + 0.1], bounds={time: (0.0, 2.0)})
    barrier = OneStepBarrier(step, sp.Min(1.0 + time, 2.0) - q, 0.5, shrink=0.0)
    x, u = RNG.uniform([-1.0, 0.0], [1.0, 2.0], size=(100, 2)), RNG.uniform(-1.0, 1.0, size=(100, 1))
    A, c = split_rows(barrier.rows(x))
    after = np.minimum(1.0 + x[:, 1] + 0.1, 2.0) - x[:, 0] - 0.1 * u[:, 0]
    now = np.minimum(1.0 + x[:, 1], 2.0) - x[:, 0]
    np.testing.assert_allclose((A[:, 0] * u).sum(axis=-1) + c[:, 0], after - 0.5 * now, atol=1e-12)


def test_curved_barriers_need_the_action_box():
    x, y, u, v = sp.symbols("x y u v", real=True)
    walk = OneStepMap([x, y], [u, v], [x + u, y + v])
    OneStepBarrier(walk, half_plane((x, y), (1.0, 1.0), 2.0))
    with pytest.raises(ConfigurationError, match="Pass `action_box="):
        OneStepBarrier(walk, outside_disc((x, y), (0.0, 0.0), 1.0))


def test_a_limit_that_the_action_reaches_in_a_bend_is_told_to_look_ahead():
    """The offset of a car in its lane: two steps to the steering, through a sine."""
    y, psi, bend = sp.symbols("y psi bend", real=True)
    car = OneStepMap([y, psi], [bend], [y + 0.5 * sp.sin(psi), psi + 0.2 * bend])
    with pytest.raises(ConfigurationError, match=r"reaches at step 2 and bends; .* or look ahead"):
        OneStepBarrier(car, 1.0 - y)
    assert OneStepBarrier(car, 1.0 - (y + 5.0 * psi)).degrees == (1,)


@pytest.mark.parametrize("h", [lambda q: q <= 1.0, lambda q: [q <= 1.0], lambda q: lambda x: 1.0 - x])
def test_what_is_no_expression_is_refused(h):
    system = single_integrator(1)
    with pytest.raises(ConfigurationError, match=r"Found h = .*; expected a SymPy expression .* Write `limit - x`"):
        OneStepBarrier(system.one_step(), h(system.states[0]))


@pytest.mark.parametrize("gamma", [0.0, -0.1, 1.1, np.nan, [0.5, 0.5]])
def test_gains_outside_their_range_are_refused(gamma):
    system = single_integrator(1)
    with pytest.raises(GainError):
        OneStepBarrier(system.one_step(), 1 - system.states[0], gamma)
