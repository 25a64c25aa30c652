"""Print what the package and its tests require, as plain requirements.

    python scripts/lowest_requirements.py > lowest.txt
    uv pip install --resolution lowest-direct -r lowest.txt

A resolver that picks the lowest versions does so for what it is given directly, not for what a package asks for.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def expanded(project: dict[str, Any], entries: Iterable[str]) -> Iterator[str]:
    """Entries, with the package's own extras replaced by what they hold."""
    for entry in entries:
        own = re.fullmatch(re.escape(project["name"]) + r"\[(.+)\]", entry)
        for extra in own[1].split(",") if own else ():
            yield from expanded(project, project["optional-dependencies"][extra])
        if not own:
            yield entry


if __name__ == "__main__":
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    print("\n".join(expanded(project, [*project["dependencies"], f"{project['name']}[test]"])))
