"""A network that ends in a barrier layer, and those that it is measured against; all the size of the paper's.

Each maps states ``(B, N)`` and their rows to actions ``(B, M)``; what it sees are the states alone, standardised.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch as th
from torch import Tensor, nn

from examples.imitation.task import ImitationTask
from sb3_barriernet import BarrierLayer, Projection, ProjectionLayer

MAX_PENALTY = 4.0  # 1/s, of the paper's gains


class Standardise(nn.Module):
    """Inputs in units of their own spread, as the paper has them."""

    mean: Tensor
    std: Tensor

    def __init__(self, states: np.ndarray):
        super().__init__()
        self.register_buffer("mean", th.from_numpy(states.mean(axis=0)))
        std = states.std(axis=0)
        self.register_buffer("std", th.from_numpy(np.where(std > 0.0, std, 1.0)))

    def forward(self, states: Tensor) -> Tensor:
        return (states - self.mean) / self.std


class PlainNetwork(nn.Module):
    """Nothing but a network, as wide as the trunk and both branches of :class:`BarrierNetwork` together."""

    def __init__(self, task: ImitationTask, states: np.ndarray):
        super().__init__()
        trunk, branch = task.hidden
        inputs = Standardise(states), *_layers(states.shape[-1], trunk)
        self.net = nn.Sequential(*inputs, *_head(trunk, 2 * branch, len(task.low)))

    def forward(self, states: Tensor, rows: Tensor) -> Tensor:
        return self.net(states)


class BarrierNetwork(nn.Module):
    """A trunk, one branch for the nominal action and one for the gain, then the layer that projects."""

    def __init__(self, task: ImitationTask, states: np.ndarray):
        super().__init__()
        trunk, branch = task.hidden
        self.trunk = nn.Sequential(Standardise(states), *_layers(states.shape[-1], trunk))
        self.nominal = nn.Sequential(*_head(trunk, branch, len(task.low)))
        self.gain = nn.Sequential(*_head(trunk, branch, 1))
        self.layer = BarrierLayer(task.num_rows, task.low, task.high, initial_kappa=0.5, max_kappa=1.0)

    def forward(self, states: Tensor, rows: Tensor) -> Tensor:
        return self.project(states, rows).action

    def project(self, states: Tensor, rows: Tensor) -> Projection:
        """The action with its status."""
        hidden = self.trunk(states)
        return self.layer(self.nominal(hidden), rows, self.gain(hidden))


class PublishedNetwork(nn.Module):
    """The paper's design: both gains of a chain come from the network, ``p = 4 sigmoid(.)``.

    For the rows of :class:`~examples.imitation.robot_2d.Robot2DAsPublished`.
    """

    def __init__(self, task: ImitationTask, states: np.ndarray):
        super().__init__()
        trunk, branch = task.hidden
        self.trunk = nn.Sequential(Standardise(states), *_layers(states.shape[-1], trunk))
        self.nominal = nn.Sequential(*_head(trunk, branch, len(task.low)))
        self.gains = nn.Sequential(*_head(trunk, branch, 2))
        self.projection = ProjectionLayer(task.low, task.high)

    def forward(self, states: Tensor, rows: Tensor) -> Tensor:
        hidden = self.trunk(states)
        p = MAX_PENALTY * th.sigmoid(self.gains(hidden))
        return self.projection(self.nominal(hidden), *published_row(rows, p)).action


def published_row(rows: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """``A (B, 1, M)`` and ``c (B, 1)`` of columns ``[LgLf b | Lf^2 b | b' | b]`` and gains ``(B, 2)``."""
    curvature, rate, b = rows[..., -3:].unbind(dim=-1)
    return rows[..., :-3], curvature + p.sum(dim=1, keepdim=True) * rate + p.prod(dim=1, keepdim=True) * b


def _layers(*sizes: int) -> list[nn.Module]:
    return [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b, dtype=th.float64), nn.ReLU())]


def _head(inputs: int, hidden: int, outputs: int) -> list[nn.Module]:
    return [*_layers(inputs, hidden), nn.Linear(hidden, outputs, dtype=th.float64)]
