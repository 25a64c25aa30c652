"""Write docs/results.md from the numbers of the studies in docs/results/.

python scripts/results_page.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sb3_barriernet.report.results_table import results_section
from sb3_barriernet.report.study import FIGURE, how_to_repeat, study_section

DOCS = Path(__file__).parents[1] / "docs"


def read(study: str) -> dict[str, Any]:
    return json.loads((DOCS / "results" / study / "results.json").read_text(encoding="utf-8"))


def page() -> str:
    everywhere, learning = read("every-environment"), read("learning")
    parts = [
        "# Results",
        "## Every environment, every method",
        results_section(everywhere),
        how_to_repeat(everywhere),
        "## What makes a policy need its filter less",
        "BarrierPPO stands for the hyperparameters that this package ships: row features and a ramped penalty. Every "
        "other line changes what it names.",
        study_section(learning, f"results/learning/{FIGURE}", level=3),
        how_to_repeat(learning),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    (DOCS / "results.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
