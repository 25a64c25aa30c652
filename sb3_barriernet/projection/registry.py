"""Backends by name. CONTRIBUTING has the recipe to add one."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from sb3_barriernet.errors import BackendError
from sb3_barriernet.projection.backends import unrolled
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.result import Projection

Backend = Callable[[Problem], Projection]
"""Projects ``problem.u`` of a checked batch and attaches whatever gradient it offers."""


def _lazily(module: str) -> Backend:
    """A backend that imports its module, and thereby its dependencies, on first use."""
    loaded: list[Backend] = []

    def load_and_solve(problem: Problem) -> Projection:
        if not loaded:
            loaded.append(importlib.import_module(f"sb3_barriernet.projection.backends.{module}").solve)
        return loaded[0](problem)

    return load_and_solve


ACTIVE_SET = _lazily("active_set")
"""The compiled backend."""

_BACKENDS: dict[str, Backend] = {
    "active_set": ACTIVE_SET,
    "torch": unrolled.solve,
    "cvxpylayers": _lazily("cvxpylayers"),
}


def register_backend(name: str, backend: Backend) -> None:
    """Make ``backend`` available to :func:`project` under ``name``, replacing an earlier one."""
    _BACKENDS[name] = backend


def get_backend(name: str) -> Backend:
    """The backend called ``name``.

    :raises BackendError: if there is none
    """
    try:
        return _BACKENDS[name]
    except KeyError:
        known = ", ".join(repr(known) for known in sorted(_BACKENDS))
        raise BackendError(
            f"Found the projection backend {name!r}; expected one of {known}. Add your own with "
            "`register_backend(name, backend)`."
        ) from None
