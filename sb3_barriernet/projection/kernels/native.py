"""Kernels as machine code: compiled once a machine, kept in a file, and loaded without the compiler.

numba takes half a second to import and set up before it runs the first cached function. Machine code that needs
nothing of numba's runtime does not need to wait for it: LLVM's loader takes milliseconds.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import os
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

Kernel = Callable[[bytes], int]

HERE = Path(__file__).parent
_lock = threading.RLock()
_engines: list[Any] = []


@cache
def load_kernel(module: str, name: str) -> Kernel:
    """The entry ``name`` of a module of kernels, called with its packed arguments. Releases the GIL."""
    with _lock:
        machine = _target_machine()
        path = _cache_folder() / f"{module}.{name}-{_stamp(machine)}.o"
        code = _read(path)
        if code is None:
            code = _compile(module, name, machine)
            _write(path, code)
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


def _compile(module: str, name: str, machine: Any) -> bytes:
    """Machine code of an entry under its own name, and of nothing else."""
    compiling = importlib.import_module("sb3_barriernet.projection.kernels.compiling")
    kernels = importlib.import_module(f"sb3_barriernet.projection.kernels.{module}")
    text, symbol = compiling.translate(getattr(kernels, name))
    program = llvm.parse_assembly(text.replace(symbol, name))
    for function in program.functions:
        if not function.is_declaration and function.name != name:
            function.linkage = llvm.Linkage.internal
    # Kernels say themselves what goes into vectors; guesses on top of it gather from memory what lies in a row.
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(program, builder)
    return machine.emit_object(program)


def _link(code: bytes, name: str, machine: Any) -> Kernel:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)  # owns the memory that the function lives in
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(engine.get_function_address(name))


def _stamp(machine: Any) -> str:
    """Digest of everything that the code depends on: sources, compilers, processor."""
    digest = hashlib.sha256()
    for path in [*sorted(HERE.glob("*.py")), HERE.parent / "result.py"]:
        digest.update(path.read_bytes())
    about = (version("numba"), version("llvmlite"), machine.triple, llvm.get_host_cpu_name())
    digest.update("\n".join([*about, _features()]).encode())
    return digest.hexdigest()[:32]


def _cache_folder() -> Path:
    """Where numba would cache too: ``NUMBA_CACHE_DIR``, beside the source, or the user's cache."""
    wanted = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sb3_barriernet"
    for folder in ([Path(wanted)] if wanted else []) + [HERE / "__pycache__", home]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return home  # cannot be written to: compiled once a process


def _read(path: Path) -> bytes | None:
    """Code from a file, None if there is none or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == checksum else None


def _write(path: Path, code: bytes) -> None:
    """Write the whole file or none, whatever other processes do."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(file.name, path)
    except OSError:  # Nowhere to write: compile once a process instead.
        return
