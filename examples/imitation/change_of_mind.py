"""Why only the last gain of a chain is learned: gains that change, and what is left of the barrier.

The robot heads for the disc. Its gains are the greatest at first, which lets it come fast, and small from 3 m before
the disc on, which should make it careful. A network may choose both, in either design.
"""

from __future__ import annotations

import numpy as np
import torch as th

from examples.imitation.networks import MAX_PENALTY, published_row
from examples.imitation.robot_2d import Robot2D, Robot2DAsPublished
from examples.imitation.task import Controller, drive
from sb3_barriernet import project
from sb3_barriernet.rows import split_rows

PLACE = 3.0  # m before the disc
CAREFUL = 0.01
"""Of the greatest gain."""
ACCELERATION = 1.0  # m/s^2


def last_gain_changes(radius: float) -> float:
    """Least clearance, m, where the last gain alone changes: ``{psi_1 >= 0}`` is the same under every one."""
    task = Robot2D(radius)

    def act(states: np.ndarray, rows: np.ndarray) -> np.ndarray:
        A, c = split_rows(rows, _gains(task, states, CAREFUL)[:, None])
        return project(_ahead(states), th.from_numpy(A), th.from_numpy(c), task.low, task.high).action.numpy()

    return _least_clearance(task, act)


def both_gains_change(radius: float, careful: float = CAREFUL) -> float:
    """Least clearance, m, in the paper's design: what was safe under the gains of before is not under those of now.

    :param careful: share of the greatest gains that is left near the disc; with 1 they stay as they are
    """
    task = Robot2DAsPublished(radius)

    def act(states: np.ndarray, rows: np.ndarray) -> np.ndarray:
        p = MAX_PENALTY * th.from_numpy(_gains(task, states, careful))[:, None].expand(-1, 2)
        return project(_ahead(states), *published_row(th.from_numpy(rows), p), task.low, task.high).action.numpy()

    return _least_clearance(task, act)


def _gains(task: Robot2D, states: np.ndarray, careful: float) -> np.ndarray:
    """Shares of the greatest gain ``(B,)``."""
    return np.where(task.clearance(states) > PLACE, 1.0, careful)


def _ahead(states: np.ndarray) -> th.Tensor:
    return th.tensor([[0.0, ACCELERATION]], dtype=th.float64).expand(len(states), 2)


def _least_clearance(task: Robot2D, act: Controller) -> float:
    return float(task.clearance(drive(task, act, task.published_start[None]).states).min())
