"""BarrierNet's robot: its step, and the claims that its barrier makes."""

import numpy as np
import pytest

from sb3_barriernet.envs.literature import BarrierNetRobotBarrier, BarrierNetRobotEnv
from sb3_barriernet.envs.literature.barriernet_robot import DiscAheadBarrier
from sb3_barriernet.errors import GainError
from sb3_barriernet.rows import split_rows

RNG = np.random.default_rng(0)
TOP = np.array([1.0, 2.5])


def euler(states: np.ndarray, action: np.ndarray) -> np.ndarray:
    x, y, theta, v = states.T
    omega, a = action.T
    return np.stack([x + 0.1 * v * np.cos(theta), y + 0.1 * v * np.sin(theta), theta + 0.1 * omega, v + 0.1 * a], -1)


def h(states: np.ndarray, radius: float) -> np.ndarray:
    return np.hypot(states[:, 0] - 40.0, states[:, 1] - 15.0) - radius


def psi(states: np.ndarray, radius: float, gamma: float) -> np.ndarray:
    return h(euler(states, np.zeros((len(states), 2))), radius) - (1.0 - gamma) * h(states, radius)


def safe_states(radius: float, num: int) -> np.ndarray:
    """Near the obstacle, at any heading and speed, with ``h`` and ``psi`` at least 0; half of them just so."""
    angle, distance = RNG.uniform(-np.pi, np.pi, num), radius + 5.0 * RNG.uniform(0.0, 1.0, num) ** 3
    states = np.stack(
        [
            40.0 + distance * np.cos(angle),
            15.0 + distance * np.sin(angle),
            RNG.uniform(-np.pi, np.pi, num),
            RNG.uniform(0.0, 5.0, num) * RNG.uniform(0.0, 1.0, num),
        ],
        axis=-1,
    )
    return states[(psi(states, radius, 0.05) >= 1e-5) & (h(states, radius) >= 1e-5)]


def test_the_robot_takes_euler_steps():
    env = BarrierNetRobotEnv()
    env.reset(seed=0)
    np.testing.assert_array_equal(env.state, [5.0, 15.0, 0.0, 2.0])
    env.state = np.array([20.0, 12.0, 0.7, 3.0])
    _, reward, *_ = env.step(np.array([-0.6, 1.5]))
    after = [20.0 + 0.3 * np.cos(0.7), 12.0 + 0.3 * np.sin(0.7), 0.7 - 0.06, 3.15]
    np.testing.assert_allclose(env.state, after, rtol=1e-14)
    nearer = np.hypot(35.0, 3.0) - np.hypot(55.0 - after[0], 15.0 - after[1])
    assert reward == pytest.approx(nearer - 0.02 * (0.6**2 + 0.6**2))


def test_reaching_the_goal_ends_the_episode_with_a_reward():
    env = BarrierNetRobotEnv()
    env.reset(seed=0)
    env.state = np.array([53.8, 15.0, 0.0, 4.0])
    _, reward, terminated, _, info = env.step(np.zeros(2))
    assert terminated
    assert info["is_success"]
    assert reward == pytest.approx(10.4)


@pytest.mark.parametrize("radius", [6.0, 10.0])
def test_what_the_rows_allow_is_safe_two_steps_later(radius):
    barrier = DiscAheadBarrier(radius, (0.05, 0.5))
    states = safe_states(radius, 40_000)
    action = RNG.uniform(-TOP, TOP, size=(len(states), 2))
    A, c = split_rows(barrier.rows(states))
    allowed = ((A @ action[..., None])[..., 0] + c >= 0.0).all(axis=-1)
    assert 2000 < allowed.sum() < 0.9 * len(states)
    before, after = states[allowed], euler(states[allowed], action[allowed])
    assert (psi(after, radius, 0.05) >= 0.5 * psi(before, radius, 0.05) - 1e-6).all()
    assert (h(euler(after, np.zeros((len(after), 2))), radius) >= 0.0).all()
    assert (after[:, 3] >= 0.0).all()
    assert (after[:, 3] <= 5.0).all()


def test_the_rows_give_away_little():
    """What they forbid although it keeps the condition is a sliver: 2.5 cm of the 50 that a step can take."""
    barrier = DiscAheadBarrier(6.0, (0.05, 0.5))
    states = safe_states(6.0, 40_000)
    action = RNG.uniform(-TOP, TOP, size=(len(states), 2))
    A, c = split_rows(barrier.rows(states)[:, :2])
    slack = ((A @ action[..., None])[..., 0] + c).min(axis=-1)
    after = euler(states, action)
    fine = (after[:, 3] >= 0.0) & (after[:, 3] <= 5.0)
    exact = psi(after, 6.0, 0.05) - 0.5 * psi(states, 6.0, 0.05)
    lost = (exact - slack)[fine]
    assert lost.min() >= -1e-6
    assert lost.max() <= 0.025
    assert lost.mean() <= 0.005


@pytest.mark.parametrize("gammas", [(0.05, 0.5), (0.02, 1.0), (0.05, 0.1)])
def test_braking_straight_ahead_satisfies_every_row(gammas):
    barrier = DiscAheadBarrier(6.0, gammas)
    states = safe_states(6.0, 40_000)
    states = states[(barrier.start_values(states) >= 0.0).all(axis=-1)]
    assert len(states) > 5000
    brake = np.stack([np.zeros(len(states)), -gammas[0] * states[:, 3] / 0.1], axis=-1)
    # Away from the disc, braking may be wrong, but then coasting is right.
    receding = h(euler(states, 0.0 * brake), 6.0) >= h(states, 6.0)
    brake[receding] = 0.0
    A, c = split_rows(barrier.rows(states))
    assert ((A @ brake[..., None])[..., 0] + c).min() >= -1e-12


def test_the_barrier_knows_the_radius_of_its_environment():
    env = BarrierNetRobotBarrier(BarrierNetRobotEnv(obstacle_radius=10.0))
    _, info = env.reset()
    assert info["clearance"] == pytest.approx(25.0)
    assert env.barrier.start_values(env.unwrapped.state)[0] == pytest.approx(25.0, abs=1e-5)


@pytest.mark.parametrize("gammas", [(0.06, 0.5), (0.05, 1.5), (0.0, 0.5)])
def test_gains_that_the_brakes_cannot_follow_are_refused(gammas):
    with pytest.raises(GainError, match=r"expected 0 < gamma_1 <= 0\.05"):
        BarrierNetRobotBarrier(BarrierNetRobotEnv(), gammas)
