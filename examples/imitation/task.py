"""What a task is, and how it is driven."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch as th

from sb3_barriernet import project
from sb3_barriernet.rows import split_rows

Controller = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""States ``(B, N)`` and their rows ``(B, K, M + 2)`` to actions ``(B, M)``."""


class ImitationTask(ABC):
    """A system in Euler steps, rows that are right for such steps, and an expert; everything takes batches.

    The last gain of every row is 1, its greatest value: the share of ``psi`` that one step may use up is left to
    whoever projects, ``0 < kappa <= 1``, and every choice keeps the system safe, a new one at every step too.
    """

    name: str
    dt = 0.1  # s
    num_steps: int
    learning_steps: int
    """Gradient steps of a network that learns it, at least as many as the paper's."""
    low: np.ndarray
    high: np.ndarray
    num_rows: int
    expert_kappa: float
    """The expert's gain."""
    hidden: tuple[int, int]
    """Widths of the network's trunk and of each of its branches, those of the paper."""

    @property
    @abstractmethod
    def published_start(self) -> np.ndarray:
        """Where the paper's test begins, ``(N,)``."""

    @abstractmethod
    def starts(self, num: int, rng: np.random.Generator) -> np.ndarray:
        """States ``(num, N)`` to begin at, spread around the published one."""

    @abstractmethod
    def step(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The next states ``(B, N)``."""

    @abstractmethod
    def rows(self, x: np.ndarray) -> np.ndarray:
        """Barrier rows ``(B, K, M + 2)``."""

    @abstractmethod
    def intention(self, x: np.ndarray) -> np.ndarray:
        """What the expert would do if nothing were in the way, ``(B, M)``."""

    @abstractmethod
    def clearance(self, x: np.ndarray) -> np.ndarray:
        """Metres to a violation ``(B,)``, from geometry alone."""

    @abstractmethod
    def published_measure(self, x: np.ndarray) -> float:
        """Of one drive ``(T, N)``, the number that the paper reports, in its unit."""

    def expert(self, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The intention, corrected as little as the rows ask for: a quadratic program at every step."""
        return self.filtered(self.intention(x), rows)

    def filtered(self, u_nom: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The closest actions ``(B, M)`` that satisfy the rows at the expert's gain."""
        A, c = (th.from_numpy(part) for part in split_rows(rows, self.expert_kappa))
        return project(th.from_numpy(u_nom), A, c, self.low, self.high).action.numpy()


class Drive(NamedTuple):
    """``B`` drives of ``T`` steps."""

    states: np.ndarray
    """``(T + 1, B, N)``"""
    actions: np.ndarray
    """``(T, B, M)``"""


def drive(task: ImitationTask, controller: Controller, starts: np.ndarray) -> Drive:
    """Let a controller drive from ``starts (B, N)`` to the end of the task."""
    states, actions = [starts], []
    for _ in range(task.num_steps):
        x = states[-1]
        actions.append(np.clip(controller(x, task.rows(x)), task.low, task.high))
        states.append(task.step(x, actions[-1]))
    return Drive(np.stack(states), np.stack(actions))
