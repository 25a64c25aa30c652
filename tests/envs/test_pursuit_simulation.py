"""The compiled games agree with a slow oracle, with each other, and with the rules of their beginning."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sb3_barriernet.envs.pursuit_settings import EVADERS, PursuitSettings, preset
from sb3_barriernet.envs.pursuit_simulation import PursuitSimulation
from sb3_barriernet.errors import ConfigurationError, InvalidActionError
from tests.envs import pursuit_oracle as oracle

ALL_SETTINGS = [
    pytest.param(preset(name).updated(evader=evader), id=f"{name}-{evader}")
    for name in ("open", "clutter")
    for evader in EVADERS
]


def started(settings: PursuitSettings, num_envs: int, seed: int = 0) -> PursuitSimulation:
    simulation = PursuitSimulation(num_envs, settings)
    for i in range(num_envs):
        simulation.reset(i, np.random.default_rng(seed + i))
    return simulation


def discs(simulation: PursuitSimulation, i: int) -> list[oracle.Disc]:
    return [tuple(disc) for disc in simulation.obstacles[i].tolist() if disc[2] >= 0]


def reckless(rng: np.random.Generator, steps: int, num_envs: int) -> np.ndarray:
    """Full speed with a slowly changing turn rate, beyond the limits too: such robots hit things."""
    turns = np.repeat(rng.uniform(-4.0, 4.0, (steps // 20 + 1, num_envs)), 20, axis=0)[:steps]
    return np.stack([rng.uniform(0.5, 1.5, (steps, num_envs)), turns], axis=-1)


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_every_step_is_that_of_the_oracle(settings: PursuitSettings) -> None:
    settings = settings.updated(
        arena_size=8.0,
        obstacles=(1, 4),
        max_steps=150,
        timeout_penalty=7.0,
        capture_distance=1.5,
        initial_distance=(1.6, 4.0),
    )
    simulation = started(settings, 12)
    violations = captures = timeouts = 0
    for actions in reckless(np.random.default_rng(1), 150, 12):
        before = [(tuple(simulation.pursuer[i].tolist()), tuple(simulation.evader[i].tolist())) for i in range(12)]
        simulation.step(actions)
        for i in range(12):
            _compare_with_oracle(simulation, i, before[i], tuple(actions[i].tolist()))
        violations += simulation.violation.sum()
        captures += simulation.terminated.sum()
        timeouts += simulation.truncated.sum()
    assert min(violations / 50, captures, timeouts) >= 1, "the oracle was not put to the test"


def _compare_with_oracle(
    simulation: PursuitSimulation,
    i: int,
    before: tuple[oracle.Pose, oracle.Pose],
    action: tuple[float, float],
) -> None:
    s, obstacles = simulation.settings, discs(simulation, i)
    evader_action = tuple(simulation.evader_action[i].tolist())
    driven = oracle.clipped(action, s)
    pursuer = oracle.after_euler_step(before[0], *driven, s.dt)
    evader = oracle.after_euler_step(before[1], *evader_action, s.dt)

    assert simulation.clearance[i] == pytest.approx(oracle.clearance(*pursuer[:2], obstacles, s), abs=1e-12)
    assert simulation.violation[i] == oracle.violates(pursuer, evader, obstacles, s)

    pursuer, evader = oracle.pushed_out(pursuer, obstacles, s), oracle.pushed_out(evader, obstacles, s)
    np.testing.assert_allclose(simulation.pursuer[i], pursuer, atol=1e-8)
    np.testing.assert_allclose(simulation.evader[i], evader, atol=1e-8)

    distance = math.dist(pursuer[:2], evader[:2])
    closed = math.dist(before[0][:2], before[1][:2]) - distance
    captured = distance <= s.capture_distance
    timeout = bool(simulation.elapsed[i] >= s.max_steps) and not captured
    reward = s.distance_scale * closed / s.diagonal + captured * s.capture_reward
    assert simulation.terminated[i] == simulation.is_success[i] == captured
    assert simulation.truncated[i] == timeout
    assert simulation.reward[i] == pytest.approx(reward - timeout * s.timeout_penalty, abs=1e-6)
    expected = oracle.observation(pursuer, evader, (driven, evader_action), obstacles, s)
    np.testing.assert_allclose(simulation.observation[i], expected, atol=1e-6)


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_a_batch_plays_bitwise_the_games_that_singles_play(settings: PursuitSettings) -> None:
    settings = settings.updated(max_steps=120)
    batch, singles = started(settings, 6, seed=5), [started(settings, 1, seed=5 + i) for i in range(6)]
    rngs = [[np.random.default_rng(50 + i) for i in range(6)] for _ in range(2)]
    for actions in reckless(np.random.default_rng(2), 300, 6):
        batch.step(actions)
        for i, single in enumerate(singles):
            single.step(actions[i : i + 1])
            _assert_same_game(batch.view(i), single)
            if single.terminated[0] or single.truncated[0]:
                batch.reset(i, rngs[0][i])
                single.reset(0, rngs[1][i])
                _assert_same_game(batch.view(i), single)


def _assert_same_game(one: PursuitSimulation, other: PursuitSimulation) -> None:
    for name, mine, theirs in zip(one._games._fields, one._games, other._games, strict=True):
        assert mine.tobytes() == theirs.tobytes(), name


@pytest.mark.parametrize("name", ["open", "clutter"])
def test_thousand_beginnings_keep_every_promise(name: str) -> None:
    settings = preset(name)
    simulation = PursuitSimulation(1, settings)
    counts = set()
    for seed in range(1000):
        simulation.reset(0, np.random.default_rng(seed))
        obstacles = discs(simulation, 0)
        counts.add(len(obstacles))
        _check_beginning(simulation, obstacles)
    assert counts == set(range(settings.obstacles[0], settings.obstacles[1] + 1))


def _check_beginning(simulation: PursuitSimulation, obstacles: list[oracle.Disc]) -> None:
    s, rounding = simulation.settings, 1e-12
    for k, (x, y, radius) in enumerate(obstacles):
        assert s.obstacle_radius[0] <= radius <= s.obstacle_radius[1]
        assert s.arena_size / 2 - max(abs(x), abs(y)) - radius >= s.obstacle_gap - rounding
        for other in obstacles[:k]:
            assert math.dist((x, y), other[:2]) - radius - other[2] >= s.obstacle_gap - rounding
    for pose in (simulation.pursuer[0], simulation.evader[0]):
        assert oracle.clearance(pose[0], pose[1], obstacles, s) >= s.start_clearance - rounding
        assert -math.pi <= pose[2] <= math.pi
    distance = math.dist(simulation.pursuer[0, :2], simulation.evader[0, :2])
    assert s.initial_distance[0] <= distance <= s.initial_distance[1]
    assert simulation.elapsed[0] == simulation.violation_steps[0] == 0
    assert not simulation.violation[0]


def test_obstacles_are_nearest_first_and_unused_ones_last() -> None:
    simulation = started(preset("clutter"), 16)
    order_changed = False
    for actions in reckless(np.random.default_rng(3), 200, 16):
        before = simulation.obstacles.copy()
        simulation.step(actions)
        order_changed |= bool((before != simulation.obstacles).any())
        for i in range(16):
            radii = simulation.obstacles[i, :, 2]
            used = int((radii >= 0).sum())
            offsets = simulation.obstacles[i, :used, :2] - simulation.pursuer[i, :2]
            gaps = np.hypot(*offsets.T) - radii[:used]
            assert (np.diff(gaps) >= 0).all()
            assert (radii[used:] < 0).all()
    assert order_changed


def test_leaning_on_a_wall_is_a_violation_once_pushed_and_none_when_standing_still() -> None:
    simulation = started(preset("open"), 1)
    simulation.place(0, pursuer=(9.82, 0.0, 0.0), evader=(-9.0, 0.0, 0.0), obstacles=[])
    simulation.step(np.array([[1.0, 0.0]]))
    assert simulation.violation[0]
    assert simulation.clearance[0] == pytest.approx(-0.02)
    simulation.step(np.array([[0.0, 0.0]]))
    assert not simulation.violation[0]
    assert simulation.violation_steps[0] == 1


def test_a_robot_in_the_very_centre_of_an_obstacle_is_pushed_out() -> None:
    simulation = started(preset("open"), 1)
    simulation.place(0, pursuer=(1.0, 1.0, 0.0), obstacles=[(1.0, 1.0, 0.5)])
    simulation.step(np.zeros((1, 2)))
    assert simulation.clearance[0] == pytest.approx(-0.65)
    assert math.dist(simulation.pursuer[0, :2], (1.0, 1.0)) == pytest.approx(0.65)


def test_contact_of_the_robots_is_a_violation() -> None:
    settings = preset("open").updated(capture_distance=0.1, evader_speed=0.0)
    simulation = started(settings, 1)
    simulation.place(0, pursuer=(0.0, 0.0, 0.0), evader=(0.32, 0.0, 0.0), obstacles=[])
    simulation.step(np.array([[1.0, 0.0]]))
    assert simulation.violation[0]
    assert simulation.clearance[0] > 0


def test_a_random_evader_uses_its_whole_range_evenly() -> None:
    simulation = started(preset("open"), 64)
    seen = []
    for _ in range(200):
        simulation.step(np.zeros((64, 2)))
        seen.append(simulation.evader_action / (1.0, 2.84))
    actions = np.concatenate(seen)
    np.testing.assert_allclose(actions.mean(axis=0), [0.5, 0.0], atol=0.02)
    np.testing.assert_allclose(actions.std(axis=0), [1 / math.sqrt(12), 2 / math.sqrt(12)], atol=0.02)


@pytest.mark.parametrize("evader", ["flee", "greedy"])
@pytest.mark.parametrize("name", ["open", "clutter"])
def test_an_evader_on_the_run_is_hard_to_catch_yet_catchable(name: str, evader: str) -> None:
    """A pursuer that heads straight for it needs much longer than for one that stands still."""
    settings = preset(name).updated(evader=evader, evader_speed=0.8)
    running = _capture_times(settings)
    standing = _capture_times(settings.updated(evader_speed=0.0))
    assert np.mean(running < settings.max_steps) > 0.7
    assert np.mean(running) > 1.5 * np.mean(standing)


def _capture_times(settings: PursuitSettings) -> np.ndarray:
    simulation = started(settings, 64)
    times = np.full(64, settings.max_steps)
    for step in range(settings.max_steps):
        bearing = math.pi * simulation.observation[:, 13].astype(float)
        simulation.step(np.stack([np.where(np.abs(bearing) < 1.0, 1.0, 0.3), 4.0 * bearing], axis=1))
        times[simulation.terminated & (times == settings.max_steps)] = step
    return times


@pytest.mark.parametrize("evader", ["flee", "greedy"])
def test_an_evader_on_the_run_seldom_touches_anything_or_stops(evader: str) -> None:
    settings = preset("clutter").updated(evader=evader)
    simulation = started(settings, 64)
    touching, halted = [], []
    for _ in range(300):
        before = simulation.evader.copy()
        simulation.step(np.zeros((64, 2)))
        gaps = [oracle.clearance(*simulation.evader[i, :2], discs(simulation, i), settings) for i in range(64)]
        touching.append(np.array(gaps) < 1e-6)
        halted.append(np.hypot(*(simulation.evader - before)[:, :2].T) < 0.1 * settings.dt)
    assert np.mean(touching) < 0.1
    assert np.mean(halted) < 0.03


def test_a_view_shares_memory_and_a_copy_continues_the_game() -> None:
    batch = started(preset("clutter"), 3)
    view = batch.view(1)
    view.step(np.array([[1.0, 0.5]]))
    assert batch.elapsed.tolist() == [0, 1, 0]
    assert np.shares_memory(view.pursuer, batch.pursuer)
    other = PursuitSimulation(2, batch.settings)
    other.copy_game(0, view)
    _assert_same_game(other.view(0), view)
    assert not np.shares_memory(other.pursuer, batch.pursuer)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_action_that_is_no_number_moves_nothing(bad: float) -> None:
    simulation = started(preset("open"), 3)
    before = simulation.pursuer.copy()
    actions = np.ones((3, 2))
    actions[2, 1] = bad
    with pytest.raises(InvalidActionError, match=r"game 2.*learning rate"):
        simulation.step(actions)
    np.testing.assert_array_equal(simulation.pursuer, before)
    with pytest.raises(InvalidActionError, match=r"shape \(2,\).*expected \(3, 2\)"):
        simulation.step(np.ones(2))


def test_an_arena_without_room_says_so() -> None:
    settings = preset("clutter").updated(arena_size=4.0, initial_distance=(1.0, 3.0))
    with pytest.raises(ConfigurationError, match="larger arena"):
        started(settings, 1)


def test_more_obstacles_than_there_is_room_for_are_refused() -> None:
    simulation = started(preset("open"), 1)
    with pytest.raises(ConfigurationError, match=r"obstacles=\(3, 3\)"):
        simulation.place(0, obstacles=[(0.0, 0.0, 0.3)] * 3)
