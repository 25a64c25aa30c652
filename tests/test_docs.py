"""The pages are true: their code runs, their equations exist, they name everything that is public, versions agree."""

import re
import tomllib
from pathlib import Path

import pytest

import sb3_barriernet

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
OWN_PAGES = [*DOCS.glob("*.md"), *DOCS.glob("api/*.md"), ROOT / "SECURITY.md"]
SOURCES = sorted((ROOT / "sb3_barriernet").rglob("*.py"))


def code_of(page: Path) -> list[str]:
    """Python blocks of a page, less what quotes an example: by its comment, or as the body of a function."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if not re.search(r"^(# examples/|return )", block, re.MULTILINE)]


PAGES_WITH_CODE = [page for page in sorted(OWN_PAGES) if code_of(page)]


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: page.stem)
def test_code_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in code_of(page):
        exec(compile(re.sub(r"learn\([\d_]+\)", "learn(1)", code), str(page), "exec"), names)


def test_there_is_code():
    assert {"quickstart", "concepts", "faq", "SECURITY"} <= {page.stem for page in PAGES_WITH_CODE}


def tags(text: str) -> list[str]:
    return re.findall(r"\\tag\{(\d+)\}", text)


def test_equations_are_numbered_in_their_order():
    found = tags((DOCS / "theory.md").read_text(encoding="utf-8"))
    assert found == [str(number) for number in range(1, len(found) + 1)]


@pytest.mark.parametrize("path", [p for p in SOURCES if "equation (" in p.read_text() or tags(p.read_text())], ids=str)
def test_cited_equations_exist(path):
    text = path.read_text(encoding="utf-8")
    cited = re.findall(r"equations? \((\d+)\)", text) + tags(text)
    assert set(cited) <= set(tags((DOCS / "theory.md").read_text(encoding="utf-8")))


def test_the_reference_has_every_public_name_once():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "api").glob("*.md")))
    entries = re.findall(r"^\.\. auto(?:class|function):: (?:\S+\.)?(\w+)$", pages, re.MULTILINE)
    assert len(entries) == len(set(entries))
    assert set(sb3_barriernet.__all__) - set(entries) == set()


def test_versions_agree():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == version
    newest = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:2]
    assert newest == ["Unreleased"] or newest[:2] == ["Unreleased", version]
