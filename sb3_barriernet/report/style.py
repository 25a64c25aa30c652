"""One look for all figures, readable in print and by the colour-blind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

# Okabe & Ito (2008), distinguishable under all common colour-vision deficiencies, and in grey.
COLORS = {"barrierppo": "#0072B2", "ppo": "#D55E00", "ppo+filter": "#009E73"}
LINES = {"barrierppo": "-", "ppo": "--", "ppo+filter": ":"}
LABELS = {"barrierppo": "BarrierPPO", "ppo": "PPO", "ppo+filter": "PPO + filter"}

METHOD_STYLES: dict[str, tuple[str, str | tuple[int, tuple[int, ...]], str]] = {
    "BarrierPPO": ("#0072B2", "-", "o"),
    "BarrierPPO, all on": ("#56B4E9", (0, (7, 1)), "s"),
    "PPO": ("#D55E00", "--", "D"),
    "PPO + filter": ("#009E73", ":", "^"),
    "PPO + violation penalty": ("#E69F00", "-.", "v"),
    "PPO + violation penalty + filter": ("#CC79A7", (0, (3, 1, 1, 1)), "P"),
    "SAC + filter in training": ("#000000", (0, (1, 1)), "X"),
    "SAC + filter in training, executed actions": ("#882255", (0, (6, 1, 1, 1, 1, 1)), "p"),
    "TQC + filter in training": ("#7F7F7F", (0, (5, 3)), "*"),
    "TQC + filter in training, executed actions": ("#999933", (0, (1, 3)), "h"),
}
"""Colour, line and marker of the methods of a study; each of the three tells them apart."""

OTHER_STYLE = ("#7F7F7F", "-", ".")

RC: dict[Any, Any] = {
    "figure.dpi": 130,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@contextmanager
def figure(
    columns: int, *, width: float = 4.2, height: float = 3.2, rows: int = 1
) -> Iterator[tuple[plt.Figure, list[plt.Axes]]]:
    """Axes in the common look, row by row, closed afterwards whatever happens; inches of each."""
    with mpl.rc_context(RC):
        fig, axes = plt.subplots(rows, columns, figsize=(columns * width, rows * height), squeeze=False)
        try:
            yield fig, list(axes.flat)
        finally:
            plt.close(fig)
