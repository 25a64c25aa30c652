"""Drives of the 2D robot round discs larger than any that was shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from examples.imitation.report import LABELS
from examples.imitation.robot_2d import UNSEEN_RADII, Robot2D
from examples.imitation.study import Outcome
from sb3_barriernet.envs.literature.barriernet_robot import OBSTACLE
from sb3_barriernet.report.style import figure

# Okabe & Ito (2008), as in the other figures; every line has a dash of its own.
STYLES = {
    "expert": dict(color="0.45", linestyle=(0, (1, 1.5)), linewidth=1.4),
    "layer": dict(color="#0072B2", linestyle="-", linewidth=2.0),
    "paper": dict(color="#009E73", linestyle=(0, (6, 1.5, 1, 1.5)), linewidth=1.6),
    "plain": dict(color="#D55E00", linestyle=(0, (4, 2)), linewidth=1.6),
}
AROUND_X, AROUND_Y = (22.0, 58.0), (4.0, 29.0)  # m


def plot_unseen_radii(outcomes: Sequence[Outcome], seed: int, path: Path) -> None:
    """One panel a radius: the drive from the published start, of one seed; where it violates is crossed."""
    with figure(len(UNSEEN_RADII), width=3.2, height=3.0) as (fig, axes):
        for ax, radius in zip(axes, UNSEEN_RADII, strict=True):
            ax.add_patch(plt.Circle(tuple(OBSTACLE), radius, color="0.85", linewidth=0))
            ax.add_patch(plt.Circle(tuple(OBSTACLE), 6.0, fill=False, color="0.6", linestyle=":"))
            for record, driven in outcomes:
                shown = record["method"] in STYLES and record["seed"] in (None, seed)
                if shown and record["radius"] == radius:
                    _draw(ax, record["method"], driven.states[:, 0], Robot2D(radius))
            ax.set(title=f"R = {radius:g} m", xlim=AROUND_X, ylim=AROUND_Y, aspect="equal", xlabel="x [m]")
            ax.grid(False)
        axes[0].set_ylabel("y [m]")
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        fig.savefig(path)


def _draw(ax: plt.Axes, method: str, states: np.ndarray, task: Robot2D) -> None:
    label = "expert who knows R" if method == "expert" else LABELS[method]
    ax.plot(*states[:, :2].T, label=label, **STYLES[method])
    inside = states[task.clearance(states) < 0.0]
    ax.plot(*inside[::3, :2].T, "x", color=STYLES[method]["color"], markersize=4, linestyle="none")
