"""The compatibility page: what the tests of this folder show, one line each.

    python -m tests.compatibility.page

runs them all, the slow ones too, and writes docs/compatibility.md if they pass.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
GROUPS = ("Environments", "Vectorised environments", "Algorithm", "Policies", "Callbacks and logs", "RL Zoo")
WORKS, REFUSED, UPSTREAM = "works", "refused", "gap upstream"

INTRODUCTION = """# Compatibility

What SB3 2.9 and the RL Zoo offer, and what becomes of it with barriers. Every line is a test that passed; none of these
trainings sent an unsafe action to its environment. *Refused* means an error with this advice, when the model is made.
*Gap upstream* means that SB3 or the Zoo itself falls short, and what to do.

Written by `python -m tests.compatibility.page`.
"""


@dataclass(frozen=True)
class Feature:
    """A line of the page."""

    group: str
    name: str
    status: str
    note: str


def works(group: str, name: str, note: str = "") -> pytest.MarkDecorator:
    """Mark a test that shows that a feature works."""
    return pytest.mark.feature(group, name, WORKS, note)


def refused(group: str, name: str, reason: str) -> pytest.MarkDecorator:
    """Mark a test that shows that a feature is refused."""
    return pytest.mark.feature(group, name, REFUSED, reason)


def gap_upstream(group: str, name: str, note: str) -> pytest.MarkDecorator:
    """Mark a test that shows what upstream does, and that the way around it works."""
    return pytest.mark.feature(group, name, UPSTREAM, note)


def features() -> Iterator[Feature]:
    """All lines, in the order of the tests."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("test_"):
            for value in vars(importlib.import_module(f"{__package__}.{module.name}")).values():
                if isinstance(value, FunctionType) and value.__name__.startswith("test_"):
                    marks = [mark for mark in getattr(value, "pytestmark", []) if mark.name == "feature"]
                    yield from (Feature(*mark.args) for mark in reversed(marks))


def page() -> str:
    """The page in Markdown."""
    lines = [INTRODUCTION]
    found = list(features())
    for group in GROUPS:
        lines += [f"\n## {group}\n", "| | | |", "|---|---|---|"]
        lines += [f"| {line.name} | {line.status} | {line.note} |" for line in found if line.group == group]
    return "\n".join(lines) + "\n"


def main() -> int:
    folder = Path(__file__).parent
    outcome = pytest.main([str(folder), "-q", "-m", "", "--ignore", str(folder / "test_page.py")])
    if outcome == pytest.ExitCode.OK:
        PAGE.write_text(page(), encoding="utf-8")
    return int(outcome)


if __name__ == "__main__":
    sys.exit(main())
