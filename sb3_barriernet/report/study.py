"""The report of a study: one table an environment, one figure, and how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

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
    runs = content["runs"]
    plot_study(runs, folder / FIGURE)
    report = folder / "report.md"
    report.write_text(study_text(content), encoding="utf-8")
    return report


def study_text(content: dict[str, Any]) -> str:
    """Markdown of the whole report.

    :param content: of ``results.json``
    """
    runs: list[Run] = content["runs"]
    parts = [f"# Study: {content['study'].replace('_', ' ')}", NOTES, f"![every method]({FIGURE})"]
    for env_id in dict.fromkeys(run["env"] for run in runs):
        of_env = [run for run in runs if run["env"] == env_id]
        parts += [f"## {env_id}", _budget(of_env), study_table(of_env)]
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    parts.append(f"## How to repeat this\n\n```\n{content['command']}\n```\n\n{content['machine']}; {versions}.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _budget(runs: Sequence[Run]) -> str:
    seeds = sorted({run["seed"] for run in runs})
    steps = sorted({run["timesteps"] for run in runs})
    return (
        f"{', '.join(count(number) for number in steps)} training steps; seeds {', '.join(map(str, seeds))}; "
        f"{runs[0]['episodes']:,} evaluation episodes a run."
    )


def has_goal(runs: Sequence[Run]) -> bool:
    """Whether the task has episodes that succeed."""
    return any(run["success_rate"] > 0.0 for run in runs)


def study_table(runs: Sequence[Run]) -> str:
    """One line a method on one environment."""
    score, form = (
        ("violation_free_success_rate", percent) if has_goal(runs) else ("mean_return", lambda value: f"{value:.4g}")
    )
    name = "safe success" if has_goal(runs) else "return"
    columns: list[tuple[str, str, Any]] = [
        (f"{name}, filtered", score, form),
        (f"{name}, unfiltered", f"unfiltered_{score}", form),
        ("intervention", "intervention_rate", percent),
        ("violating steps, training", "train_violations", count),
        ("violating steps, evaluation", "violations", count),
    ]
    if has_goal(runs):
        columns.append(("steps to 95 %", "steps_to_95", lambda value: f"{value / 1000:.0f}k"))
    lines = ["| | " + " | ".join(title for title, *_ in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for method in dict.fromkeys(run["method"] for run in runs):
        chosen = [run for run in runs if run["method"] == method]
        cells = [spread([run[key] for run in chosen], form) for _, key, form in columns]
        lines.append("| " + " | ".join([method, *cells]) + " |")
    return "\n".join(lines)


def plot_study(runs: Sequence[Run], path: Path) -> None:
    """For every environment the score with and without the filter, and below it the intervention; a dot a seed."""
    env_ids = list(dict.fromkeys(run["env"] for run in runs))
    methods = list(dict.fromkeys(run["method"] for run in runs))
    with figure(2, width=5.2, height=1.2 + 0.28 * len(methods), rows=len(env_ids)) as (fig, axes):
        for env_id, (score, intervention) in zip(env_ids, zip(axes[::2], axes[1::2], strict=True), strict=True):
            of_env = [run for run in runs if run["env"] == env_id]
            _plot_score(score, of_env, methods)
            score.set_title(env_id)
            _dots(intervention, of_env, methods, "intervention_rate", 100.0, COLORS["barrierppo"], "o", "intervention")
            intervention.set(xlabel="intervention [% of steps]", yticklabels=[])
            intervention.set_xscale("symlog", linthresh=1.0)
            intervention.set_xlim(left=-0.1)
        axes[0].legend(loc="lower left", fontsize=8)
        fig.savefig(path)


def _plot_score(ax: plt.Axes, runs: Sequence[Run], methods: Sequence[str]) -> None:
    goal = has_goal(runs)
    score, scale = ("violation_free_success_rate", 100.0) if goal else ("mean_return", 1.0)
    _dots(ax, runs, methods, f"unfiltered_{score}", scale, COLORS["ppo"], "D", "filter taken away")
    _dots(ax, runs, methods, score, scale, COLORS["barrierppo"], "o", "as trained to act")
    ax.set(xlabel="safe success [%]" if goal else "return")


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
            ax.plot([values.mean()], [place], "|", color=color, markersize=12, mew=1.6)
    ax.plot([], [], marker, color=color, label=label)
    ax.set(yticks=range(len(methods)), yticklabels=methods, ylim=(len(methods) - 0.5, -0.5))
