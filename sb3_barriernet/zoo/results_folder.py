"""Files of results: whole or absent, and never of two minds about what they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sb3_barriernet.errors import ConfigurationError


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a whole file or none: a kill never leaves half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(path)


def claim(file: Path, settings: dict[str, Any], where: str) -> None:
    """Write down under which settings results are made, or refuse those that were made under others.

    :param file: keeps the settings
    :param settings: everything that the results depend on; what JSON does not know is kept as its string
    :param where: what was found there if the settings differ, for the message
    :raises ConfigurationError: if they differ
    """
    wanted = json.loads(json.dumps(settings, default=str))
    if not file.exists():
        write_json(file, wanted)
    found = json.loads(file.read_text())
    other = [key for key in wanted if found.get(key) != wanted[key]]
    if other:
        raise ConfigurationError(
            f"Found {where}, with another {', '.join(other)}: { {key: found.get(key) for key in other} } instead of "
            f"{ {key: wanted[key] for key in other} }. Choose another --out, or remove that folder."
        )
