"""The cars of Emam et al. 2021: stay between two neighbours that brake harder than we can, and than the model says."""

from __future__ import annotations

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
    accelerations,
    desired_speed_of_car_1,
    find_slot,
)
from sb3_barriernet.systems.one_step import OneStepMap

DT = 0.02  # s
MAX_STEPS = 300
CRUISE, BRAKE = 4.0, 20.0  # 1/s, 1/s^2
TRUE_FACTOR = 1.1  # of all accelerations but our own push; the model says 1
MAX_PUSH = 50.0  # m/s^2
MIN_GAP = 2.99  # m
SPEED_SPREAD, MAX_SPEED_DRAW = 0.5, 3.0  # m/s
OWN_START_SPEED = 35.0  # m/s

NUM_FACTORS = 101
SLOT_RESERVE = 0.2
"""Of the slot's front, m: what the ramp at the start lags behind, and traffic between the factors tried."""
RAMP = 12.0
"""How fast the slot's front comes into force, m/s; the weakest full brake makes 13."""


class EmamCarsEnv(CarChainTask):
    """State ``[x1, v1, .., x5, v5]`` in m, m/s; action: push of car 4, in units of 50 m/s^2; 300 steps of 0.02 s.

    Reward ``-5 u^2 / 300``. A violation is a gap below 2.99 m, which costs 0.1 in the paper. The speed that the
    other cars share at the start is ``30 + N(0, 0.5)``, cut at six standard deviations here; car 4 starts at 35. The
    action is clipped to [-1, 1]; the paper's code declares this range but executes up to 10.
    """

    max_steps = MAX_STEPS

    def __init__(self) -> None:
        super().__init__(DT, MIN_GAP)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        draw = np.clip(self.np_random.normal(0.0, SPEED_SPREAD), -MAX_SPEED_DRAW, MAX_SPEED_DRAW)
        self.state = self.start_state(CRUISING_SPEED + draw)
        self.state[7] = OWN_START_SPEED
        return self.begin()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        push = float(np.clip(action[0], -1.0, 1.0))
        self.advance(move, drivers(TRUE_FACTOR), push)
        return self.finish(-5.0 * push**2 / MAX_STEPS)


class EmamCarsBarrier(BarrierObservation):
    r"""Keeps 2.99 m to both neighbours, for accelerations up to ``error`` off the model either way.

    *What cannot be promised.* Car 3 brakes with 132 m/s^2 for several steps in a row, we with 50: once close behind
    it, nothing helps, whatever the model. Rows about the gap to it are infeasible when it does.

    *What can.* Nobody reacts to us, and car 1 drives smoothly. For every factor from ``1 - error`` to ``1 + error``,
    tried on a grid from the paper's start, car 3 stays at most ``F = 15.04 m`` behind car 1 and car 5 at least ``R =
    24 m``. So protected is a slot behind car 1, ``F + 2.99 <= p <= R - 2.99`` with ``p = x1 - x4``; the rows know
    nothing of the other cars.

    The position answers a step late (relative degree 2), so the rows speak about ``p + T p'`` with the lead time
    ``T >= dt``, an Euler step's chain with the inner gain ``dt / T``: within limits it keeps ``p`` within. Its next
    value is affine in the factor; rows for both extremes hold for everything between.

    *Feasibility.* With ``T >= 1 / (4 (1 - error))``, at a limit the cruise control of our car pushes inwards, and
    full brake or push beats car 1, which needs at most 41 of the 50 m/s^2. Both limits leave a common action, because
    the slot is 2.8 m wide and a step takes less than ``gamma`` of that.

    *Start.* At 18 m and 5 m/s faster than car 1 we are not in the slot yet; neither is car 3 at its furthest. So the
    front limit of ``p + T p'`` starts at what every start satisfies and rises with 12 m/s. ``p`` follows it as
    a low-pass filter does, and stays above ``2.99 m`` plus what car 3 needs by then.

    :param env: an :class:`EmamCarsEnv`
    :param error: bound of the relative error of all modelled accelerations; 0 trusts the model
    :param lead_time: ``T``, s
    :param gamma: share of the barrier that one step may use up
    """

    def __init__(self, env: gym.Env, error: float = 0.1, lead_time: float = 0.28, gamma: float = 0.5):
        factors = np.linspace(1.0 - error, 1.0 + error, NUM_FACTORS)
        front, rear = find_slot(move, drivers(factors), DT, MAX_STEPS)
        models = [_barrier(factor, front, rear, lead_time, gamma) for factor in sorted({factors[0], factors[-1]})]
        super().__init__(env, StackedBarrier(models), lambda env: (env.slot_state,))


def drivers(factor: float | np.ndarray) -> Drivers:
    """The paper's drivers, all accelerations times a factor."""
    return Drivers(CRUISE * factor, BRAKE * factor)


def move(x: np.ndarray, v: np.ndarray, time: float, drivers: Drivers, push: float) -> tuple[np.ndarray, np.ndarray]:
    """One Euler step of positions and speeds ``(..., 5)``; car 4 has the cruise control of the others."""
    a = accelerations(x, v, time, drivers, rear_gap=13.0, rear_share=1.0)
    a[..., 3] += MAX_PUSH * push
    return x + DT * v, v + DT * a


def front_limit(front: sp.Expr | float, lead_time: float, time: sp.Expr) -> sp.Expr:
    """Of ``p + T p' - 2.99 m``: from what every start satisfies up to ``front`` and its reserve."""
    start = 18.0 - MIN_GAP - lead_time * (OWN_START_SPEED - CRUISING_SPEED + MAX_SPEED_DRAW) - 1e-3
    return sp.Min(start + RAMP * time, front + SLOT_RESERVE)


def _barrier(factor: float, front: float, rear: float, lead_time: float, gamma: float) -> OneStepBarrier:
    x1, v1, x4, v4, time, push = sp.symbols("x1 v1 x4 v4 time push", real=True)
    faster1 = v1 + DT * factor * CRUISE * (desired_speed_of_car_1(time) - v1)
    faster4 = v4 + DT * (factor * CRUISE * (CRUISING_SPEED - v4) + MAX_PUSH * push)
    lead = x1 - x4 + lead_time * (v1 - v4)
    return OneStepBarrier(
        OneStepMap([x1, v1, x4, v4, time], [push], [x1 + DT * v1, faster1, x4 + DT * v4, faster4, time + DT]),
        [lead - MIN_GAP - front_limit(front, lead_time, time), rear - MIN_GAP - lead],
        gamma,
    )
