"""Kernels in LLVM's language, the same for every 64-bit processor of little-endian byte order.

numba takes ten seconds to translate them, so a build of the package does it (``hatch_build.py``) and ships the
programs beside the sources. Sources that were edited since are translated when they are first needed.
"""

from __future__ import annotations

import hashlib
import importlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from sb3_barriernet.projection.kernels import files

HERE = Path(__file__).parent

ENTRIES = {"screen": "forward", "solve_pending": "general", "pull_back": "adjoint"}
"""The functions that are called from outside, and their modules."""

SEPARATE = ("list_broken", "solve_group", "pull_back_group", "pull_back_each")
"""Kernels that stay functions of their own: merged into their callers, their loops would run out of registers."""


def load_program(name: str) -> Any:
    """The entry ``name`` and all it calls, as an LLVM module that belongs to the caller."""
    shipped = _read_shipped(name)
    return llvm.parse_bitcode(_translate(name)) if shipped is None else shipped


def ship_programs() -> None:
    """Leave an up-to-date program of every entry beside the sources, one that this LLVM reads."""
    for name in ENTRIES:
        if _read_shipped(name) is None:
            files.write(_path(name), _translate(name), sources())


def sources() -> str:
    """Digest of all that the programs are made from."""
    digest = hashlib.sha256()
    for path in [*sorted(HERE.glob("*.py")), HERE.parent / "status.py"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def optimise(program: Any, machine: Any) -> None:
    """LLVM's usual passes but for those that vectorise and unroll.

    Kernels say themselves what goes into vectors; guesses on top of it gather from memory what lies in a row.
    """
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(program, builder)


def _path(name: str) -> Path:
    return HERE / f"{name}.bc"


def _read_shipped(name: str) -> Any | None:
    """The program beside the sources; None if it is of other sources, or of a newer LLVM than this one."""
    program = files.read(_path(name), sources())
    if program is not None:
        with suppress(RuntimeError):
            return llvm.parse_bitcode(program)
    return None


def _translate(name: str) -> bytes:
    """The program of an entry under its own name, and of nothing else, as bitcode, which later LLVMs read too.

    Optimised for a processor that can do nothing special, it is a tenth as long as numba leaves it.
    """
    compiling = importlib.import_module("sb3_barriernet.projection.kernels.compiling")
    kernels = importlib.import_module(f"sb3_barriernet.projection.kernels.{ENTRIES[name]}")
    text, mangled = compiling.translate(getattr(kernels, name))
    program = llvm.parse_assembly(text.replace(mangled, name))
    for symbol in [*program.functions, *program.global_variables]:
        if not symbol.is_declaration and symbol.name != name:
            symbol.linkage = llvm.Linkage.internal
            if symbol.is_function and any(kernel in symbol.name for kernel in SEPARATE):
                symbol.add_function_attribute("noinline")
    optimise(program, llvm.Target.from_default_triple().create_target_machine(opt=3))
    return program.as_bitcode()
