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
CLEARANCE_BINS = np.linspace(-0.1, 0.5, 31)
"""m; touching begins at 0, which is the edge of a bin."""


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
    """Success without a violation and violations so far over training, and corrected actions where they were kept."""
    environments = by_environment(curves)  # type: ignore[arg-type]  # keyed like runs
    panels: list[tuple[str, str, Any]] = [
        ("safe success, last 200 episodes", "%", lambda c: (c["steps"], 100.0 * np.array(c["safe_success"]))),
        ("violating steps so far", "", lambda c: (c["steps"], np.array(c["violations"]))),
    ]
    if any(_is_filtered(curve) for curve in curves):
        panels.append(("corrected actions", "% of steps", _corrected_share))
    with figure(len(panels), width=4.6, height=3.1, rows=len(environments)) as (fig, axes):
        for row, (env_id, of_env) in enumerate(environments.items()):
            for ax, (title, unit, read) in zip(axes[len(panels) * row :], panels, strict=False):
                _bands(ax, [c for c in of_env if read is not _corrected_share or _is_filtered(c)], read)
                ax.set(title=f"{env_id.removesuffix('-v0')}: {title}", ylabel=unit, xlabel="environment steps")
                ax.xaxis.set_major_formatter(lambda steps, _: f"{steps / 1000:.0f}k")
                ax.set_ylim(bottom=0.0)
        for ax in axes[1 :: len(panels)]:
            ax.set_yscale("symlog", linthresh=10)
            ax.yaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
            ax.set_ylim(bottom=-1.0)
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
        fig.savefig(path)


def _is_filtered(curve: Curve) -> bool:
    """Whether a training kept a history, and had a filter to be corrected by."""
    return bool(curve["interventions"]) and curve["interventions"][-1][1] > 0


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
    """Histogram of the smallest clearance of an episode: a row a method, a column an environment.

    :param episodes: ``{"env", "method", "min_clearance": [m]}`` of each agent
    """
    environments = by_environment(episodes)  # type: ignore[arg-type]  # keyed like runs
    methods = list(dict.fromkeys(entry["method"] for entry in episodes))
    with figure(len(environments), width=4.8, height=1.5, rows=len(methods)) as (fig, axes):
        for place, ax in enumerate(axes):
            (env_id, of_env), method = (
                list(environments.items())[place % len(environments)],
                methods[place // len(environments)],
            )
            chosen = [entry["min_clearance"] for entry in of_env if entry["method"] == method]
            clearances = np.concatenate([np.zeros(0), *chosen])
            _histogram(ax, clearances, METHOD_STYLES.get(method, OTHER_STYLE)[0])
            violating = f"{100.0 * np.mean(clearances < 0.0):.1f} % violate" if len(clearances) else "not run"
            ax.set_title(f"{env_id.removesuffix('-v0')}, {method}: {violating}", fontsize=9)
        for ax in axes[-len(environments) :]:
            ax.set_xlabel("smallest clearance of an episode [m]; the last bar is all above")
        for ax in axes[:: len(environments)]:
            ax.set_ylabel("episodes [%]")
        fig.savefig(path)


def _histogram(ax: plt.Axes, clearances: np.ndarray, color: str) -> None:
    counts, edges = np.histogram(np.clip(clearances, *CLEARANCE_BINS[[0, -1]]), bins=CLEARANCE_BINS)
    shares, inside = 100.0 * counts / max(len(clearances), 1), edges[:-1] < -1e-9
    width = edges[1] - edges[0]
    ax.bar(edges[:-1][~inside], shares[~inside], width, align="edge", color=color)
    ax.bar(edges[:-1][inside], shares[inside], width, align="edge", color="black", hatch="//", edgecolor="white")
    ax.axvline(0.0, color="black", linewidth=1.0)
    ax.set_xlim(*CLEARANCE_BINS[[0, -1]])


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
