"""How the site is built: `make docs`, with warnings as errors.

Every page is read where a person on GitHub reads it, and only there. Pages that live outside this folder have a stub
here that includes them; links that leave this folder lead to such a stub, or to the file in the repository.
"""

import os
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

from sb3_barriernet import __version__

HERE = Path(__file__).parent
ROOT = HERE.parent
REPOSITORY = "https://github.com/sb3-barriernet/sb3-barriernet"

project = "sb3-barriernet"
author = "The sb3-barriernet authors"
copyright = "the sb3-barriernet authors, MIT license"
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx_copybutton"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
# Notebooks run in every build, and one that fails fails the build.
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = "sb3-barriernet"
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
copybutton_exclude = ".linenos, .gp, .go"

PAGES = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
}
"""Files outside this folder, and the page here that stands for each."""

INCLUDE = re.compile(r"```\{include\} (\S+)\n(?::start-after: (.+)\n:end-before: (.+)\n)?```")
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)")


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put included files in their place, and turn every link towards something that the site has."""
    page = Path(app.env.doc2path(docname))
    if page.suffix == ".md":
        text = _linked(source[0], page.parent, page.parent)
        source[0] = INCLUDE.sub(lambda found: _included(page.parent, *found.groups()), text)


def _included(folder: Path, name: str, after: str | None, before: str | None) -> str:
    text = (folder / name).read_text(encoding="utf-8")
    if after:
        text = text.partition(after)[2].partition(before)[0]
    return _linked(text, (folder / name).parent, folder)


def _linked(text: str, written_in: Path, read_in: Path) -> str:
    """The text with links that lead from a page in the folder ``read_in`` to where they lead from ``written_in``."""
    return LINK.sub(lambda link: link[1] + _target(written_in, link[2], read_in), text)


def _target(written_in: Path, link: str, read_in: Path) -> str:
    target = Path(os.path.normpath(written_in / link))
    name = target.relative_to(ROOT).as_posix()
    if name in PAGES:
        target = HERE / PAGES[name]
    elif name.startswith("examples/notebooks/"):
        target = HERE / "notebooks" / target.name
    if target.is_relative_to(HERE):
        return Path(os.path.relpath(target, read_in)).as_posix()
    return f"{REPOSITORY}/{'tree' if target.is_dir() else 'blob'}/main/{name}"


def setup(app: Sphinx) -> None:
    shutil.copytree(ROOT / "examples" / "notebooks", HERE / "notebooks", dirs_exist_ok=True)
    app.connect("source-read", read_page)
