"""Files of results: whole or absent, and never of two minds about what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
    found, wanted = dict(_entries(json.loads(file.read_text()))), dict(_entries(wanted))
    other = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    if other:
        raise ConfigurationError(
            f"Found {where}, with another {', '.join(other)}: { {key: found.get(key) for key in other} } instead of "
            f"{ {key: wanted.get(key) for key in other} }. Choose another --out, or remove that folder."
        )


def _entries(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values, also those of mappings within, such as ``hyperparameters.gamma``."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _entries(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
