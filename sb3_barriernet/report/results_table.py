"""Every method on every environment, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sb3_barriernet.report.table import Run, count, percent, spread

HEADER = (
    "environment",
    "method",
    "return, filtered",
    "return, unfiltered",
    "violating steps, training",
    "violating steps, evaluation",
    "intervention",
)

NOTES = """\
Mean over seeds, and the range where they differ. *Unfiltered* is the same policy with its filter taken away; PPO has
none, and PPO + filter is the trained PPO with the filter put behind it. Violations are judged by the environment's
geometry. *Intervention* is the share of evaluation steps whose action a row changed. All methods share network,
inputs, fixed exploration noise, training steps, seeds and evaluation episodes; returns are the environment's own,
without what BarrierPPO pays for corrections.
"""


def results_section(content: Mapping[str, Any]) -> str:
    """The table, what it means and what was trained, from the ``results.json`` of a study."""
    runs = content["runs"]
    budgets = "\n".join(_budget(env_id, of_env) for env_id, of_env in by_environment(runs).items())
    return "\n\n".join([results_table(runs), NOTES.strip(), budgets])


def by_environment(runs: Sequence[Run]) -> dict[str, list[Run]]:
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run["env"], []).append(run)
    return grouped


def results_table(runs: Sequence[Run]) -> str:
    """One line an environment and method."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---" * len(HEADER) + "|"]
    for env_id, of_env in by_environment(runs).items():
        for method in dict.fromkeys(run["method"] for run in of_env):
            cells = _cells([run for run in of_env if run["method"] == method])
            lines.append("| " + " | ".join([env_id, method, *cells]) + " |")
    return "\n".join(lines)


def _cells(runs: Sequence[Run]) -> list[str]:
    def column(key: str, form: Any) -> str:
        return spread([run[key] for run in runs], form, unknown="not judged")

    filtered = runs[0]["filtered"]
    return [
        column("mean_return", number) if filtered else "n/a",
        column("unfiltered_mean_return", number),
        column("train_violations", count),
        column("violations", count),
        column("intervention_rate", percent) if filtered else "n/a",
    ]


def number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100.0 else f"{value:,.0f}"


def _budget(env_id: str, runs: Sequence[Run]) -> str:
    seeds = len({run["seed"] for run in runs})
    return (
        f"- {env_id}: {runs[0]['timesteps']:,} training steps, {seeds} seeds, {runs[0]['episodes']:,} evaluation "
        "episodes a run."
    )
