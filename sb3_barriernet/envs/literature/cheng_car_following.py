"""The cars of Cheng et al. 2019 (RL-CBF): stay between two neighbours, with gains and a drag that the model lacks."""

from __future__ import annotations

from itertools import product
from typing import Any

import gymnasium as gym
import numpy as np
import sympy as sp
from gymnasium import spaces

from sb3_barriernet.barriers.one_step_barrier import OneStepBarrier
from sb3_barriernet.barriers.stacked_barrier import StackedBarrier
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.literature.car_chain import (
    CRUISING_SPEED,
    CarChainTask,
    Drivers,
    Gain,
    accelerations,
    desired_speed_of_car_1,
    find_slot,
)
from sb3_barriernet.systems.one_step import OneStepMap

DT = 0.05  # s
MAX_STEPS = 80
TRUE = Drivers(cruise=4.0, brake=20.0, drag=0.1)  # 1/s, 1/s^2, 1/s
NOMINAL = Drivers(cruise=3.5, brake=18.0, drag=0.0)
MAX_ACCELERATION = 100.0  # m/s^2
MIN_GAP = 2.0  # m
NEAR_GAP, NEAR_COST = 2.99, 500.0  # m, m

NUM_GAINS = 11
SLOT_RESERVE = 0.05
"""At both ends of the slot, m: traffic between the gains tried."""


class ChengCarFollowingEnv(CarChainTask):
    """State ``[x1, v1, .., x5, v5]`` in m, m/s; action: acceleration of car 4 in m/s^2; 80 steps of 0.05 s.

    Reward ``-v4 max(a, 0)``, and ``-500 / gap`` for each neighbour nearer than 2.99 m. A violation is a gap below the
    2 m of the paper's barrier. All cars start at 30 m/s. The paper's observation holds accelerations too, and no
    scales.
    """

    max_steps = MAX_STEPS

    def __init__(self) -> None:
        super().__init__(DT, MIN_GAP)
        self.action_space = spaces.Box(-MAX_ACCELERATION, MAX_ACCELERATION, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = self.start_state(CRUISING_SPEED)
        return self.begin()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        acceleration = float(np.clip(action[0], -MAX_ACCELERATION, MAX_ACCELERATION))
        self.advance(move, TRUE, acceleration)
        near = np.abs(self.gaps[self.gaps < NEAR_GAP])
        return self.finish(float(-self.state[7] * max(acceleration, 0.0) - (NEAR_COST / near).sum()))


class ChengCarFollowingBarrier(BarrierObservation):
    r"""Keeps 2 m to both neighbours for all drivers between the nominal and the true ones.

    Car 3 brakes with up to 120 m/s^2, we with 100, so rows about the gap to it would be infeasible at times. As in
    :class:`~sb3_barriernet.envs.literature.EmamCarsBarrier`, protected is a slot behind the smoothly driving car 1,
    ``F + 2 <= p <= R - 2`` with ``p = x1 - x4``: over all drivers of a grid between the nominal and the true ones,
    car 3 stays at most ``F`` behind car 1, car 5 at least ``R``.

    The rows speak about ``q = p + T p'``. A step is ``p'+ = p' + a dt``, ``p+ = p + p'+ dt + a dt^2 / 2``, so
    ``y = p - p' dt / 2`` obeys ``y+ = y + p'+ dt``. Within limits ``q`` therefore keeps ``y`` within, and ``p`` lies
    between the two. The next ``q`` is affine in cruise gain and drag: rows for the four extreme pairs hold for all
    between.

    :param env: a :class:`ChengCarFollowingEnv`
    :param lead_time: ``T``, s. With 0.2 s and less, 100 m/s^2 do not suffice everywhere in the slot.
    :param gamma: share of the barrier that one step may use up
    """

    def __init__(self, env: gym.Env, lead_time: float = 0.3, gamma: float = 0.5):
        front, rear = find_slot(move, grid_of_drivers(), DT, MAX_STEPS)
        slot = (front + SLOT_RESERVE, rear - SLOT_RESERVE)
        extremes = product((NOMINAL.cruise, TRUE.cruise), (NOMINAL.drag, TRUE.drag))
        models = [_barrier(cruise, drag, slot, lead_time, gamma) for cruise, drag in extremes]
        super().__init__(env, StackedBarrier(models), lambda env: (env.slot_state,))


def grid_of_drivers() -> Drivers:
    """Drivers ``(B,)`` from the nominal to the true ones."""
    axes = [np.linspace(low, high, NUM_GAINS) for low, high in zip(NOMINAL, TRUE, strict=True)]
    return Drivers(*(axis.ravel() for axis in np.meshgrid(*axes)))


def move(
    x: np.ndarray, v: np.ndarray, time: float, drivers: Drivers, acceleration: float
) -> tuple[np.ndarray, np.ndarray]:
    """One step of positions and speeds ``(..., 5)``; car 4 has nothing but our acceleration and the drag."""
    a = accelerations(x, v, time, drivers, rear_gap=12.0, rear_share=0.5)
    a[..., 3] = acceleration - drivers.drag * v[..., 3]
    faster = v + DT * a
    return x + DT * faster + 0.5 * DT**2 * a, faster


def _barrier(cruise: Gain, drag: Gain, slot: tuple[float, float], lead_time: float, gamma: float) -> OneStepBarrier:
    x1, v1, x4, v4, time, acceleration = sp.symbols("x1 v1 x4 v4 time acceleration", real=True)
    a1 = cruise * (desired_speed_of_car_1(time) - v1) - drag * v1
    a4 = acceleration - drag * v4
    faster1, faster4 = v1 + DT * a1, v4 + DT * a4
    step = [
        x1 + DT * faster1 + 0.5 * DT**2 * a1,
        faster1,
        x4 + DT * faster4 + 0.5 * DT**2 * a4,
        faster4,
        time + DT,
    ]
    lead = x1 - x4 + lead_time * (v1 - v4)
    return OneStepBarrier(
        OneStepMap([x1, v1, x4, v4, time], [acceleration], step),
        [lead - MIN_GAP - slot[0], slot[1] - MIN_GAP - lead],
        gamma,
    )
