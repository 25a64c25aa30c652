"""The pendulum of Cheng et al. 2019 (RL-CBF): stay within one radian although the model is 40 % off."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import gymnasium as gym
import numpy as np
import sympy as sp
from gymnasium import spaces

from sb3_barriernet.barriers.one_step_barrier import OneStepBarrier
from sb3_barriernet.barriers.stacked_barrier import StackedBarrier
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.literature.task import LiteratureTask
from sb3_barriernet.systems.one_step import OneStepMap

ANGLE_LIMIT = 1.0  # rad
START_ANGLE = 0.8  # rad
START_SPEED = 0.5  # rad/s
MAX_TORQUE = 15.0  # N m
MAX_SPEED = 60.0  # rad/s
DT = 0.05  # s
GRAVITY = 10.0  # m/s^2
TRUE_SIZE, NOMINAL_SIZE = 1.0, 1.4  # mass in kg and length in m, which are equal
MAX_STEPS = 200


class ChengPendulumEnv(LiteratureTask):
    """State ``[theta, omega]`` in rad from upright, rad/s; observation ``[cos, sin, omega]``; action: torque, N m.

    Reward ``-(theta^2 + 0.1 omega^2 + 0.001 torque^2)``; 200 steps of 0.05 s, speed first. The paper leaves the
    initial speed open; here it is uniform within 0.5 rad/s.
    """

    max_steps = MAX_STEPS

    def __init__(self) -> None:
        top = np.array([1.0, 1.0, MAX_SPEED], dtype=np.float32)
        self.observation_space = spaces.Box(-top, top)
        self.action_space = spaces.Box(-MAX_TORQUE, MAX_TORQUE, (1,), np.float32)
        self.state = np.zeros(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = self.np_random.uniform([-START_ANGLE, -START_SPEED], [START_ANGLE, START_SPEED])
        return self.begin()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        theta, omega = self.state.tolist()
        torque = float(np.clip(action[0], -MAX_TORQUE, MAX_TORQUE))
        reward = -(theta**2 + 0.1 * omega**2 + 0.001 * torque**2)
        fall, push = coefficients(TRUE_SIZE, TRUE_SIZE)
        faster = omega + (fall * math.sin(theta) + push * torque) * DT
        omega = min(max(faster, -MAX_SPEED), MAX_SPEED)
        self.state = np.array([theta + omega * DT, omega])
        return self.finish(reward)

    def clearance(self) -> float:
        return ANGLE_LIMIT - abs(float(self.state[0]))

    def observation(self) -> np.ndarray:
        theta, omega = self.state
        return np.array([np.cos(theta), np.sin(theta), omega], dtype=np.float32)


class ChengPendulumBarrier(BarrierObservation):
    """Keeps ``|theta| <= 1`` for every pendulum between the nominal and the true one.

    The next state is affine in the two coefficients of the dynamics, so rows for the four extreme pairs of them hold
    for everything between: no bound on a disturbance is needed, and none would do, because the error of the nominal
    model grows with the torque to more than its whole effect.

    :param env: a :class:`ChengPendulumEnv`
    :param lead_time: the angle protected is ``theta + lead_time omega``, s. The weakest model must stop a pole of the
        fastest kind within it: 0.3 s is enough, 0.25 s is not.
    :param gamma: share of the barrier that one step may use up
    """

    def __init__(self, env: gym.Env, lead_time: float = 0.3, gamma: float = 0.5):
        extremes = product(
            *zip(coefficients(TRUE_SIZE, TRUE_SIZE), coefficients(NOMINAL_SIZE, NOMINAL_SIZE), strict=True)
        )
        barrier = StackedBarrier([_barrier(fall, push, lead_time, gamma) for fall, push in extremes])
        super().__init__(env, barrier, lambda env: (env.state,))


def coefficients(mass: float, length: float) -> tuple[float, float]:
    """What multiplies ``sin(theta)`` and the torque in ``omega'``."""
    return 1.5 * GRAVITY / length, 3.0 / (mass * length**2)


def _barrier(fall: float, push: float, lead_time: float, gamma: float) -> OneStepBarrier:
    theta, omega, torque = sp.symbols("theta omega torque", real=True)
    faster = omega + (fall * sp.sin(theta) + push * torque) * DT
    lead = theta + lead_time * omega
    return OneStepBarrier(
        OneStepMap([theta, omega], [torque], [theta + faster * DT, faster]),
        [ANGLE_LIMIT - lead, ANGLE_LIMIT + lead],
        gamma,
    )
