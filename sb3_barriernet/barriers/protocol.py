"""What the environment wrapper expects of a barrier."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Barrier(Protocol):
    """A map from state to rows (layout: :mod:`sb3_barriernet.rows`), vectorised over leading dimensions.

    A barrier that holds for certain actions only offers ``action_box``, their ``(low, high)``, each ``(M,)``; an
    environment whose actions reach further is refused.

    A barrier may also have a float ``max_kappa``: the largest scale of its restoring terms under which its proof
    holds, ``1 / (alpha dt)`` for most. Without it, 1 is assumed.
    """

    @property
    def action_dim(self) -> int:
        """``M``, the action dimension that the rows speak about."""

    @property
    def num_rows(self) -> int:
        """``K``, the fixed number of rows, padding included."""

    def rows(self, *state: Any) -> np.ndarray:
        """Rows ``(..., K, M + 2)`` at a state."""

    def start_values(self, *state: Any) -> np.ndarray:
        """Values ``(..., H)`` that must all be ``>= 0`` at the start for the rows to keep the system safe."""
