"""The car chains of Emam and Cheng: as their papers define them, and what their barriers rest on."""

from itertools import product

import numpy as np
import pytest
import sympy as sp

from sb3_barriernet.barriers import OneStepBarrier, StackedBarrier
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.literature import (
    ChengCarFollowingBarrier,
    ChengCarFollowingEnv,
    EmamCarsBarrier,
    EmamCarsEnv,
    cheng_car_following,
    emam_cars,
)
from sb3_barriernet.envs.literature.car_chain import Drivers, find_slot
from sb3_barriernet.evaluation.attacks import Ramming, Uniform
from sb3_barriernet.evaluation.feasibility import diagnose
from sb3_barriernet.evaluation.invariance import attack_barrier
from sb3_barriernet.systems import OneStepMap

RNG = np.random.default_rng(0)


def emam_step(x, v, t, u, factor=1.1):
    """Written again from the paper, car by car."""
    a = [4.0 * (30.0 - speed) for speed in v]
    a[0] = 4.0 * (30.0 - 10.0 * np.sin(0.2 * t) - v[0])
    a[1] -= 20.0 * (x[0] - x[1]) if x[0] - x[1] < 6.0 else 0.0
    a[2] -= 20.0 * (x[1] - x[2]) if x[1] - x[2] < 6.0 else 0.0
    a[4] -= 20.0 * (x[2] - x[4]) if x[2] - x[4] < 13.0 else 0.0
    a = [factor * each for each in a]
    a[3] += 50.0 * u
    return [p + 0.02 * s for p, s in zip(x, v, strict=True)], [s + 0.02 * each for s, each in zip(v, a, strict=True)]


def cheng_step(x, v, t, u):
    a = [4.0 * (30.0 - speed) for speed in v]
    a[0] = 4.0 * (30.0 - 10.0 * np.sin(0.2 * t) - v[0])
    a[1] -= 20.0 * (x[0] - x[1]) if x[0] - x[1] < 6.0 else 0.0
    a[2] -= 20.0 * (x[1] - x[2]) if x[1] - x[2] < 6.0 else 0.0
    a[3] = u
    a[4] -= 10.0 * (x[2] - x[4]) if x[2] - x[4] < 12.0 else 0.0
    a = [each - 0.1 * s for each, s in zip(a, v, strict=True)]
    v = [s + 0.05 * each for s, each in zip(v, a, strict=True)]
    return [p + 0.05 * s + 0.5 * 0.05**2 * each for p, s, each in zip(x, v, a, strict=True)], v


@pytest.mark.parametrize(
    ("env", "oracle", "top"), [(EmamCarsEnv(), emam_step, 1.0), (ChengCarFollowingEnv(), cheng_step, 100.0)]
)
def test_the_cars_move_as_the_papers_say(env, oracle, top):
    env.reset(seed=1)
    x, v = list(env.state[::2]), list(env.state[1::2])
    done, steps = False, 0
    while not done:
        u = np.float32(RNG.uniform(-top, top))
        x, v = oracle(x, v, steps * env.dt, float(u))
        *_, done, info = env.step(np.array([u]))
        steps += 1
        np.testing.assert_allclose(env.state[::2], x, rtol=1e-9)
        np.testing.assert_allclose(env.state[1::2], v, rtol=1e-9)
        assert info["clearance"] == pytest.approx(min(x[2] - x[3], x[3] - x[4]) - env.min_gap)
    assert steps == {0.02: 300, 0.05: 80}[env.dt]


def test_rewards_are_the_papers():
    env = EmamCarsEnv()
    env.reset(seed=0)
    assert env.step(np.array([0.5]))[1] == pytest.approx(-5.0 * 0.25 / 300)
    env = ChengCarFollowingEnv()
    env.reset()
    env.step(np.array([-20.0]))
    assert env.step(np.array([-20.0]))[1] == 0.0
    assert env.step(np.array([7.0]))[1] == pytest.approx(-7.0 * env.state[7])
    env.state[6] = env.state[8] + 2.5
    _, reward, *_ = env.step(np.array([0.0]))
    gap = env.state[6] - env.state[8]
    assert 2.0 < gap < 2.99
    assert reward == pytest.approx(-500.0 / gap)


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_no_factor_within_the_error_leaves_emams_slot(error):
    front, rear = find_slot(emam_cars.move, emam_cars.drivers(np.linspace(1.0 - error, 1.0 + error, 101)), 0.02, 300)
    factors = RNG.uniform(1.0 - error, 1.0 + error, size=500)
    assert within(emam_cars, emam_cars.drivers(factors), 0.02, 300, front + 1e-3, rear - 1e-3, spread=0.5)


def test_no_drivers_between_nominal_and_true_leave_chengs_slot():
    front, rear = find_slot(cheng_car_following.move, cheng_car_following.grid_of_drivers(), 0.05, 80)
    gains = [RNG.uniform(low, high, 2000) for low, high in ((3.5, 4.0), (18.0, 20.0), (0.0, 0.1))]
    reserve = cheng_car_following.SLOT_RESERVE
    assert within(cheng_car_following, Drivers(*gains), 0.05, 80, front + reserve, rear - reserve)


def within(module, drivers, dt, num_steps, front, rear, spread=0.0) -> bool:
    """Whether car 3 stays within ``front`` and car 5 beyond ``rear`` behind car 1."""
    num = len(drivers.cruise)
    x = np.tile([34.0, 28.0, 22.0, 16.0, 10.0], (num, 1))
    v = np.tile(30.0 + RNG.normal(0.0, spread, size=(num, 1)), (1, 5))
    for step in range(num_steps):
        x, v = module.move(x, v, step * dt, drivers, 0.0)
        if (x[:, 0] - x[:, 2]).max() > front or (x[:, 0] - x[:, 4]).min() < rear:
            return False
    return True


def test_the_front_of_emams_slot_comes_into_force_before_car_3_is_there():
    """The rows hold ``p + T p'`` above the ramp; ``p`` follows as a low-pass filter, and that must do."""
    drivers = emam_cars.drivers(np.linspace(0.9, 1.1, 401))
    front, _ = find_slot(emam_cars.move, drivers, 0.02, 300)
    x, v = np.tile([34.0, 28.0, 22.0, 16.0, 10.0], (401, 1)), np.full((401, 5), 30.0)
    x[:, 1] += RNG.choice([-1e-9, 1e-9], size=401)
    held = 18.0 - 2.99
    for step in range(300):
        assert held > (x[:, 0] - x[:, 2]).max()
        limit = float(emam_cars.front_limit(front, 0.28, sp.Float(0.02 * step)))
        held += 0.02 / 0.28 * (limit - held)
        x, v = emam_cars.move(x, v, 0.02 * step, drivers, 0.0)


@pytest.mark.parametrize("draw", [-3.0, 0.0, 3.0])
def test_every_start_is_inside_emams_barrier(draw):
    env = EmamCarsBarrier(EmamCarsEnv())
    state = np.array([34.0, 30.0 + draw, 16.0, 35.0, 0.0])
    assert (env.barrier.start_values(state) >= 0.0).all()


def slot_states(barrier, num: int, latest: float, relative: float = 12.0) -> np.ndarray:
    """Random states ``[x1, v1, x4, v4, time]`` with position and lead within the barrier's limits."""
    v1, behind = RNG.uniform(20.0, 32.0, num), RNG.uniform(16.0, 22.0, num)
    states = np.stack(
        [np.zeros(num), v1, -behind, v1 + RNG.uniform(-relative, relative, num), RNG.uniform(0, latest, num)], axis=-1
    )
    at_rest = states.copy()
    at_rest[:, 3] = v1
    safe = [(barrier.start_values(each) >= 0.0).all(axis=-1) for each in (states, at_rest)]
    return states[safe[0] & safe[1]]


def test_rows_leave_an_action_in_every_state_of_emams_slot():
    def infeasible_rate(lead_time: float) -> float:
        env = EmamCarsBarrier(EmamCarsEnv(), lead_time=lead_time)
        states = slot_states(env.barrier, 10_000, 6.0)
        assert len(states) > 1000
        return diagnose(env.barrier.rows(states), env.action_space).infeasible_rate

    assert infeasible_rate(0.28) == 0.0
    assert infeasible_rate(0.1) > 0.01


def test_rows_leave_an_action_in_every_state_of_chengs_slot():
    def infeasible_rate(lead_time: float) -> float:
        env = ChengCarFollowingBarrier(ChengCarFollowingEnv(), lead_time=lead_time)
        states = slot_states(env.barrier, 20_000, 4.0, relative=45.0)
        assert len(states) > 1000
        return diagnose(env.barrier.rows(states), env.action_space).infeasible_rate

    assert infeasible_rate(0.3) == 0.0
    assert infeasible_rate(0.1) > 0.01


@pytest.mark.parametrize("factor", [0.9, 0.97, 1.03, 1.1])
def test_emams_rows_hold_for_every_factor_between_the_extremes(factor):
    barrier = EmamCarsBarrier(EmamCarsEnv()).barrier
    states = slot_states(barrier, 20_000, 6.0)
    push = RNG.uniform(-1.0, 1.0, len(states))
    rows = barrier.rows(states)
    allowed = (rows[..., 0] * push[:, None] + rows[..., 1:].sum(axis=-1) >= 0.0).all(axis=-1)
    assert allowed.sum() > 500
    after = one_car_step(states[allowed], push[allowed], factor)
    assert (barrier.start_values(after) >= -1e-9).all()


def one_car_step(states: np.ndarray, push: np.ndarray, factor: float) -> np.ndarray:
    x1, v1, x4, v4, time = states.T
    faster1 = v1 + 0.02 * factor * 4.0 * (30.0 - 10.0 * np.sin(0.2 * time) - v1)
    faster4 = v4 + 0.02 * (factor * 4.0 * (30.0 - v4) + 50.0 * push)
    return np.stack([x1 + 0.02 * v1, faster1, x4 + 0.02 * v4, faster4, time + 0.02], axis=-1)


def test_trusting_the_model_breaks_emams_barrier():
    """By centimetres, with the rows of the model alone; the reserve of the slot is more, so nothing is hit."""

    def least_value(error: float) -> float:
        env = EmamCarsBarrier(EmamCarsEnv(), error=error)
        rows, least = env.reset(seed=0)[0]["barrier"], np.inf
        for _ in range(300):
            # As fast as the rows allow: the tightest upper bound of the push.
            front = rows[rows[:, 0] < 0.0]
            push = np.clip((-front[:, 1:].sum(axis=-1) / front[:, 0]).min(), -1.0, 1.0)
            observation, *_, info = env.step(np.array([push]))
            assert info["clearance"] > 0.0
            rows, least = observation["barrier"], min(least, env.barrier.start_values(env.unwrapped.slot_state).min())
        return least

    assert least_value(0.0) == pytest.approx(-0.041, abs=0.005)
    assert least_value(0.1) >= -1e-9


X2, X3, V3, X4, V4, X5, V5, U = sp.symbols("x2 x3 v3 x4 v4 x5 v5 u", real=True)


def gap_barrier(step: list[sp.Expr], min_gap: float, lead_time: float = 0.2) -> OneStepBarrier:
    """Rows about the gaps themselves, as in the papers, that know how the neighbours accelerate now."""
    leads = [X3 - X4 + lead_time * (V3 - V4), X4 - X5 + lead_time * (V4 - V5)]
    return OneStepBarrier(OneStepMap([X2, X3, V3, X4, V4, X5, V5], [U], step), [lead - min_gap for lead in leads])


def braking(gain: float, gap: sp.Expr, below: float) -> sp.Expr:
    return sp.Piecewise((gain * gap, gap < below), (0.0, True))


def emam_gap_barrier(factor: float) -> OneStepBarrier:
    a3 = factor * (4.0 * (30.0 - V3) - braking(20.0, X2 - X3, 6.0))
    a4 = factor * 4.0 * (30.0 - V4) + 50.0 * U
    a5 = factor * (4.0 * (30.0 - V5) - braking(20.0, X3 - X5, 13.0))
    moved = [(x + 0.02 * v, v + 0.02 * a) for x, v, a in ((X3, V3, a3), (X4, V4, a4), (X5, V5, a5))]
    return gap_barrier([X2, *sum(moved, ())], 2.99)


def cheng_gap_barrier(cruise: float, brake: float, drag: float) -> OneStepBarrier:
    a3 = cruise * (30.0 - V3) - braking(brake, X2 - X3, 6.0) - drag * V3
    a4 = U - drag * V4
    a5 = cruise * (30.0 - V5) - braking(0.5 * brake, X3 - X5, 12.0) - drag * V5
    moved = [(x + 0.05 * v + 0.00375 * a, v + 0.05 * a) for x, v, a in ((X3, V3, a3), (X4, V4, a4), (X5, V5, a5))]
    return gap_barrier([X2, *sum(moved, ())], 2.0)


def attack_gaps(env, barrier, kind):
    """What an attack achieves against rows about the gaps."""
    wrapped = BarrierObservation(env, barrier, lambda env: (env.state[[2, 4, 5, 6, 7, 8, 9]],))
    steps = 3 * env.max_steps
    return attack_barrier(wrapped, lambda env: env.clearance(), steps=steps, attacks=[kind])


@pytest.mark.parametrize("factors", [[1.0], [1.1], [0.9, 1.1]])
def test_no_model_saves_rows_about_emams_gaps(factors):
    """Not even the true one: car 3 brakes with 132 m/s^2, and we cannot. Hence the slot."""
    report = attack_gaps(EmamCarsEnv(), StackedBarrier([emam_gap_barrier(factor) for factor in factors]), Ramming)
    assert report.infeasible > 10
    assert report.violations > 2


def test_rows_about_chengs_gaps_need_the_extremes_and_even_they_are_infeasible_at_times():
    nominal = cheng_gap_barrier(3.5, 18.0, 0.0)
    extremes = product((3.5, 4.0), (18.0, 20.0), (0.0, 0.1))
    robust = StackedBarrier([cheng_gap_barrier(*each) for each in extremes])
    assert attack_gaps(ChengCarFollowingEnv(), nominal, Ramming).violations > 0
    assert attack_gaps(ChengCarFollowingEnv(), robust, Ramming).violations == 0
    assert attack_gaps(ChengCarFollowingEnv(), robust, Uniform).infeasible > 0
