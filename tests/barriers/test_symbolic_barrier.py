"""Symbolic rows: parameters, sampling and disturbance, and the states and settings that they refuse."""

import pickle

import numpy as np
import pytest
import sympy as sp
import torch as th
from gymnasium.spaces import Box

from sb3_barriernet.barriers import SymbolicBarrier
from sb3_barriernet.barriers.geometry import inside_disc, limits, outside_disc
from sb3_barriernet.envs import literature
from sb3_barriernet.errors import ConfigurationError, GainError, RowShapeError
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.rows import split_rows
from sb3_barriernet.systems import (
    ControlAffineSystem,
    double_integrator,
    single_integrator,
    unicycle_with_acceleration,
    unicycle_with_velocity,
)
from sb3_barriernet.systems.control_affine import runge_kutta


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


@pytest.mark.parametrize("name", ["ChengPendulum", "EmamCars", "EmamUnicycle"])
def test_the_rows_of_one_state_are_those_of_a_batch_bitwise(name):
    env = getattr(literature, f"{name}Barrier")(getattr(literature, f"{name}Env")())
    env.reset(seed=0)
    states = []
    for _ in range(50):
        env.step(env.action_space.high)
        states.append(env.read_state())
    batch = env.barrier.rows(*(np.stack(parts) for parts in zip(*states, strict=True)))
    np.testing.assert_array_equal(batch, [env.barrier.rows(*state) for state in states])
    assert len(np.unique(batch[:, 0], axis=0)) == 50


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


def hunted(reckoned_with: bool) -> float:
    """Smallest distance to a disc that comes at 1 m/s for a point that could flee at 2 m/s but heads for the disc."""
    system = single_integrator(2, integrator="rk4", max_speed=2.0, dt=0.02)
    o = sp.symbols("ox oy", real=True)
    motion = dict.fromkeys(o, 1.0) if reckoned_with else {}
    h = outside_disc(system.states, o, 0.5)
    barrier = SymbolicBarrier(system, h, 5.0, parameters=o, margin=0.1, disturbance=motion)
    x, disc, closest = np.array([2.0, 0.3]), np.zeros(2), np.inf
    row_filter = RowFilter(Box(-2.0, 2.0, (2,), np.float64))
    for _ in range(600):
        towards = (disc - x) / np.linalg.norm(disc - x)
        rows = barrier.rows(x, disc[None])
        u = row_filter(th.from_numpy(rows[None]), th.from_numpy(towards[None])).action[0].numpy()
        x, disc = system.step(x, u), disc - system.dt * towards
        closest = min(closest, np.linalg.norm(x - disc) - 0.5)
    return closest


def test_a_disc_of_bounded_speed_never_catches_who_reckons_with_it():
    assert hunted(reckoned_with=True) >= 0.0
    assert hunted(reckoned_with=False) < -0.05


def test_the_disturbance_of_a_parameter_is_what_its_worst_motion_takes():
    """For an obstacle that moves at up to D along each axis."""
    system = single_integrator(2, integrator="rk4")
    o = sp.symbols("ox oy", real=True)
    h = outside_disc(system.states, o, 0.5)
    build = dict(parameters=o, margin=0.0)
    x, disc = np.array([[2.0, 0.3]]), np.array([[0.1, -0.4]])
    plain = SymbolicBarrier(system, h, **build)
    robust = SymbolicBarrier(system, h, disturbance=dict.fromkeys(o, 0.3), **build)
    lost = plain.rows(x, disc[None]) - robust.rows(x, disc[None])
    corners = np.array([[a, b] for a in (-0.3, 0.3) for b in (-0.3, 0.3)])
    normal = (x[0] - disc[0]) / np.linalg.norm(x[0] - disc[0])
    np.testing.assert_allclose(lost[0, 0], [0.0, 0.0, (corners @ normal).max(), 0.0], atol=1e-12)


def test_a_disturbance_that_comes_before_the_action_is_refused():
    system = double_integrator(1)
    q, v = system.states
    SymbolicBarrier(system, 1 - q, margin=0.0, disturbance={v: 0.1})
    with pytest.raises(ConfigurationError, match="no row can make up for it"):
        SymbolicBarrier(system, 1 - q, margin=0.0, disturbance={q: 0.1})
    with pytest.raises(ConfigurationError, match="real=True"):
        SymbolicBarrier(system, 1 - q, margin=0.0, disturbance={sp.Symbol("w"): 0.1})


# Kinks


def test_an_absolute_value_that_switches_in_the_safe_set_is_refused_and_its_parts_are_not():
    system = double_integrator(1, max_speed=2.0)
    q, _ = system.states
    with pytest.raises(ConfigurationError, match=r"no derivative at the safe state q0 = .*separate functions") as error:
        SymbolicBarrier(system, 1.0 - sp.Abs(q), margin=0.0)
    assert abs(float(str(error.value).split("q0 = ")[1].split(",")[0])) < 1e-3
    with pytest.raises(ConfigurationError, match="no derivative"):
        SymbolicBarrier(system, sp.Min(1.0 - q, 1.0 + q), margin=0.0)
    SymbolicBarrier(system, limits(q, -1.0, 1.0), margin=0.0)


def test_the_kink_of_a_distance_is_at_its_centre_and_harmless():
    system = double_integrator(1, max_speed=2.0)
    q, _ = system.states
    barrier = SymbolicBarrier(system, outside_disc((q,), (0.0,), 1.0), [1.0, 2.0], bounds={q: (-3.0, 3.0)})
    assert barrier.chains[0].psi[0].has(sp.Abs)
    right = SymbolicBarrier(system, q - 1.0, [1.0, 2.0])
    left = SymbolicBarrier(system, -q - 1.0, [1.0, 2.0])
    x = np.random.default_rng(0).uniform([1.0, -2.0], [3.0, 2.0], size=(50, 2))
    np.testing.assert_allclose(barrier.rows(x), right.rows(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(barrier.rows(-x), left.rows(-x), rtol=1e-12, atol=1e-12)
