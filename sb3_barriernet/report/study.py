"""The report of a study: one table an environment, one figure, and how to repeat it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sb3_barriernet.report.results_table import by_environment, number
from sb3_barriernet.report.style import COLORS, figure
from sb3_barriernet.report.table import Run, count, percent, spread

NOTES = """\
Mean over seeds, and the range where they differ. *Filtered* is the agent as it is trained to act (PPO without a filter
has none); *unfiltered* is the same policy with its filter taken away, on the same episodes. *Safe success* is an
episode that succeeds without a single violating step; tasks without a goal are compared by the return of the task,
without penalties. Violations are judged by the environment's geometry. *Intervention* is the share of evaluation steps
whose action a row changed. *Steps to 95 %* is when 95 % of the last 200 training episodes, noise included, succeeded
without a violation.
"""

FIGURE = "study.png"


def write_study_report(folder: Path) -> Path:
    """``report.md`` and its figure beside the ``results.json`` of a folder."""
    content = json.loads((folder / "results.json").read_text())
    plot_study(content["runs"], folder / FIGURE)
    report = folder / "report.md"
    title = f"# Study: {content['study'].replace('_', ' ')}"
    parts = [title, study_section(content, FIGURE), "## How to repeat this", how_to_repeat(content)]
    report.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return report


def study_section(content: Mapping[str, Any], figure_link: str, level: int = 2) -> str:
    """Markdown of everything that was found.

    :param content: of ``results.json``
    :param figure_link: where the figure is, seen from the page
    :param level: of the headings
    """
    parts = [NOTES.strip(), f"![every method]({figure_link})"]
    for env_id, runs in by_environment(content["runs"]).items():
        parts += [f"{'#' * level} {env_id}", _budget(runs), study_table(runs)]
    return "\n\n".join(parts)


def how_to_repeat(content: Mapping[str, Any]) -> str:
    """The command, machines and versions."""
    origins = "\n\n".join(f"{origin}." for origin in dict.fromkeys(run["origin"] for run in content["runs"]))
    return f"```\n{content['command']}\n```\n\n{origins}"


def _budget(runs: Sequence[Run]) -> str:
    usual = statistics.mode(run["timesteps"] for run in runs)
    others = {run["method"]: run["timesteps"] for run in runs if run["timesteps"] != usual}
    named = f" ({'; '.join(f'{method}: {steps:,}' for method, steps in others.items())})" if others else ""
    return f"{usual:,} training steps{named}, seeds from 0 on, {runs[0]['episodes']:,} evaluation episodes a run."


def has_goal(runs: Sequence[Run]) -> bool:
    """Whether the task has episodes that succeed."""
    return any(run["success_rate"] > 0.0 for run in runs)


def study_table(runs: Sequence[Run]) -> str:
    """One line a method on one environment."""
    goal = has_goal(runs)
    score, form = ("violation_free_success_rate", percent) if goal else ("mean_return", number)
    name = "safe success" if goal else "return"
    columns: list[tuple[str, str, Any, bool]] = [
        (f"{name}, filtered", score, form, True),
        (f"{name}, unfiltered", f"unfiltered_{score}", form, False),
        ("intervention", "intervention_rate", percent, True),
        ("violating steps, training", "train_violations", count, False),
        ("violating steps, filtered", "violations", count, True),
        ("violating steps, unfiltered", "unfiltered_violations", count, False),
    ]
    if goal:
        columns.append(("steps to 95 %", "steps_to_95", lambda value: f"{value / 1000:.0f}k", False))
    header = ["", "seeds", *(title for title, *_ in columns)]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for method in dict.fromkeys(run["method"] for run in runs):
        chosen = [run for run in runs if run["method"] == method]
        cells = [
            spread([run[key] for run in chosen], form) if chosen[0]["filtered"] or not of_filter else "n/a"
            for _, key, form, of_filter in columns
        ]
        lines.append("| " + " | ".join([method, str(len(chosen)), *cells]) + " |")
    return "\n".join(lines)


def plot_study(runs: Sequence[Run], path: Path) -> None:
    """For every environment the score with and without the filter, and beside it the intervention; a dot a seed."""
    environments = by_environment(runs)
    most = max(len({run["method"] for run in of_env}) for of_env in environments.values())
    with figure(2, width=5.2, height=1.2 + 0.2 * most, rows=len(environments)) as (fig, axes):
        for (env_id, of_env), score, intervention in zip(environments.items(), axes[::2], axes[1::2], strict=True):
            methods = list(dict.fromkeys(run["method"] for run in of_env))
            _plot_score(score, of_env, methods)
            score.set_title(env_id)
            _plot_intervention(intervention, of_env, methods)
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=9)
        fig.savefig(path)


def _plot_score(ax: plt.Axes, runs: Sequence[Run], methods: Sequence[str]) -> None:
    goal = has_goal(runs)
    score, scale = ("violation_free_success_rate", 100.0) if goal else ("mean_return", 1.0)
    filtered = [run for run in runs if run["filtered"]]
    _dots(ax, runs, methods, f"unfiltered_{score}", scale, COLORS["ppo"], "D", "without a filter")
    _dots(ax, filtered, methods, score, scale, COLORS["barrierppo"], "o", "behind the filter")
    ax.set(xlabel="safe success [%]" if goal else "return")


def _plot_intervention(ax: plt.Axes, runs: Sequence[Run], methods: Sequence[str]) -> None:
    filtered = [run for run in runs if run["filtered"]]
    _dots(ax, filtered, methods, "intervention_rate", 100.0, COLORS["barrierppo"], "o", "intervention")
    ax.set(xlabel="intervention [% of steps]", yticklabels=[])
    ax.set_xscale("symlog", linthresh=1.0)
    ax.set_xlim(left=-0.1)


def _dots(
    ax: plt.Axes,
    runs: Sequence[Run],
    methods: Sequence[str],
    key: str,
    scale: float,
    color: str,
    marker: str,
    label: str,
) -> None:
    """A dot a seed and a bar at the mean, one line a method, the first on top."""
    for place, method in enumerate(methods):
        values = scale * np.array([run[key] for run in runs if run["method"] == method])
        if len(values):
            ax.plot(values, np.full(len(values), place), marker, color=color, markersize=4, alpha=0.6, mew=0)
            ax.plot([values.mean()], [place], "|", color=color, markersize=10, mew=1.6)
    ax.plot([], [], marker, color=color, label=label)
    ax.set(yticks=range(len(methods)), yticklabels=methods, ylim=(len(methods) - 0.5, -0.5))
