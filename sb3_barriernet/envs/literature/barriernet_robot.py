"""The 2D robot of BarrierNet (Xiao et al. 2023): past a disc to a goal, steering and accelerating."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_barriernet.barriers.one_step_barrier import SHRINK
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.literature.task import LiteratureTask
from sb3_barriernet.errors import GainError

DT = 0.1  # s
MAX_STEPS = 137
START = np.array([5.0, 15.0, 0.0, 2.0])  # m, m, rad, m/s
OBSTACLE = np.array([40.0, 15.0])  # m
GOAL, GOAL_RADIUS, GOAL_REWARD = np.array([55.0, 15.0]), 1.0, 10.0  # m, m
EFFORT_COST = 0.02
MAX_TURN_RATE, MAX_ACCELERATION, MAX_SPEED = 1.0, 2.5, 5.0  # rad/s, m/s^2, m/s
LENGTH_SCALE = 50.0  # m

OBSERVATION_LIMIT = 2.5
"""Of a scaled observation: in 13.7 s the robot gets at most 68.5 m away from the start, 118.5 m from the goal."""


class BarrierNetRobotEnv(LiteratureTask):
    """State ``[x, y, theta, v]`` in m, m, rad, m/s; action ``[omega, a]`` within 1 rad/s and 2.5 m/s^2.

    Euler steps of 0.1 s, 137 of them; the speed stays within 0 and 5 m/s. Start, obstacle and episode are the
    paper's. There, networks imitate an optimal controller; to make it a task for reinforcement learning, the goal
    (55, 15) behind the obstacle, the boxes of action and speed and the reward are ours: the decrease of the distance
    to the goal, 10 for coming within 1 m, less 0.02 for each action squared in units of its range.
    Observation: position relative to the obstacle and distance to the goal over 50 m, ``cos``, ``sin``, speed over 5
    m/s.

    :param obstacle_radius: m; the paper trains with 6 and tests up to 10
    """

    max_steps = MAX_STEPS

    def __init__(self, obstacle_radius: float = 6.0):
        self.observation_space = spaces.Box(-OBSERVATION_LIMIT, OBSERVATION_LIMIT, (6,), np.float32)
        top = np.array([MAX_TURN_RATE, MAX_ACCELERATION], dtype=np.float32)
        self.action_space = spaces.Box(-top, top)
        self.obstacle_radius = obstacle_radius
        self.state = START.copy()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = START.copy()
        return self.begin()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        top = np.array([MAX_TURN_RATE, MAX_ACCELERATION])
        action = np.clip(np.asarray(action, dtype=np.float64), -top, top)
        before = self._distance()
        self.state = move(self.state, action)
        reward = before - self._distance() - EFFORT_COST * float(((action / top) ** 2).sum())
        return self.finish(reward + GOAL_REWARD * self.reached_goal())

    def clearance(self) -> float:
        return float(np.linalg.norm(self.state[:2] - OBSTACLE)) - self.obstacle_radius

    def reached_goal(self) -> bool:
        return self._distance() <= GOAL_RADIUS

    def observation(self) -> np.ndarray:
        x, y, theta, v = self.state
        there = (np.array([x, y]) - OBSTACLE) / LENGTH_SCALE
        scaled = (*there, self._distance() / LENGTH_SCALE, math.cos(theta), math.sin(theta), v / MAX_SPEED)
        return np.array(scaled, dtype=np.float32)

    def _distance(self) -> float:
        return float(np.linalg.norm(self.state[:2] - GOAL))


def move(state: np.ndarray, action: np.ndarray) -> np.ndarray:
    """One Euler step of states ``(..., 4)`` under actions ``(..., 2)``; the speed ends at its limits."""
    x, y, theta, v = np.moveaxis(state, -1, 0)
    omega, a = np.moveaxis(action, -1, 0)
    faster = np.clip(v + DT * a, 0.0, MAX_SPEED)
    return np.stack([x + DT * v * np.cos(theta), y + DT * v * np.sin(theta), theta + DT * omega, faster], axis=-1)


class DiscAheadBarrier:
    r"""Rows that keep the Euler-stepped robot out of a disc ``(o, R)``, and its speed within limits.

    The position answers to the action after two steps: ``q+ = q + dt V``, ``q++ = q+ + dt V+`` with the velocity
    ``V = v e(theta)``. Along the one-step chain (``docs/theory.md``, (3)) with ``h = |q - o| - R``,

    .. math:: \psi = h(q^+) - (1-\gamma_1) h(q), \qquad
              \psi^+ = h(q^{++}) - (1-\gamma_1) h(q^+) \ge \gamma_1 h(q^+) + dt\; n \cdot V^+,

    where ``n`` points from the disc to ``q+``, because a distance is convex. In ``n . V+ = (v + a dt) cos(delta +
    omega dt)``, ``delta`` between ``n`` and the heading, the action enters curved; dropping what is bilinear leaves
    the tangent, of which at most

    .. math:: dt\,|\omega| \left(a_{\max} dt\,|\sin\delta| + \tfrac12 v_{\max}\,\omega_{\max} dt\right)

    is missing as long as ``0 <= v+ <= v_max``, which two more rows ask for. An absolute value is two rows, one for
    each side that the robot may turn to. So there are no margins but those of the turn rate itself.

    *Feasibility.* In every state with ``psi >= 0`` the action ``omega = 0``, ``a = -gamma_1 v / dt`` satisfies every
    row while the robot nears the disc, as does coasting when it recedes: by convexity ``dt n . V >= h(q+) -
    h(q)``, so ``psi+ >= psi``. That takes ``gamma_1 <= a_max dt / v_max``.

    :param radius: ``R``, m
    :param gammas: ``gamma_1``, ``gamma_2``: shares of ``h`` and of ``psi`` that one step may use up
    :raises GainError: if the brake is too weak for ``gamma_1``
    """

    action_dim = 2
    num_rows = 4

    def __init__(self, radius: float, gammas: tuple[float, float]):
        strongest = MAX_ACCELERATION * DT / MAX_SPEED
        if not (0.0 < gammas[0] <= strongest and 0.0 < gammas[1] <= 1.0):
            raise GainError(
                f"Found gammas = {gammas}; expected 0 < gamma_1 <= {strongest:g}, which the brakes can follow, and "
                f"0 < gamma_2 <= 1. Try ({strongest:g}, 0.5)."
            )
        self.radius, self.gammas = radius + SHRINK, gammas

    def rows(self, state: np.ndarray) -> np.ndarray:
        """Rows ``(..., 4, 4)`` at states ``(..., 4)``: turning left, turning right, least speed, greatest speed."""
        v, along, across, next_h, psi = self._geometry(state)
        unknown = DT**2 * (MAX_ACCELERATION * DT * np.abs(across) + 0.5 * MAX_SPEED * MAX_TURN_RATE * DT)
        turn, push = -(DT**2) * v * across, DT**2 * along
        drift = self.gammas[0] * next_h + DT * v * along - psi
        restoring = self.gammas[1] * np.maximum(psi, 0.0)
        zero, dt = np.zeros_like(v), np.full_like(v, DT)
        rows = [
            [turn - unknown, push, drift, restoring],
            [turn + unknown, push, drift, restoring],
            [zero, dt, zero, v],
            [zero, -dt, zero, MAX_SPEED - v],
        ]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    def start_values(self, state: np.ndarray) -> np.ndarray:
        """``[h, psi]``, ``(..., 2)``."""
        h = np.linalg.norm(state[..., :2] - OBSTACLE, axis=-1) - self.radius
        return np.stack([h, self._geometry(state)[-1]], axis=-1)

    def _geometry(self, state: np.ndarray) -> tuple[np.ndarray, ...]:
        """Speed, ``cos`` and ``sin`` of ``delta``, ``h(q+)`` and ``psi``."""
        q, theta, v = state[..., :2] - OBSTACLE, state[..., 2], state[..., 3]
        heading = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
        next_q = q + DT * v[..., None] * heading
        distance = np.linalg.norm(next_q, axis=-1)
        n = next_q / distance[..., None]
        along = (n * heading).sum(axis=-1)
        across = n[..., 0] * heading[..., 1] - n[..., 1] * heading[..., 0]
        next_h = distance - self.radius
        psi = next_h - (1.0 - self.gammas[0]) * (np.linalg.norm(q, axis=-1) - self.radius)
        return v, along, across, next_h, psi


class BarrierNetRobotBarrier(BarrierObservation):
    """Keeps the robot out of the obstacle and its speed within limits, see :class:`DiscAheadBarrier`.

    :param env: a :class:`BarrierNetRobotEnv`
    :param gammas: shares of ``h`` and of ``psi`` that one step may use up
    """

    def __init__(self, env: gym.Env, gammas: tuple[float, float] = (0.05, 0.5)):
        radius = env.get_wrapper_attr("obstacle_radius")
        super().__init__(env, DiscAheadBarrier(radius, gammas), lambda env: (env.state,))
