"""The comparison as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sb3_barriernet.report.style import LABELS

Run = dict[str, Any]


def percent(value: float) -> str:
    """With one decimal; with two where one would round up to a perfection that was not reached."""
    text = f"{100.0 * value:.1f}"
    return f"{100.0 * value:.2f} %" if text == "100.0" and value < 1.0 else f"{text} %"


def count(value: float) -> str:
    return f"{value:,.0f}"


COLUMNS: list[tuple[str, str, Any]] = [
    ("success", "success_rate", percent),
    ("success without violation", "violation_free_success_rate", percent),
    ("violating steps, training", "train_violations", count),
    ("violating steps, evaluation", "violations", count),
    ("infeasible", "infeasible_rate", percent),
    ("intervention", "intervention_rate", percent),
    ("safe success, filter removed", "unfiltered_violation_free_success_rate", percent),
    ("return", "mean_return", lambda value: f"{value:.1f}"),
    ("steps to 95 %", "steps_to_95", lambda value: f"{value / 1000:.0f}k"),
]

OF_A_FILTER = ("infeasible_rate", "intervention_rate")
"""Columns that say nothing about a method without one."""


def comparison_table(runs: Sequence[Run]) -> str:
    """One line a method: mean over seeds, and the range where seeds differ."""
    methods = list(dict.fromkeys(run["method"] for run in runs))
    header = ["", *(LABELS[method] for method in methods)]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for title, key, form in COLUMNS:
        cells = [
            "n/a" if method == "ppo" and key in OF_A_FILTER else spread(_values(runs, method, key), form)
            for method in methods
        ]
        lines.append("| " + " | ".join([title, *cells]) + " |")
    return "\n".join(lines)


def _values(runs: Sequence[Run], method: str, key: str) -> list[Any]:
    return [run[key] for run in runs if run["method"] == method]


def spread(values: list[Any], form: Any, unknown: str = "not reached") -> str:
    """Mean, and the range where values differ; None is what is not known."""
    known = [value for value in values if value is not None]
    if not known:
        return unknown
    text = form(sum(known) / len(known))
    if len(known) < len(values):
        return f"{text} ({len(known)} of {len(values)} seeds)"
    low, high = form(min(known)), form(max(known))
    return text if low == high else f"{text} ({low.removesuffix(' %')} to {high})"
