"""Kernels as machine code: compiled once a machine, kept in a file, and loaded without the compiler.

numba takes half a second to import and set up before it runs the first cached function. Machine code that needs
nothing of numba's runtime does not need to wait for it: LLVM compiles a translated program in tenths of a second,
and its loader takes milliseconds.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from typing import Any

import llvmlite.binding as llvm

from sb3_barriernet.projection.kernels import files, programs

Kernel = Callable[[bytes], int]

_lock = threading.RLock()
_engines: list[Any] = []


@cache
def load_kernel(name: str) -> Kernel:
    """One of the :data:`~.programs.ENTRIES`, called with its packed arguments. Releases the GIL."""
    with _lock:
        machine = _target_machine()
        path = files.cache_folder(programs.HERE) / f"{name}-{_stamp(machine)}.o"
        code = files.read(path)
        if code is None:
            code = _compile(name, machine)
            with suppress(OSError):  # Nowhere to write: compile once a process instead.
                files.write(path, code)
        return _link(code, name, machine)


def _target_machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=_features(),
        opt=3,
        reloc="static" if target.name.startswith("x86") else "default",
        codemodel="jitdefault",
        jit=True,
    )


def _features() -> str:
    """What this processor can do beyond its name; LLVM does not know everywhere."""
    try:
        return llvm.get_host_cpu_features().flatten()
    except RuntimeError:
        return ""


def _compile(name: str, machine: Any) -> bytes:
    """Machine code of an entry."""
    program = programs.load_program(name)
    program.triple, program.data_layout = machine.triple, str(machine.target_data)
    programs.optimise(program, machine)
    return machine.emit_object(program)


def _link(code: bytes, name: str, machine: Any) -> Kernel:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)  # owns the memory that the function lives in
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(engine.get_function_address(name))


def _stamp(machine: Any) -> str:
    """Digest of everything that the code depends on: sources, compilers, processor."""
    about = (programs.sources(), version("numba"), version("llvmlite"), machine.triple, llvm.get_host_cpu_name())
    return hashlib.sha256("\n".join([*about, _features()]).encode()).hexdigest()[:32]
