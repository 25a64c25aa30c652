"""Thousands of games of the literature's tasks at once: nothing gets through in a million steps of any attack.

Poles and unicycles move as written here, cars and robots as their environments do, which the neighbouring files compare
with the papers. The judges know geometry only.
"""

from __future__ import annotations

import functools
from typing import Any, Protocol

import numpy as np
import pytest
import torch as th

from sb3_barriernet import Status, project
from sb3_barriernet.envs.literature import (
    ChengCarFollowingBarrier,
    ChengCarFollowingEnv,
    ChengPendulumBarrier,
    ChengPendulumEnv,
    EmamCarsBarrier,
    EmamCarsEnv,
    EmamUnicycleBarrier,
    EmamUnicycleEnv,
    cheng_car_following,
    emam_cars,
)
from sb3_barriernet.envs.literature.barriernet_robot import DiscAheadBarrier
from sb3_barriernet.envs.literature.barriernet_robot import move as move_robot
from sb3_barriernet.rows import split_rows


class Games(Protocol):
    """Games in lockstep."""

    barrier: Any
    top: np.ndarray
    length: int

    def start(self, rng: np.random.Generator, num: int) -> None: ...

    def state(self) -> tuple[np.ndarray, ...]: ...

    def step(self, action: np.ndarray) -> None: ...

    def clearance(self) -> np.ndarray: ...

    def ram(self) -> np.ndarray: ...


class Cars:
    """Half of the games run into car 3, half let car 5 run into them."""

    def __init__(self, module, barrier, drivers, own_speed, top):
        self.move, self.dt, self.length = module.move, module.DT, module.MAX_STEPS
        self.barrier, self.drivers, self.own_speed, self.top = barrier, drivers, own_speed, np.array([top])
        self.min_gap = {emam_cars: 2.99, cheng_car_following: 2.0}[module]
        self.spread = {emam_cars: 0.5, cheng_car_following: 0.0}[module]

    def start(self, rng, num):
        self.x = np.tile([34.0, 28.0, 22.0, 16.0, 10.0], (num, 1))
        self.v = np.tile(30.0 + rng.normal(0.0, self.spread, size=(num, 1)), (1, 5))
        self.v[:, 3] = self.own_speed
        self.time = 0.0

    def state(self):
        columns = (self.x[:, 0], self.v[:, 0], self.x[:, 3], self.v[:, 3], np.full(len(self.x), self.time))
        return (np.stack(columns, axis=-1),)

    def step(self, action):
        self.x, self.v = self.move(self.x, self.v, self.time, self.drivers, action[:, 0])
        self.time += self.dt

    def clearance(self):
        _, _, ahead, own, behind = self.x.T
        return np.minimum(ahead - own, own - behind) - self.min_gap

    def ram(self):
        side = np.where(np.arange(len(self.x)) % 2, 1.0, -1.0)
        return side[:, None] * self.top


class Robots:
    """They start wherever the barrier lets them, at any heading and speed, and steer for the obstacle."""

    top = np.array([1.0, 2.5])
    length = 137

    def __init__(self, radius):
        self.radius, self.barrier = radius, DiscAheadBarrier(radius, (0.05, 0.5))

    def start(self, rng, num):
        angle = rng.uniform(-np.pi, np.pi, size=8 * num)
        distance = self.radius + rng.uniform(0.0, 12.0, size=8 * num)
        x, y = 40.0 + distance * np.cos(angle), 15.0 + distance * np.sin(angle)
        states = np.stack([x, y, rng.uniform(-np.pi, np.pi, 8 * num), rng.uniform(0.0, 5.0, 8 * num)], axis=-1)
        self.states = states[(self.barrier.start_values(states) >= 0.0).all(axis=-1)][:num]
        assert len(self.states) == num

    def state(self):
        return (self.states,)

    def step(self, action):
        self.states = move_robot(self.states, action)

    def clearance(self):
        return np.hypot(self.states[:, 0] - 40.0, self.states[:, 1] - 15.0) - self.radius

    def ram(self):
        x, y, theta, _ = self.states.T
        error = np.arctan2(15.0 - y, 40.0 - x) - theta
        turn = np.clip(np.arctan2(np.sin(error), np.cos(error)) / 0.1, -1.0, 1.0)
        return np.stack([turn, np.full_like(turn, 2.5)], axis=-1)


class Poles:
    """They push to the side that they lean to."""

    top = np.array([15.0])
    length = 200

    def __init__(self):
        self.barrier = ChengPendulumBarrier(ChengPendulumEnv()).barrier

    def start(self, rng, num):
        self.states = rng.uniform([-0.8, -0.5], [0.8, 0.5], size=(num, 2))

    def state(self):
        return (self.states,)

    def step(self, action):
        theta, omega = self.states.T
        omega = omega + (15.0 * np.sin(theta) + 3.0 * action[:, 0]) * 0.05
        self.states = np.stack([theta + 0.05 * omega, omega], axis=-1)

    def clearance(self):
        return 1.0 - np.abs(self.states[:, 0])

    def ram(self):
        return np.where(self.states[:, :1] > 0.0, self.top, -self.top)


class Unicycles:
    """They start beside the discs and drive into the nearest, forwards or backwards, dragged along."""

    top = np.array([1.0, 1.0])
    length = 400
    discs = np.array([[0.0, 0.0], [-1.5, 1.5], [-1.5, -1.5], [1.5, -1.5], [1.5, 1.5]])

    def __init__(self):
        self.barrier = EmamUnicycleBarrier(EmamUnicycleEnv()).barrier

    def start(self, rng, num):
        poses = rng.uniform([-2.5, -2.5, -np.pi], [2.5, 2.5, np.pi], size=(8 * num, 3))
        self.poses = poses[(self.barrier.start_values(poses, self.all_discs(8 * num)) >= 0.0).all(axis=-1)][:num]
        assert len(self.poses) == num

    def all_discs(self, num):
        return np.broadcast_to(self.discs, (num, 5, 2))

    def state(self):
        return self.poses, self.all_discs(len(self.poses))

    def step(self, action):
        v, omega = action.T
        x, y, theta = self.poses.T
        turned = theta + 0.02 * omega
        x = x + 0.02 * v * np.cos(theta) - 0.02 * 0.1 * np.cos(turned) ** 2
        y = y + 0.02 * v * np.sin(theta) - 0.02 * 0.1 * np.cos(turned) * np.sin(turned)
        self.poses = np.stack([x, y, turned], axis=-1)

    def clearance(self):
        return np.linalg.norm(self.poses[:, None, :2] - self.discs, axis=-1).min(axis=1) - 0.6

    def ram(self):
        away = self.discs - self.poses[:, None, :2]
        nearest = np.linalg.norm(away, axis=-1).argmin(axis=1)
        bearing = np.arctan2(*away[np.arange(len(away)), nearest].T[::-1]) - self.poses[:, 2]
        direction = np.where(np.cos(bearing) > 0.0, 1.0, -1.0)
        turn = np.clip(np.arctan2(direction * np.sin(bearing), direction * np.cos(bearing)) / 0.02, -1.0, 1.0)
        return np.stack([direction, turn], axis=-1)


def emam(factor: float) -> Games:
    return Cars(emam_cars, EmamCarsBarrier(EmamCarsEnv()).barrier, emam_cars.drivers(factor), 35.0, 1.0)


def cheng(drivers: Any) -> Games:
    barrier = ChengCarFollowingBarrier(ChengCarFollowingEnv()).barrier
    return Cars(cheng_car_following, barrier, drivers, 30.0, 100.0)


MAKERS = {
    "Emam's cars": lambda: emam(1.1),
    "Emam's cars, as modelled": lambda: emam(1.0),
    "Emam's cars, slower": lambda: emam(0.9),
    "Cheng's cars": lambda: cheng(cheng_car_following.TRUE),
    "Cheng's cars, as modelled": lambda: cheng(cheng_car_following.NOMINAL),
    "pole": Poles,
    "unicycle": Unicycles,
    "robot, R = 6 m": lambda: Robots(6.0),
    "robot, R = 10 m": lambda: Robots(10.0),
}


@functools.cache
def games_of(name: str) -> Games:
    """Made once: deriving rows takes longer than a short attack."""
    return MAKERS[name]()


def attack(kind: str, games: Games, steps: int, num: int) -> dict[str, int]:
    """Violating, infeasible and corrected steps of ``num`` games at once, over at least ``steps`` steps in all."""
    rng = np.random.default_rng(11)
    low, high = th.as_tensor(-games.top), th.as_tensor(games.top)
    counts = {"violations": 0, "infeasible": 0, "corrected": 0, "steps": 0}
    while counts["steps"] < steps:
        games.start(rng, num)
        assert (games.barrier.start_values(*games.state()) >= 0.0).all()
        corner = np.ones((num, len(games.top)))
        for _ in range(games.length):
            switch = rng.random(num) < 0.06
            corner[switch] = rng.choice([-1.0, 1.0], size=(switch.sum(), len(games.top)))
            noise = rng.uniform(-1.0, 1.0, size=corner.shape)
            nominal = {"uniform": noise * games.top, "bang_bang": corner * games.top, "ramming": games.ram()}[kind]
            A, c = split_rows(th.as_tensor(games.barrier.rows(*games.state())))
            result = project(th.as_tensor(nominal.astype(np.float32)), A, c, low, high)
            games.step(result.action.numpy().astype(np.float64))
            counts["violations"] += int((games.clearance() < 0.0).sum())
            counts["infeasible"] += int((result.status >= Status.INFEASIBLE).sum())
            counts["corrected"] += int((result.status == Status.ACTIVE).sum())
            counts["steps"] += num
    return counts


@pytest.mark.parametrize("kind", ["uniform", "bang_bang", "ramming"])
@pytest.mark.parametrize("name", MAKERS)
def test_no_attack_gets_through(name, kind):
    counts = attack(kind, games_of(name), 6_000, 40)
    assert counts["violations"] == 0
    assert counts["infeasible"] == 0
    assert counts["corrected"] > 100


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uniform", "bang_bang", "ramming"])
@pytest.mark.parametrize("name", MAKERS)
def test_no_attack_gets_through_in_a_million_steps(name, kind):
    counts = attack(kind, games_of(name), 1_000_000, 1000)
    assert counts["violations"] == 0
    assert counts["infeasible"] == 0


@pytest.mark.parametrize("name", MAKERS)
def test_unfiltered_ramming_does_get_through(name):
    """The test of the test."""
    games = games_of(name)
    games.start(np.random.default_rng(0), 40)
    violations = 0
    for _ in range(games.length):
        games.step(games.ram())
        violations += int((games.clearance() < 0.0).sum())
    assert violations > 500
