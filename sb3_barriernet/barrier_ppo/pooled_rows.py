"""Barrier rows as a set."""

from __future__ import annotations

import torch as th
from torch import nn

POOL_WIDTH = 32
"""Width of the network that every row passes."""


class PooledRows(nn.Module):
    """A small network for each row, then greatest and mean over the rows (deep sets, Zaheer et al. 2017).

    What comes out does not depend on the order of the rows, nor its width on their number. It passes the network for
    every row of every sample, which about doubles the time of PPO's update of a small policy.

    :param row_dim: features of a row, ``M + 1``
    """

    features_dim = 2 * POOL_WIDTH

    def __init__(self, row_dim: int):
        super().__init__()
        self.row_dim = row_dim
        self.net = nn.Sequential(
            nn.Linear(row_dim, POOL_WIDTH), nn.Tanh(), nn.Linear(POOL_WIDTH, POOL_WIDTH), nn.Tanh()
        )

    def forward(self, features: th.Tensor) -> th.Tensor:
        """``(B, 64)`` out of the features of all rows, ``(B, K (M + 1))``."""
        seen = self.net(features.unflatten(1, (-1, self.row_dim)))
        return th.cat([seen.amax(dim=1), seen.mean(dim=1)], dim=1)
