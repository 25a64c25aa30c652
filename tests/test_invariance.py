"""Nothing gets through: filtered attackers never touch a wall or an obstacle, judged by code of its own.

The judge below knows the arena, the discs and one Euler step. It shares nothing with barriers or simulation.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch as th

from sb3_barriernet import Status, VirtualPointBarrier, project
from sb3_barriernet.envs.pursuit_settings import preset
from sb3_barriernet.envs.pursuit_simulation import PursuitSimulation
from sb3_barriernet.rows import split_rows
from sb3_barriernet.systems.unicycle import Unicycle

NUM_GAMES = 200
LOW, HIGH = np.array([0.0, -2.84]), np.array([1.0, 2.84])
Attack = Callable[[np.random.Generator, np.ndarray, np.ndarray, float], np.ndarray]


def uniform(rng, pose, obstacles, half):
    return rng.uniform(LOW, HIGH, size=(len(pose), 2))


def bang_bang(rng, pose, obstacles, half):
    """Full speed, full turn to a side that changes now and then."""
    side = np.where(np.sin(0.7 * np.arange(len(pose)) + 3.0 * pose[:, 0] + 2.0 * pose[:, 1]) > 0.0, 1.0, -1.0)
    return np.stack([np.ones(len(pose)), 2.84 * side], axis=-1)


def ramming(rng, pose, obstacles, half):
    """Full speed at the nearest surface: an obstacle in even games, a wall in odd ones; the aim trembles."""
    target = obstacles[:, 0, :2].copy()
    wall = np.where(np.abs(pose[:, :1]) > np.abs(pose[:, 1:2]), [[1.0, 0.0]], [[0.0, 1.0]])
    target[1::2] = (pose[:, :2] + 10.0 * wall * np.sign(pose[:, :2]))[1::2]
    error = np.arctan2(*(target - pose[:, :2]).T[::-1]) - pose[:, 2] + rng.normal(0.0, 0.3, size=len(pose))
    turn = np.clip(np.arctan2(np.sin(error), np.cos(error)) / 0.05, -2.84, 2.84)
    return np.stack([np.ones(len(pose)), turn], axis=-1)


ATTACKS: dict[str, Attack] = {"uniform": uniform, "bang_bang": bang_bang, "ramming": ramming}


def euler(pose: np.ndarray, action: np.ndarray) -> np.ndarray:
    x, y, theta = pose.T
    v, omega = action.astype(np.float64).T
    return np.stack([x + 0.05 * v * np.cos(theta), y + 0.05 * v * np.sin(theta), theta + 0.05 * omega], axis=-1)


def touches(pose: np.ndarray, obstacles: np.ndarray, half: float) -> np.ndarray:
    wall = (np.abs(pose[:, :2]) > half - 0.15).any(axis=1)
    gap = np.hypot(pose[:, None, 0] - obstacles[..., 0], pose[:, None, 1] - obstacles[..., 1])
    disc = ((gap < obstacles[..., 2] + 0.15) & (obstacles[..., 2] > 0.0)).any(axis=1)
    return wall | disc


def attack(name: str, alpha: float, steps: int, filtered: bool = True) -> dict[str, int]:
    """Violating and infeasible steps, and corrected ones, over ``steps`` steps of many games in clutter."""
    settings = preset("clutter")
    half = settings.arena_size / 2.0
    barrier = VirtualPointBarrier(
        Unicycle(), half_extent=half, body_radius=0.15, max_discs=settings.max_obstacles, alpha=alpha
    )
    simulation = PursuitSimulation(NUM_GAMES, settings)
    rng = np.random.default_rng(7)
    games = [np.random.default_rng([7, i]) for i in range(NUM_GAMES)]
    for i, game in enumerate(games):
        simulation.reset(i, game)
    counts = {"violations": 0, "infeasible": 0, "corrected": 0, "steps": 0}
    while counts["steps"] < steps:
        pose, obstacles = simulation.pursuer.copy(), simulation.obstacles.copy()
        action = ATTACKS[name](rng, pose, obstacles, half).astype(np.float32)
        if filtered:
            A, c = split_rows(th.as_tensor(barrier.rows(pose, obstacles)))
            result = project(th.as_tensor(action), A, c, th.as_tensor(LOW), th.as_tensor(HIGH))
            action = result.action.numpy()
            counts["infeasible"] += int((result.status >= Status.INFEASIBLE).sum())
            counts["corrected"] += int((result.status == Status.ACTIVE).sum())
        counts["violations"] += int(touches(euler(pose, action), obstacles, half).sum())
        simulation.step(action)
        counts["steps"] += NUM_GAMES
        for i in np.flatnonzero(simulation.terminated | simulation.truncated):
            simulation.reset(i, games[i])
    return counts


@pytest.mark.parametrize("alpha", [2.0, 5.0, 20.0])
@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_gets_through(name, alpha):
    counts = attack(name, alpha, 50_000)
    assert counts["violations"] == 0
    assert counts["infeasible"] == 0
    assert counts["corrected"] > 1000


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [2.0, 5.0, 20.0])
@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_gets_through_in_a_million_steps(name, alpha):
    counts = attack(name, alpha, 1_000_000)
    assert counts["violations"] == 0
    assert counts["infeasible"] == 0


def test_unfiltered_attacks_do_get_through():
    """The test of the test."""
    assert all(attack(name, 2.0, 20_000, filtered=False)["violations"] > 1000 for name in ATTACKS)
