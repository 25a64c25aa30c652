"""Write the README's table of results from docs/results.

    python scripts/readme_table.py

The numbers come from docs/results/*/results.json, which scripts/compare.py wrote; a test holds the two equal.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sb3_barriernet.report.style import LABELS
from sb3_barriernet.report.table import count, percent

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- results -->\n).*?(\n<!-- /results -->)", re.DOTALL)
TASKS = {"pursuit": "open arena", "clutter": "cluttered arena"}
ROWS = [
    ("success without violation", "violation_free_success_rate", percent),
    ("violating steps while training, a run", "train_violations", count),
    ("actions corrected", "intervention_rate", percent),
    ("success without violation, filter taken away", "unfiltered_violation_free_success_rate", percent),
]


def table() -> str:
    """Means over seeds, one row a task and number."""
    lines = ["| | | " + " | ".join(LABELS.values()) + " |", "|---" * (2 + len(LABELS)) + "|"]
    for folder, task in TASKS.items():
        results = json.loads((ROOT / "docs" / "results" / folder / "results.json").read_text())
        for title, key, form in ROWS:
            cells = [_cell(results["runs"], method, key, form) for method in LABELS]
            lines.append(f"| {task} | {title} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _caption()])


def _cell(runs: list[dict[str, Any]], method: str, key: str, form: Any) -> str:
    if method == "ppo" and key == "intervention_rate":
        return "n/a"
    values = [run[key] for run in runs if run["method"] == method]
    return form(sum(values) / len(values))


def _caption() -> str:
    totals = [json.loads((ROOT / "docs" / "results" / f / "results.json").read_text()) for f in TASKS]
    seeds = len({run["seed"] for run in totals[0]["runs"]})
    steps = " and ".join(f"{run['runs'][0]['timesteps'] / 1000:.0f}k" for run in totals)
    return (
        f"Means over {seeds} seeds, {totals[0]['eval_episodes']:,} episodes each, after {steps} training steps; same "
        "network, inputs and noise for all, and BarrierPPO pays for its corrections. "
        "Reports with curves, ranges and commands: "
        "[open](docs/results/pursuit/report.md), [clutter](docs/results/clutter/report.md)."
    )


def rendered() -> str:
    """The README with an up-to-date table."""
    return BLOCK.sub(lambda match: match[1] + table() + match[2], README.read_text())


if __name__ == "__main__":
    README.write_text(rendered())
