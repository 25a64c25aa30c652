"""What attackers achieved against every barrier, as Markdown."""

from __future__ import annotations

from typing import Any

from sb3_barriernet.report.table import count, percent

NOTES = """\
*Violations* are the environment's own `info["violation"]`, judged by geometry; *worst clearance* is the smallest
`info["clearance"]` in the unit of the task, negative in a violation. *Infeasible* steps are those at which no action
satisfied all rows. *Corrected* is the share of steps at which a row changed the attacker's action: an attack that is
never corrected has tested nothing.
"""

COST_NOTES = """\
Microseconds a step of one environment. *Batched*: the rows of all copies in one call, as where a vectorised
environment shares its simulation, and one projection for all; *in wrappers*: each environment computes its own rows,
as under any other vectorised environment, and the projection is shared. The share is of the environment's own step,
which is without rows and resets. Timings compare within a line.
"""


def attack_report(results: dict[str, Any]) -> str:
    """The whole page.

    :param results: ``{"environments": {name: {"settings", "attacks", "cost", "machine", "versions", "command"}}}``
    """
    environments = results["environments"]
    parts = ["# Attacks on every barrier", attack_table(environments), NOTES]
    parts += ["## What the filter costs", cost_table(environments), COST_NOTES]
    parts += ["## How to repeat this", *_origins(environments)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def attack_table(environments: dict[str, Any]) -> str:
    """One line an environment and attack."""
    header = ["environment", "attack", "steps", "violations", "infeasible", "corrected", "worst clearance"]
    rows = [
        [
            name,
            record["attack"].replace("_", "-"),
            count(record["steps"]),
            count(record["violations"]),
            count(record["infeasible"]),
            percent(record["corrected"] / record["steps"]),
            f"{record['worst_clearance']:.3g}",
        ]
        for name, result in environments.items()
        for record in result["attacks"]
    ]
    return _markdown(header, rows)


def cost_table(environments: dict[str, Any]) -> str:
    """One line an environment, in microseconds."""
    header = ["environment", "own step", "rows, batched", "rows, in wrapper", "projection", "batched", "in wrappers"]
    return _markdown(header, [_cost_row(name, result["cost"]) for name, result in environments.items()])


def _cost_row(name: str, cost: dict[str, float]) -> list[str]:
    parts = ("env_us", "rows_us", "rows_alone_us", "projection_us")
    shares = [(cost[rows] + cost["projection_us"]) / cost["env_us"] for rows in ("rows_us", "rows_alone_us")]
    return [name, *(f"{cost[part]:.1f}" for part in parts), *(f"{share:.0%}" for share in shares)]


def _origins(environments: dict[str, Any]) -> list[str]:
    """Machine, versions, command and seed, once for all environments that share them."""
    groups: dict[str, list[str]] = {}
    for name, result in environments.items():
        versions = ", ".join(f"{package} {version}" for package, version in result["versions"].items())
        copies, seed = result["settings"]["copies"], result["settings"]["seed"]
        origin = f"```\n{result['command']}\n```\n\n{copies} copies, seed {seed}; {result['machine']}; {versions}."
        groups.setdefault(origin, []).append(name)
    return [f"{', '.join(names)}:\n\n{origin}" for origin, names in groups.items()]


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
