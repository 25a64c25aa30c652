"""The literature's tasks: as their papers define them, and safe behind their barriers although the models are wrong."""

import gymnasium as gym
import numpy as np
import pytest
import sympy as sp
import torch as th
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

import sb3_barriernet  # noqa: F401  (registers the tasks)
from sb3_barriernet.barriers import OneStepBarrier, SymbolicBarrier
from sb3_barriernet.barriers.geometry import outside_disc
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.literature import (
    BarrierNetRobotBarrier,
    ChengCarFollowingBarrier,
    ChengPendulumBarrier,
    ChengPendulumEnv,
    EmamCarsBarrier,
    EmamUnicycleBarrier,
    EmamUnicycleEnv,
)
from sb3_barriernet.envs.literature.cheng_pendulum import coefficients
from sb3_barriernet.envs.literature.emam_unicycle import DISCS
from sb3_barriernet.evaluation.attacks import ATTACKS, BangBang, Ramming, Uniform
from sb3_barriernet.evaluation.feasibility import diagnose
from sb3_barriernet.evaluation.invariance import assert_invariant, attack_barrier
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.systems import OneStepMap, unicycle_with_velocity

TASKS = {
    "BarrierNetRobot-v0": BarrierNetRobotBarrier,
    "ChengCarFollowing-v0": ChengCarFollowingBarrier,
    "ChengPendulum-v0": ChengPendulumBarrier,
    "EmamCars-v0": EmamCarsBarrier,
    "EmamUnicycle-v0": EmamUnicycleBarrier,
}


def pendulum_clearance(env: gym.Env) -> float:
    return 1.0 - abs(env.state[0])


def unicycle_clearance(env: gym.Env) -> float:
    """Written again from the paper: five discs of 0.6 m around (0, 0) and (+-1.5, +-1.5)."""
    x, y, _ = env.state
    centres = [(0.0, 0.0), (-1.5, 1.5), (-1.5, -1.5), (1.5, -1.5), (1.5, 1.5)]
    return min(np.hypot(x - cx, y - cy) for cx, cy in centres) - 0.6


def robot_clearance(env: gym.Env) -> float:
    x, y, *_ = env.state
    return np.hypot(x - 40.0, y - 15.0) - 6.0


def smallest_gap(env: gym.Env) -> float:
    _, _, car3, car4, car5 = env.state[::2]
    return min(car3 - car4, car4 - car5)


CLEARANCES = {
    "BarrierNetRobot-v0": robot_clearance,
    "ChengCarFollowing-v0": lambda env: smallest_gap(env) - 2.0,
    "ChengPendulum-v0": pendulum_clearance,
    "EmamCars-v0": lambda env: smallest_gap(env) - 2.99,
    "EmamUnicycle-v0": unicycle_clearance,
}

RECKLESS = {
    "BarrierNetRobot-v0": [0.0, 2.5],
    "ChengCarFollowing-v0": [100.0],
    "ChengPendulum-v0": [15.0],
    "EmamCars-v0": [1.0],
    "EmamUnicycle-v0": [1.0, 0.1],  # ahead with little turning: noise alone stays near the start
}


@pytest.mark.parametrize("env_id", TASKS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_environments_keep_the_interfaces(env_id):
    check_gymnasium(gym.make(env_id).unwrapped, skip_render_check=True)
    check_sb3(gym.make(env_id))


# The robot starts 29 m from its obstacle: test_literature_in_lockstep.py has attacks from everywhere.
@pytest.mark.parametrize("env_id", [env_id for env_id in TASKS if env_id != "BarrierNetRobot-v0"])
def test_no_attack_gets_through(env_id):
    env = TASKS[env_id](gym.make(env_id))
    report = assert_invariant(env, CLEARANCES[env_id], steps=1200, attacks=[Uniform, BangBang, Ramming])
    assert report.worst.corrected > 50


@pytest.mark.parametrize("env_id", TASKS)
def test_the_same_seed_and_actions_make_the_same_episode(env_id):
    first, second = (play(gym.make(env_id)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def play(env: gym.Env) -> np.ndarray:
    env.action_space.seed(3)
    observation, _ = env.reset(seed=3)
    seen = [observation]
    for _ in range(50):
        seen.append(env.step(env.action_space.sample())[0])
    assert env.observation_space.is_bounded()
    assert all(env.observation_space.contains(observation) for observation in seen)
    return np.array(seen)


# The others have a million steps of the first three attacks in test_literature_in_lockstep.py.
@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["BarrierNetRobot-v0", "ChengCarFollowing-v0", "EmamCars-v0"])
def test_looking_ahead_does_not_get_through(env_id):
    assert_invariant(TASKS[env_id](gym.make(env_id)), CLEARANCES[env_id], steps=5_000, attacks=ATTACKS[3:])


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["ChengPendulum-v0", "EmamUnicycle-v0"])
def test_no_attack_gets_through_in_long_runs(env_id):
    env = TASKS[env_id](gym.make(env_id))
    assert_invariant(env, CLEARANCES[env_id], steps=100_000, attacks=ATTACKS[:3])
    assert_invariant(env, CLEARANCES[env_id], steps=10_000, attacks=ATTACKS[3:])


@pytest.mark.parametrize("env_id", TASKS)
def test_unfiltered_recklessness_breaks_it_and_info_says_so(env_id):
    env = gym.make(env_id)
    env.reset(seed=0)
    broken = broken_in_episode = 0
    for _ in range(3000):
        *_, terminated, truncated, info = env.step(np.array(RECKLESS[env_id], dtype=np.float32))
        assert info["violation"] == (CLEARANCES[env_id](env.unwrapped) < 0.0)
        assert info["clearance"] == pytest.approx(CLEARANCES[env_id](env.unwrapped))
        broken, broken_in_episode = broken + info["violation"], broken_in_episode + info["violation"]
        assert info["violation_steps"] == broken_in_episode
        if terminated or truncated:
            env.reset()
            broken_in_episode = 0
    assert broken > 100


def test_the_pendulum_moves_as_the_paper_says():
    env = ChengPendulumEnv()
    env.reset(seed=0)
    theta, omega = env.state
    _, reward, *_ = env.step(np.array([2.0]))
    expected_omega = omega + (15.0 * np.sin(theta) + 3.0 * 2.0) * 0.05
    np.testing.assert_allclose(env.state, [theta + 0.05 * expected_omega, expected_omega])
    assert reward == pytest.approx(-(theta**2 + 0.1 * omega**2 + 0.004))
    assert coefficients(1.4, 1.4) == pytest.approx((10.714286, 1.0932945))


def infeasible_rate(lead_time: float) -> float:
    """Share of the safe states of a grid in which no torque satisfies all rows."""
    env = ChengPendulumBarrier(ChengPendulumEnv(), lead_time=lead_time)
    theta, omega = np.meshgrid(np.linspace(-1.0, 1.0, 101), np.linspace(-10.0, 10.0, 121))
    states = np.stack([theta.ravel(), omega.ravel()], axis=-1)
    states = states[(env.barrier.start_values(states) >= 0.0).all(axis=-1)]
    assert len(states) > 2000
    return diagnose(env.barrier.rows(states), env.action_space).infeasible_rate


def test_the_pendulums_rows_leave_a_torque_in_every_safe_state():
    assert infeasible_rate(0.3) == 0.0
    assert infeasible_rate(0.2) > 0.05


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_the_pendulums_rows_hold_for_every_model_between_the_extremes(share):
    env = ChengPendulumBarrier(ChengPendulumEnv(), gamma=0.5)
    rng = np.random.default_rng(0)
    states = rng.uniform([-1.0, -3.0], [1.0, 3.0], size=(5000, 2))
    states = states[(env.barrier.start_values(states) >= 0.0).all(axis=-1)]
    torque = rng.uniform(-15.0, 15.0, size=len(states))
    rows = env.barrier.rows(states)
    allowed = (rows[..., 0] * torque[:, None] + rows[..., 1] + rows[..., 2] >= 0.0).all(axis=-1)
    assert allowed.sum() > 200
    fall = 15.0 * (1 - share) + 15.0 / 1.4 * share
    push = 3.0 * share + 3.0 / 1.4**3 * (1 - share)
    theta, omega = states[allowed].T
    omega = omega + (fall * np.sin(theta) + push * torque[allowed]) * 0.05
    theta = theta + 0.05 * omega
    assert np.abs(theta + 0.3 * omega).max() <= 1.0


def test_a_pendulum_that_trusts_its_nominal_model_falls():
    """The true pendulum is lighter: torque that seemed to bring it just to the limit throws it beyond."""
    theta, omega, torque = sp.symbols("theta omega torque", real=True)
    fall, push = coefficients(1.4, 1.4)
    faster = omega + (fall * sp.sin(theta) + push * torque) * 0.05
    lead = theta + 0.3 * omega
    nominal = OneStepBarrier(
        OneStepMap([theta, omega], [torque], [theta + faster * 0.05, faster]), [1.0 - lead, 1.0 + lead], gamma=1.0
    )
    trusting = BarrierObservation(ChengPendulumEnv(), nominal, lambda env: (env.state,))
    report = attack_barrier(trusting, pendulum_clearance, steps=500, attacks=[BangBang, Ramming])
    assert report.violations > 10
    careful = ChengPendulumBarrier(ChengPendulumEnv(), gamma=1.0)
    assert_invariant(careful, pendulum_clearance, steps=500, attacks=[BangBang, Ramming])


def test_the_unicycle_is_dragged_as_the_paper_says():
    env = EmamUnicycleEnv()
    env.reset(seed=0)
    env.state = np.array([0.5, -2.0, 0.4])
    env.step(np.array([0.8, 0.5]))
    theta = 0.4 + 0.02 * 0.5
    x = 0.5 + 0.02 * 0.8 * np.cos(0.4) - 0.02 * 0.1 * np.cos(theta) ** 2
    y = -2.0 + 0.02 * 0.8 * np.sin(0.4) - 0.02 * 0.1 * np.cos(theta) * np.sin(theta)
    np.testing.assert_allclose(env.state, [x, y, theta], rtol=1e-14)


def test_reaching_the_goal_ends_the_episode_with_a_reward():
    env = EmamUnicycleEnv()
    env.reset(seed=0)
    env.state = np.array([2.195, 2.5, 0.0])
    _, reward, terminated, _, info = env.step(np.array([1.0, 0.0]))
    assert terminated
    assert info["is_success"]
    assert reward == pytest.approx(1.0 + 0.02 * 0.9)


def test_without_the_robust_term_the_drag_gets_through():
    """Backing towards the middle disc with the drag: the rows that know of it stop in time, ignorant ones do not."""
    system = unicycle_with_velocity(dt=0.02)
    x, y, theta = system.states
    ox, oy = sp.symbols("ox oy", real=True)
    ahead = (x + 0.03 * sp.cos(theta), y + 0.03 * sp.sin(theta))
    ignorant = SymbolicBarrier(
        system, outside_disc(ahead, (ox, oy), 0.63), 5.0, parameters=(ox, oy), copies=5, margin=0.0003
    )
    assert back_into_the_middle_disc(EmamUnicycleBarrier(EmamUnicycleEnv())) >= 0.0
    blind = BarrierObservation(EmamUnicycleEnv(), ignorant, lambda env: (env.state, DISCS))
    assert back_into_the_middle_disc(blind) == pytest.approx(-0.1 / 5.0, abs=0.002)


def back_into_the_middle_disc(env: BarrierObservation) -> float:
    """Smallest clearance of a robot that wants to reverse."""
    row_filter = RowFilter(env.action_space)
    env.reset(seed=0)
    env.unwrapped.state = np.array([0.8, 0.0, 0.0])
    rows, clearance = env.barrier.rows(env.unwrapped.state, DISCS), np.inf
    for _ in range(300):
        action = row_filter(th.from_numpy(rows[None]), th.tensor([[-1.0, 0.0]])).action[0].numpy()
        observation, *_ = env.step(action)
        rows, clearance = observation["barrier"], min(clearance, unicycle_clearance(env.unwrapped))
    return clearance
