"""The README is true: its code runs, its links lead somewhere, its table is that of the results."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", SNIPPETS)
def test_code_runs(code):
    exec(re.sub(r"learn\([\d_]+\)", "learn(1)", code), {})


def test_there_is_code():
    assert len(SNIPPETS) >= 2


def pages() -> list[Path]:
    return [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(
        (ROOT / "docs").rglob("*.md")
    )


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_nothing_is_left_to_fill_in():
    assert "@@" not in README


def test_the_table_is_that_of_the_results():
    spec = importlib.util.spec_from_file_location("readme_table", ROOT / "scripts" / "readme_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.rendered() == README, "run `python scripts/readme_table.py`"
