"""How kernels are compiled: without the GIL, cached on disk where that is possible."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def kernel(function: Callable[..., Any]) -> Any:
    """A function that other kernels call. Contracting to fused multiply-adds is the only relaxed rule."""
    return numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})(function)


def entry(function: Callable[..., Any]) -> Any:
    """A function that Python calls, cached on disk.

    Numba notices edits of the file that holds the function, not of the files that it calls into. Closure
    variables are part of its cache key, though, so an entry closes over :func:`source_stamp`.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # No folder to cache in is writable: compile once a process instead.
        return numba.njit(**options)(function)


def source_stamp() -> str:
    """Digest of all kernel sources."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
