"""Every method on every environment, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sb3_barriernet.report.style import LABELS
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


def results_report(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, from the ``results.json`` of every environment."""
    parts = ["# Every environment, every method", results_table({k: r["runs"] for k, r in results.items()}), NOTES]
    parts += ["## Training and evaluation", "\n".join(_budget(name, result) for name, result in results.items())]
    parts += ["## How to repeat this", *_origins(results)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def results_table(runs: Mapping[str, Sequence[Run]]) -> str:
    """One line an environment and method."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---" * len(HEADER) + "|"]
    for name, of_env in runs.items():
        for method in dict.fromkeys(run["method"] for run in of_env):
            cells = _cells(method, [run for run in of_env if run["method"] == method])
            lines.append("| " + " | ".join([name, LABELS[method], *cells]) + " |")
    return "\n".join(lines)


def _cells(method: str, runs: Sequence[Run]) -> list[str]:
    def column(key: str, form: Any) -> str:
        return spread([run[key] for run in runs], form)

    filtered = method != "ppo"
    return [
        column("mean_return", _number) if filtered else "n/a",
        column("unfiltered_mean_return", _number),
        column("train_violations", count),
        column("violations", count),
        column("intervention_rate", percent) if filtered else "n/a",
    ]


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100.0 else f"{value:,.0f}"


def _budget(name: str, result: Mapping[str, Any]) -> str:
    run = result["runs"][0]
    seeds = len({run["seed"] for run in result["runs"]})
    return (
        f"- {name}: {run['timesteps']:,} training steps, {seeds} seeds, {result['eval_episodes']:,} evaluation "
        "episodes a run."
    )


def _origins(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Command, machine and versions, once for all environments that share them."""
    groups: dict[str, list[str]] = {}
    for name, result in results.items():
        versions = ", ".join(f"{package} {version}" for package, version in result["versions"].items())
        groups.setdefault(f"```\n{result['command']}\n```\n\n{result['machine']}; {versions}.", []).append(name)
    return [f"{', '.join(names)}:\n\n{origin}" for origin, names in groups.items()]
