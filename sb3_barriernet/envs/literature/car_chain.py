"""Five cars in a row, one of them ours: the traffic of Cheng et al. 2019 and Emam et al. 2021.

    front <- car 1 <- car 2 <- car 3 <- car 4 (controlled) <- car 5

Car 1 varies its speed, cars 2 and 3 brake when the car ahead comes near, car 5 when car 3 does, two ahead of it.
Nobody reacts to car 4: it has to stay between two cars that move as they like.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
import sympy as sp
from gymnasium import spaces

from sb3_barriernet.envs.literature.task import LiteratureTask

START = np.array([34.0, 28.0, 22.0, 16.0, 10.0])  # m
CRUISING_SPEED = 30.0  # m/s
SWAY, SWAY_RATE = 10.0, 0.2  # m/s, rad/s: by how much car 1 varies its speed
BRAKING_GAP = 6.0  # m, of cars 2 and 3
POSITION_SCALE = 100.0  # m
NUDGE = 1e-9  # m

OBSERVATION_LIMIT = 20.0
"""Of a scaled observation: 2000 m and 600 m/s, which 4 s of 100 m/s^2 do not reach."""

Gain: TypeAlias = float | np.ndarray


class Drivers(NamedTuple):
    """How the cars are driven, numbers or ``(B,)``."""

    cruise: Gain
    """Acceleration per missing speed, 1/s."""
    brake: Gain
    """Deceleration per gap, 1/s^2."""
    drag: Gain = 0.0
    """Deceleration per speed, 1/s."""


Move = Callable[[np.ndarray, np.ndarray, float, Drivers, float], tuple[np.ndarray, np.ndarray]]
"""Positions and speeds ``(..., 5)``, time, drivers and our action to the next positions and speeds."""


def accelerations(
    x: np.ndarray, v: np.ndarray, time: float, drivers: Drivers, *, rear_gap: float, rear_share: float
) -> np.ndarray:
    """Accelerations ``(..., 5)`` in m/s^2, without our action.

    :param x: positions ``(..., 5)``, m
    :param v: speeds ``(..., 5)``, m/s
    :param rear_gap: between cars 3 and 5, below which car 5 brakes, m
    :param rear_share: of the brake gain that it brakes with
    """
    cruise, brake, drag = (np.asarray(gain)[..., None] for gain in drivers)
    desired = np.full(5, CRUISING_SPEED)
    desired[0] -= SWAY * np.sin(SWAY_RATE * time)
    a = cruise * (desired - v) - drag * v
    gaps = np.stack([x[..., 0] - x[..., 1], x[..., 1] - x[..., 2], x[..., 2] - x[..., 4]], axis=-1)
    near = gaps < [BRAKING_GAP, BRAKING_GAP, rear_gap]
    a[..., [1, 2, 4]] -= brake * [1.0, 1.0, rear_share] * gaps * near
    return a


def find_slot(move: Move, drivers: Drivers, dt: float, num_steps: int) -> tuple[float, float]:
    """How far behind car 1 the cars 3 and 5 are during an episode from :data:`START`: at most, at least, m.

    Nobody reacts to car 4, so this holds whatever it does. A speed that all cars share at the start makes no
    difference, because the gains are the same for all. But the cars 2 and 3 start right at the gap at which they
    brake, so round-off decides whether they do: both cases of both are tried.

    :param drivers: ``(B,)`` models of the traffic, over all of which the extremes are taken
    """
    shape = np.broadcast_shapes(*(np.shape(gain) for gain in drivers))
    nudges = np.array([[0.0, car2, car3, 0.0, 0.0] for car2, car3 in product((-NUDGE, NUDGE), repeat=2)])
    x = np.broadcast_to((START + nudges).reshape(-1, *(1 for _ in shape), 5), (len(nudges), *shape, 5))
    v = np.full(x.shape, CRUISING_SPEED)
    front, rear = START[0] - START[2], START[0] - START[4]
    for step in range(num_steps):
        x, v = move(x, v, step * dt, drivers, 0.0)
        front, rear = max(front, (x[..., 0] - x[..., 2]).max()), min(rear, (x[..., 0] - x[..., 4]).min())
    return float(front), float(rear)


def desired_speed_of_car_1(time: sp.Symbol) -> sp.Expr:
    """In m/s."""
    return CRUISING_SPEED - SWAY * sp.sin(SWAY_RATE * time)


class CarChainTask(LiteratureTask):
    """State ``[x1, v1, .., x5, v5]`` in m, m/s; observation: positions / 100 m and speeds / 30 m/s.

    :param dt: s
    :param min_gap: of car 4 to the cars 3 and 5, below which it is a violation, m
    """

    def __init__(self, dt: float, min_gap: float):
        self.observation_space = spaces.Box(-OBSERVATION_LIMIT, OBSERVATION_LIMIT, (10,), np.float32)
        self.dt, self.min_gap = dt, min_gap
        self.state = self.start_state(CRUISING_SPEED)

    def start_state(self, speed: float) -> np.ndarray:
        """Everybody in place and equally fast."""
        return np.stack([START, np.full(5, speed)], axis=-1).ravel()

    @property
    def time(self) -> float:
        """Since the start, s."""
        return self.steps * self.dt

    @property
    def gaps(self) -> np.ndarray:
        """Of car 4 to the cars 3 and 5, m."""
        _, _, ahead, own, behind = self.state[::2]
        return np.array([ahead - own, own - behind])

    @property
    def slot_state(self) -> np.ndarray:
        """``[x1, v1, x4, v4, time]``, all that the barriers need."""
        return np.array([*self.state[:2], *self.state[6:8], self.time])

    def clearance(self) -> float:
        return float(self.gaps.min()) - self.min_gap

    def observation(self) -> np.ndarray:
        return (self.state / np.tile([POSITION_SCALE, CRUISING_SPEED], 5)).astype(np.float32)

    def advance(self, move: Move, drivers: Drivers, action: float) -> None:
        """Let all cars move for one step."""
        x, v = move(self.state[::2], self.state[1::2], self.time, drivers, action)
        self.state = np.stack([x, v], axis=-1).ravel()
