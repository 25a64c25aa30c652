"""Imitation: what the expert did, and networks that learn to do the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch as th
from torch import nn

from examples.imitation.task import Controller, ImitationTask, drive

LEARNING_RATE = 3e-3
BATCH_SIZE = 128


class Demonstrations(NamedTuple):
    """``D`` state-action pairs of an expert."""

    states: np.ndarray
    """``(D, N)``"""
    actions: np.ndarray
    """``(D, M)``"""


def demonstrate(task: ImitationTask, starts: np.ndarray) -> Demonstrations:
    """What the task's expert does from ``starts (B, N)``, ``D = B T`` pairs."""
    states, actions = drive(task, task.expert, starts)
    return Demonstrations(states[:-1].reshape(-1, states.shape[-1]), actions.reshape(-1, actions.shape[-1]))


def imitate(network: nn.Module, task: ImitationTask, shown: Demonstrations, *, steps: int, seed: int) -> None:
    """Fit a network to demonstrations: mean squared error of the action that it finally takes, Adam.

    The learning rate falls to zero along a cosine. Where the network projects, the gradient comes through the
    projection, to the nominal action and to the gain.
    """
    states, actions, rows = (th.from_numpy(part) for part in (*shown, task.rows(shown.states)))
    optimizer = th.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    schedule = th.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    generator = th.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = th.randint(len(states), (BATCH_SIZE,), generator=generator)
        optimizer.zero_grad()
        nn.functional.mse_loss(network(states[batch], rows[batch]), actions[batch]).backward()
        optimizer.step()
        schedule.step()


def controller(network: nn.Module) -> Controller:
    """Let a network drive."""

    @th.no_grad()
    def act(states: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return network(th.from_numpy(states), th.from_numpy(rows)).numpy()

    return act
