"""Files of compiled code that are never run when damaged or meant for something else."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

DIGEST = 32


def read(path: Path, key: str = "") -> bytes | None:
    """Code that was written under this key; None if there is none, or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    seal, code = content[:DIGEST], content[DIGEST:]
    return code if _seal(key, code) == seal else None


def write(path: Path, code: bytes, key: str = "") -> None:
    """Write the whole file or none, whatever other processes do.

    :raises OSError: if the folder cannot be written to
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(_seal(key, code) + code)
    os.replace(file.name, path)


def _seal(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def cache_folder(beside: Path) -> Path:
    """Where numba would cache too: ``NUMBA_CACHE_DIR``, beside the source, or the user's cache."""
    wanted = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sb3_barriernet"
    for folder in ([Path(wanted)] if wanted else []) + [beside / "__pycache__", home]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return home  # cannot be written to: compiled once a process
