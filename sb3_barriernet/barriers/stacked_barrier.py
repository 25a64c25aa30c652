"""Several barriers as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sb3_barriernet.barriers.gains import max_kappa
from sb3_barriernet.barriers.protocol import Barrier
from sb3_barriernet.errors import ConfigurationError, RowShapeError
from sb3_barriernet.rows import padding_rows


class StackedBarrier:
    """All rows of several barriers over the same actions; safe where all of them are.

    :param barriers: the barriers, in the order of their rows
    :param arguments: for each barrier the positions of its arguments among those of :meth:`rows`; by default
        every barrier takes all. A speed limit beside obstacles: ``arguments=[(0,), (0, 1)]``.
    :param num_rows: total with padding, where other environments have more rows; by default no padding
    :raises RowShapeError: if the barriers speak about different actions, or ``num_rows`` is too small
    """

    def __init__(
        self,
        barriers: Sequence[Barrier],
        arguments: Sequence[Sequence[int]] | None = None,
        num_rows: int | None = None,
    ):
        self.barriers = tuple(barriers)
        self.arguments = None if arguments is None else tuple(tuple(positions) for positions in arguments)
        needed = sum(barrier.num_rows for barrier in self.barriers)
        self._num_rows = needed if num_rows is None else int(num_rows)
        self._check(needed)

    @property
    def action_dim(self) -> int:
        """``M``."""
        return self.barriers[0].action_dim

    @property
    def action_box(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The actions that all barriers hold for; None if none of them is particular."""
        boxes = [box for box in (getattr(barrier, "action_box", None) for barrier in self.barriers) if box is not None]
        if not boxes:
            return None
        low, high = zip(*boxes, strict=True)
        return np.maximum.reduce(low), np.minimum.reduce(high)

    @property
    def num_rows(self) -> int:
        """``K``: the rows of all barriers, and padding."""
        return self._num_rows

    @property
    def max_kappa(self) -> float:
        """Largest scale of the restoring terms that all barriers permit."""
        return max_kappa(*self.barriers)

    def rows(self, *state: Any) -> np.ndarray:
        """Rows ``(..., K, M + 2)``."""
        parts = [barrier.rows(*chosen) for barrier, chosen in self._each(state)]
        missing = self.num_rows - sum(part.shape[-2] for part in parts)
        if missing:
            padding = padding_rows(missing, self.action_dim)
            parts.append(np.broadcast_to(padding, (*parts[0].shape[:-2], *padding.shape)))
        return np.concatenate(parts, axis=-2)

    def start_values(self, *state: Any) -> np.ndarray:
        """Start values of all barriers, ``(..., S)``."""
        return np.concatenate([barrier.start_values(*chosen) for barrier, chosen in self._each(state)], axis=-1)

    def _each(self, state: tuple[Any, ...]) -> list[tuple[Barrier, tuple[Any, ...]]]:
        positions = self.arguments or (tuple(range(len(state))),) * len(self.barriers)
        return [(b, tuple(state[i] for i in chosen)) for b, chosen in zip(self.barriers, positions, strict=True)]

    def _check(self, needed: int) -> None:
        if not self.barriers or (self.arguments is not None and len(self.arguments) != len(self.barriers)):
            found = None if self.arguments is None else len(self.arguments)
            raise ConfigurationError(
                f"Found {len(self.barriers)} barriers and {found} sets of arguments; expected at least one barrier, "
                "and one set of positions for each."
            )
        dims = [barrier.action_dim for barrier in self.barriers]
        if len(set(dims)) != 1:
            raise RowShapeError(f"Found barriers over {dims} actions; expected the same number in all of them.")
        if self.num_rows < needed:
            raise RowShapeError(
                f"Found num_rows = {self.num_rows} for barriers with {needed} rows; expected at least as many."
            )
