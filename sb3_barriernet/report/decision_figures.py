"""Figures of the decision report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sb3_barriernet.report.results_table import by_environment
from sb3_barriernet.report.statistics import interquartile_mean, performance_profile
from sb3_barriernet.report.style import COLORS, METHOD_STYLES, OTHER_STYLE, figure
from sb3_barriernet.report.table import Run

Curve = Mapping[str, Any]
"""One training, see :func:`~sb3_barriernet.zoo.study_curves.training_curves`."""

THRESHOLDS = np.linspace(0.5, 1.0, 251)
GRID_POINTS = 100
CLEARANCE_BINS = np.linspace(-0.1, 0.5, 49)


def plot_profiles(runs: Sequence[Run], path: Path) -> None:
    """Share of runs above each level of safe success, as deployed and without a filter; tasks pooled."""
    methods = list(dict.fromkeys(run["method"] for run in runs))
    keys = {"as deployed": "violation_free_success_rate", "filter taken away": "unfiltered_violation_free_success_rate"}
    with figure(2, width=4.8, height=3.6) as (fig, axes):
        for ax, (title, key) in zip(axes, keys.items(), strict=True):
            for method in methods:
                scores = [
                    np.array([run[key] for run in of_env if run["method"] == method])
                    for of_env in by_environment(runs).values()
                ]
                profile = performance_profile([of_task for of_task in scores if len(of_task)], THRESHOLDS)
                ax.step(100 * THRESHOLDS, 100 * profile, where="post", label=method, **_line(method))
            ax.set(title=f"Safe success, {title}", xlabel="more than [% of episodes]", ylim=(-3, 103))
        axes[0].set_ylabel("runs [%]")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
        fig.savefig(path)


def plot_training(curves: Sequence[Curve], path: Path) -> None:
    """Success without a violation, violations so far and corrected actions over training; IQM and all seeds."""
    environments = by_environment(curves)  # type: ignore[arg-type]
    with figure(3, width=4.4, height=3.1, rows=len(environments)) as (fig, axes):
        for row, (env_id, of_env) in enumerate(environments.items()):
            safe, violations, intervention = axes[3 * row : 3 * row + 3]
            _bands(safe, of_env, lambda c: (c["steps"], 100.0 * np.array(c["safe_success"])))
            _bands(violations, of_env, lambda c: (c["steps"], np.array(c["violations"])))
            _bands(intervention, [c for c in of_env if c["interventions"]], _corrected_share)
            safe.set(title=f"{env_id}: safe success", ylabel="last 200 episodes [%]", ylim=(-3, 103))
            violations.set(title="Violating steps so far", ylim=(-0.5, None))
            violations.set_yscale("symlog", linthresh=10)
            intervention.set(title="Corrected actions", ylabel="of the steps since the last point [%]")
            intervention.set_ylim(bottom=0.0)
        for ax in axes:
            ax.xaxis.set_major_formatter(lambda steps, _: f"{steps / 1000:.0f}k")
            ax.set_xlabel("environment steps")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
        fig.savefig(path)


def _corrected_share(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    steps, corrected = np.array([[0, 0], *curve["interventions"]], dtype=float).T
    return steps[1:], 100.0 * np.diff(corrected) / np.diff(steps)


def _bands(ax: plt.Axes, curves: Sequence[Curve], read: Any) -> None:
    """A thick line for the interquartile mean over seeds of each method, and the range of its seeds around it."""
    for method in dict.fromkeys(curve["method"] for curve in curves):
        read_curves = [read(curve) for curve in curves if curve["method"] == method and curve.get("steps")]
        if not read_curves:
            continue
        grid = np.linspace(max(x[0] for x, _ in read_curves), min(x[-1] for x, _ in read_curves), GRID_POINTS)
        values = np.stack([np.interp(grid, x, y) for x, y in read_curves])
        style = _line(method)
        ax.fill_between(grid, values.min(axis=0), values.max(axis=0), color=style["color"], alpha=0.15, linewidth=0)
        ax.plot(grid, [interquartile_mean([column]) for column in values.T], label=method, **style)


def plot_returns(runs: Sequence[Run], path: Path) -> None:
    """Return with the filter against return without it, a mark a seed; on the line nothing leans on its filter."""
    environments = by_environment(runs)
    with figure(len(environments), width=4.8, height=4.2) as (fig, axes):
        for ax, (env_id, of_env) in zip(axes, environments.items(), strict=True):
            filtered = [run for run in of_env if run["filtered"]]
            for method in dict.fromkeys(run["method"] for run in filtered):
                chosen = [run for run in filtered if run["method"] == method]
                color, _, marker = METHOD_STYLES.get(method, OTHER_STYLE)
                x, y = ([run[key] for run in chosen] for key in ("unfiltered_mean_return", "mean_return"))
                ax.plot(x, y, marker, color=color, markersize=6, alpha=0.75, mec="white", mew=0.5, label=method)
            low, high = ax.get_xlim()
            ax.plot([low, high], [low, high], color="0.6", linewidth=0.8, zorder=0)
            ax.set(title=env_id, xlabel="return, filter taken away", ylabel="return, as deployed")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
        fig.savefig(path)


def plot_clearances(episodes: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Distribution of the smallest clearance of an episode, per method.

    :param episodes: ``{"env", "method", "min_clearance": [m]}`` of each agent
    """
    environments = by_environment(episodes)  # type: ignore[arg-type]
    with figure(len(environments), width=4.8, height=3.4) as (fig, axes):
        for ax, (env_id, of_env) in zip(axes, environments.items(), strict=True):
            for method in dict.fromkeys(entry["method"] for entry in of_env):
                clearances = np.concatenate([entry["min_clearance"] for entry in of_env if entry["method"] == method])
                share, edges = np.histogram(np.clip(clearances, *CLEARANCE_BINS[[0, -1]]), bins=CLEARANCE_BINS)
                ax.stairs(100.0 * share / len(clearances), edges, label=method, linewidth=1.6, **_line(method))
            ax.axvspan(CLEARANCE_BINS[0], 0.0, color="0.9", zorder=0)
            ax.set(title=env_id, xlabel="smallest clearance of an episode [m]", ylabel="episodes [%]")
            ax.set_yscale("symlog", linthresh=1.0)
        axes[0].text(-0.095, axes[0].get_ylim()[1] * 0.7, "violation", fontsize=8, color="0.35")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
        fig.savefig(path)


def plot_ablations(runs: Sequence[Run], references: Mapping[str, float], path: Path) -> None:
    """Safe success of every ablation, a dot a seed, beside what the shipped design reaches.

    :param references: safe success of the shipped design by environment
    """
    environments = by_environment(runs)
    rows = [len({run["method"] for run in of_env}) for of_env in environments.values()]
    with figure(len(environments), width=6.6, height=1.1 + 0.27 * max(rows)) as (fig, axes):
        for ax, (env_id, of_env) in zip(axes, environments.items(), strict=True):
            methods = list(dict.fromkeys(run["method"] for run in of_env))
            for place, method in enumerate(methods):
                for key, color, marker in (
                    ("unfiltered_violation_free_success_rate", COLORS["ppo"], "D"),
                    ("violation_free_success_rate", COLORS["barrierppo"], "o"),
                ):
                    values = [100.0 * run[key] for run in of_env if run["method"] == method]
                    ax.plot(values, [place] * len(values), marker, color=color, markersize=5, alpha=0.7, mew=0)
            if env_id in references:
                ax.axvline(100.0 * references[env_id], color="0.4", linewidth=1.0, linestyle="--")
            ax.set(title=env_id, xlabel="safe success [% of episodes]", xlim=(-3, 103))
            ax.set(yticks=range(len(methods)), yticklabels=methods, ylim=(len(methods) - 0.5, -0.5))
            ax.tick_params(axis="y", labelsize=8)
        axes[0].plot([], [], "o", color=COLORS["barrierppo"], label="as deployed")
        axes[0].plot([], [], "D", color=COLORS["ppo"], label="filter taken away")
        axes[0].plot([], [], "--", color="0.4", linewidth=1.0, label="shipped design, as deployed")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
        fig.savefig(path)


def _line(method: str) -> dict[str, Any]:
    color, line, _ = METHOD_STYLES.get(method, OTHER_STYLE)
    return {"color": color, "linestyle": line}
