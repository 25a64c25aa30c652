"""Figures of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sb3_barriernet.evaluation.learning_curve import WINDOW, LearningCurve
from sb3_barriernet.report.style import COLORS, LABELS, LINES, figure
from sb3_barriernet.report.trajectories import Trajectory

GRID_POINTS = 300


def plot_learning_curves(curves: Mapping[str, Sequence[LearningCurve]], path: Path) -> None:
    """Success, violation-free success and violations over training steps; mean and range over seeds."""
    with figure(3) as (fig, axes):
        panels: list[tuple[str, Callable[[LearningCurve], np.ndarray]]] = [
            (f"Success, last {WINDOW} episodes", lambda curve: 100.0 * curve.success),
            ("Success without a violation", lambda curve: 100.0 * curve.safe_success),
            ("Violating steps so far", lambda curve: curve.violations),
        ]
        for ax, (title, read) in zip(axes, panels, strict=True):
            for algo, of_seeds in curves.items():
                _band(ax, algo, [curve for curve in of_seeds if len(curve.steps)], read)
            ax.set(title=title, xlabel="environment steps")
            ax.xaxis.set_major_formatter(lambda steps, _: f"{steps / 1000:.0f}k")
        for ax in axes[:2]:
            ax.set(ylabel="%", ylim=(-3, 103))
        axes[2].set_yscale("symlog", linthresh=1)
        axes[2].set_ylim(bottom=-0.1)
        axes[0].legend(loc="lower right")
        fig.savefig(path)


def _band(
    ax: plt.Axes, algo: str, curves: Sequence[LearningCurve], read: Callable[[LearningCurve], np.ndarray]
) -> None:
    if not curves:  # a trial run with next to no episodes
        return
    grid = np.linspace(0, max(curve.steps[-1] for curve in curves), GRID_POINTS)
    values = np.stack([np.interp(grid, curve.steps, read(curve), left=np.nan) for curve in curves])
    ax.fill_between(grid, values.min(axis=0), values.max(axis=0), color=COLORS[algo], alpha=0.18, linewidth=0)
    ax.plot(grid, values.mean(axis=0), LINES[algo], color=COLORS[algo], label=LABELS[algo])


def plot_trajectories(trajectories: Mapping[str, Trajectory], path: Path) -> None:
    """The same episode under every method: paths, obstacles, corrected and violating steps."""
    with figure(len(trajectories), width=3.8, height=4.6) as (fig, axes):
        for ax, (method, trajectory) in zip(axes, trajectories.items(), strict=True):
            _draw_arena(ax, trajectory)
            _draw_paths(ax, trajectory, COLORS[method])
            outcome = "captured" if trajectory.success else "not captured"
            ax.set_title(f"{LABELS[method]}: {outcome}, {int(trajectory.violation.sum())} violating steps", fontsize=9)
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
        fig.savefig(path)


def _draw_arena(ax: plt.Axes, trajectory: Trajectory) -> None:
    half = trajectory.half_extent
    for x, y, radius in trajectory.obstacles:
        if radius > 0.0:
            ax.add_patch(plt.Circle((x, y), radius, color="0.72", linewidth=0))
            ax.add_patch(plt.Circle((x, y), radius + trajectory.robot_radius, fill=False, color="0.6", linestyle=":"))
    ax.set(xlim=(-half, half), ylim=(-half, half), aspect="equal", xlabel="x [m]")
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)


def _draw_paths(ax: plt.Axes, trajectory: Trajectory, color: str) -> None:
    pursuer, evader = trajectory.pursuer, trajectory.evader
    ax.plot(*evader.T, color="0.35", linewidth=1.0, linestyle="--", label="evader")
    ax.plot(*pursuer.T, color=color, label="pursuer")
    ax.plot(*pursuer[0], "o", color=color, markersize=5)
    ax.plot(*evader[0], "o", color="0.35", markersize=5)
    corrected, violating = pursuer[1:][trajectory.corrected], pursuer[1:][trajectory.violation]
    ax.plot(*corrected.T, "o", color="#E69F00", markersize=3.5, linestyle="none", label="corrected step")
    ax.plot(*violating.T, "x", color="black", markersize=5, linestyle="none", label="violating step")
