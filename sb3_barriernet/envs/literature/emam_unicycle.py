"""The unicycle of Emam et al. 2021: to a goal among five discs, against a drag that the model does not have."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import sympy as sp
from gymnasium import spaces

from sb3_barriernet.barriers.geometry import outside_disc
from sb3_barriernet.barriers.symbolic_barrier import SymbolicBarrier
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.literature.task import LiteratureTask
from sb3_barriernet.systems.control_affine import ControlAffineSystem

DT = 0.02  # s
DRAG = 0.1  # m/s
MAX_STEPS = 1000
ARENA = 3.0  # m, half
GOAL, GOAL_RADIUS = np.array([2.5, 2.5]), 0.3  # m
DISCS = 1.5 * np.array([[0.0, 0.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]])  # m
DISC_RADIUS = 0.6  # m
STARTS = np.array([[-2.5, -2.5, 0.0], [-2.5, 2.5, 0.0], [-2.5, 0.0, 0.0], [2.5, -2.5, math.pi / 2]])  # m, m, rad
ROUND_OFF_ALLOWANCE = 1e-5  # m
FARTHEST = 25.0  # m: 20 s at 1.1 m/s from any start


class EmamUnicycleEnv(LiteratureTask):
    """State ``[x, y, theta]`` in m, m, rad; action ``[v, omega]`` within 1 m/s and 1 rad/s.

    A step of 0.02 s adds ``dt g(theta) u`` and then takes ``dt 0.1 cos(theta+)`` off along the new heading. Reward:
    how much nearer the goal came, and 1 for reaching it. Observation: ``x, y, cos, sin``, the unit direction to the
    goal in the robot's frame, and ``exp(-distance)``.

    :param random_start: start from one of the paper's four poses instead of the first
    """

    max_steps = MAX_STEPS

    def __init__(self, random_start: bool = False):
        top = np.array([FARTHEST, FARTHEST, 1.0, 1.0, 1.0, 1.0, 1.0], dtype=np.float32)
        self.observation_space = spaces.Box(-top, top)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.random_start = random_start
        self.state = STARTS[0].copy()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = STARTS[self.np_random.integers(len(STARTS)) if self.random_start else 0].copy()
        return self.begin()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        v, omega = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        before = self._distance()
        theta = self.state[2]
        self.state = self.state + DT * np.array([v * math.cos(theta), v * math.sin(theta), omega])
        heading = np.array([math.cos(self.state[2]), math.sin(self.state[2])])
        self.state[:2] -= DT * DRAG * heading[0] * heading
        return self.finish(before - self._distance() + float(self.reached_goal()))

    def clearance(self) -> float:
        return float(np.linalg.norm(DISCS - self.state[:2], axis=1).min() - DISC_RADIUS)

    def reached_goal(self) -> bool:
        return self._distance() <= GOAL_RADIUS

    def observation(self) -> np.ndarray:
        x, y, theta = self.state
        cos, sin = math.cos(theta), math.sin(theta)
        distance = self._distance()
        dx, dy = (GOAL - self.state[:2]) / max(distance, 1e-9)
        compass = (cos * dx + sin * dy, cos * dy - sin * dx)
        return np.array([x, y, cos, sin, *compass, math.exp(-distance)], dtype=np.float32)

    def _distance(self) -> float:
        return float(np.linalg.norm(GOAL - self.state[:2]))


class EmamUnicycleBarrier(BarrierObservation):
    r"""Keeps the centre out of the discs whatever the drag, which the model knows only to be at most 0.1 m/s.

    Protected is a point ``q`` at ``l`` ahead of the centre, ``|q - o| >= 0.6 + l``. One step moves it by
    ``dt (G u + w e(theta))`` with ``|w| <= 0.1``, a disturbance of the action ``v``, up to two remainders: the turn
    of the offset leaves its tangent by at most ``l (omega dt)^2 / 2``, and the drag points along the *new* heading,
    at most ``omega dt`` away from the old. Distances to discs are convex with unit gradient, hence the row with

    .. math:: \mathrm{margin} = \tfrac12 l\,\omega_{\max}^2 dt + 0.1\,\omega_{\max} dt

    keeps ``q`` safe at every step. It is feasible as long as turning can make up for it, ``l omega_max >= margin``.

    :param env: an :class:`EmamUnicycleEnv`
    :param alpha: class-K gain, 1/s, at most 50
    :param look_ahead: ``l``, m
    """

    def __init__(self, env: gym.Env, alpha: float = 5.0, look_ahead: float = 0.03):
        x, y, theta, v, omega = sp.symbols("x y theta v omega", real=True)
        ox, oy = sp.symbols("ox oy", real=True)
        system = ControlAffineSystem(
            (x, y, theta),
            (v, omega),
            f=[0, 0, 0],
            g=[[sp.cos(theta), 0], [sp.sin(theta), 0], [0, 1]],
            action_low=-1.0,
            action_high=1.0,
            dt=DT,
            integrator="euler",
            bounds={x: (-ARENA, ARENA), y: (-ARENA, ARENA), theta: (-math.pi, math.pi)},
            name="unicycle to goal",
            source="Emam et al. 2021",
        )
        point = (x + look_ahead * sp.cos(theta), y + look_ahead * sp.sin(theta))
        barrier = SymbolicBarrier(
            system,
            outside_disc(point, (ox, oy), DISC_RADIUS + look_ahead + ROUND_OFF_ALLOWANCE),
            alpha,
            parameters=(ox, oy),
            copies=len(DISCS),
            margin=0.5 * look_ahead * DT + DRAG * DT,
            disturbance={v: DRAG},
        )
        super().__init__(env, barrier, lambda env: (env.state, DISCS))
