"""How kernels are compiled. Only what is not compiled yet imports this module, and numba with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "no_cpython_wrapper": True}
"""Contracting to fused multiply-adds is the only relaxed rule."""


def kernel(function: Callable[..., Any]) -> Any:
    """A function that other kernels call, never Python."""
    options = {**OPTIONS, "no_cfunc_wrapper": True}
    return numba.njit(**options)(function)


def entry(function: Callable[[int], int]) -> Any:
    """A function that is called from outside: from the address of its arguments to a code."""
    return numba.njit(**OPTIONS)(function)


def translate(function: Any) -> tuple[str, str]:
    """An entry and all it calls in LLVM's language, not optimised, and the name of the C function in it.

    numba optimises every function on its own and again inside each caller. Done once, at the end, by whoever makes
    machine code of it, the same takes a third of the time.
    """
    assert cpu_target.target_context  # made now, so that the process's other functions keep their optimiser
    settings: Any = numba.config
    with global_compiler_lock:
        level = settings.OPT
        settings.OPT = type(level)(0)
        try:
            function.compile((numba.types.intp,))
        finally:
            settings.OPT = level
    ((signature, compiled),) = function.overloads.items()
    return function.inspect_llvm(signature), compiled.fndesc.llvm_cfunc_wrapper_name
