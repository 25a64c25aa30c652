"""Programs are shipped, machine code is kept, both are checked, and loaded without the compiler."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sb3_barriernet.projection import Status, details, project
from sb3_barriernet.projection.backends import threads
from sb3_barriernet.projection.kernels import files, native, programs
from tests.projection.oracles import random_batch

REPOSITORY = Path(__file__).resolve().parents[2]

ONE_ACTION = (
    "import sys, torch\n"
    "from sb3_barriernet.projection import project\n"
    "action = project(torch.ones(1, 1), torch.tensor([[[-1.0]]]), torch.tensor([[0.5]]), [-1], [1]).action\n"
    "print(action.item(), 'numba' in sys.modules)"
)


def _run(code: str, **variables: str) -> str:
    command, env = [sys.executable, "-c", code], {**os.environ, **variables}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()


def test_what_is_compiled_once_runs_without_the_compiler():
    exec(ONE_ACTION)  # this process leaves the code behind
    assert _run(ONE_ACTION) == "0.5 False"


def test_what_is_shipped_is_compiled_without_numba(tmp_path):
    programs.ship_programs()
    assert _run(ONE_ACTION, NUMBA_CACHE_DIR=str(tmp_path)) == "0.5 False"
    assert [file.name.split("-")[0] for file in tmp_path.iterdir()] == ["screen"]


@pytest.mark.slow
def test_a_wheel_built_without_torch_carries_its_programs(tmp_path):
    source, unpacked = tmp_path / "source", tmp_path / "unpacked"
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.bc", "docs", "tests")
    shutil.copytree(REPOSITORY, source, ignore=unwanted)
    build = "import sys; sys.modules['torch'] = None; from hatchling.cli import hatchling; hatchling()"
    command = [sys.executable, "-c", build, "build", "--target", "wheel"]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = source.glob("dist/*-py3-none-any.whl")
    zipfile.ZipFile(wheel).extractall(unpacked)
    assert _run(ONE_ACTION, NUMBA_CACHE_DIR=str(tmp_path), PYTHONPATH=str(unpacked)) == "0.5 False"


def test_programs_of_other_sources_or_another_llvm_are_translated_anew(monkeypatch, tmp_path):
    empty = programs.llvm.parse_assembly("").as_bitcode()
    translated: list[str] = []
    monkeypatch.setattr(programs, "HERE", tmp_path)
    monkeypatch.setattr(programs, "sources", lambda: "these")
    monkeypatch.setattr(programs, "_translate", lambda name: translated.append(name) or empty)
    programs.ship_programs()
    assert translated == list(programs.ENTRIES)
    programs.load_program("screen")
    programs.ship_programs()
    assert translated == list(programs.ENTRIES), "What is up to date is used as it is."
    files.write(tmp_path / "screen.bc", b"not a program of this LLVM", "these")
    programs.load_program("screen")
    programs.ship_programs()
    programs.load_program("screen")
    monkeypatch.setattr(programs, "sources", lambda: "edited")
    programs.load_program("pull_back")
    assert translated[3:] == ["screen", "screen", "pull_back"], "Shipping replaces what cannot be read."


def test_damaged_code_is_never_run(tmp_path):
    file = tmp_path / "kernel.o"
    files.write(file, bytes(range(200)))
    content = file.read_bytes()
    assert files.read(file) == bytes(range(200))
    assert files.read(file, "written under another key") is None
    flipped = content[:40] + bytes([content[40] ^ 1]) + content[41:]
    for damaged in (content[:-100], b"", flipped):
        file.write_bytes(damaged)
        assert files.read(file) is None
    assert list(tmp_path.iterdir()) == [file]


def test_other_sources_other_code(monkeypatch, tmp_path):
    machine = native._target_machine()
    before = native._stamp(machine)
    assert native._stamp(machine) == before
    (tmp_path / "kernels").mkdir()
    (tmp_path / "status.py").write_text("")
    monkeypatch.setattr(programs, "HERE", tmp_path / "kernels")
    assert native._stamp(machine) != before


def test_nothing_is_lost_where_nothing_can_be_written(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr(native, "_compile", lambda name, machine: compiled.append(name) or b"code")
    monkeypatch.setattr(native, "_link", lambda code, name, machine: code)
    monkeypatch.setattr(programs, "HERE", blocked)
    monkeypatch.setattr(programs, "sources", lambda: "these")
    compiled: list[str] = []
    assert native.load_kernel.__wrapped__("screen") == b"code"
    assert compiled == ["screen"]


@pytest.mark.parametrize("kind", ["none", "diagonal", "full"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_kernels_read_of_their_working_memory_what_they_wrote(dim, kind):
    u, A, c, low, high = random_batch(dim, 40, 7, dim, 0.1)
    weight = {"none": None, "diagonal": torch.arange(1.0, dim + 1), "full": torch.eye(dim) + 0.1}[kind]

    def solve() -> list[torch.Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in (u, A, c)]
        result = project(*leaves, low, high, weight=weight)
        gradients = torch.autograd.grad(result.action.square().sum(), leaves)
        return [result.action.detach(), result.slack, result.status, result.faces, *gradients]

    before = solve()
    assert {Status.ACTIVE, Status.INFEASIBLE} <= set(before[2].tolist())
    ctypes.memset(threads._scratch.address, 0xFF, 8 * threads._scratch.size)  # NaN, as numbers
    assert all(map(torch.equal, solve(), before))


@pytest.mark.parametrize("kind", ["none", "full"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_memory_for_outcomes_may_hold_anything(dim, kind, monkeypatch):
    u, A, c, low, high = random_batch(dim, 200, 7, dim, 0.1)
    u[:50] *= 0.1
    A[0, 0, 0] = torch.nan

    def solve() -> list[torch.Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in (u, A, c)]
        result = project(*leaves, low, high, weight=torch.eye(dim) + 0.1 if kind == "full" else None)
        gradients = torch.autograd.grad(result.action.square().sum(), leaves)
        return [result.action.detach(), result.slack, result.status, result.faces, *gradients]

    before = solve()
    assert set(before[2].tolist()) == set(Status)

    def allocate(size: int) -> Any:
        return (ctypes.c_char * size).from_buffer_copy(b"\x5a" * size)

    monkeypatch.setattr(details, "allocate", allocate)
    assert all(map(torch.equal, solve(), before))
    assert (before[1][before[2] < Status.INFEASIBLE] == 0).all()


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 4095, 4097])
def test_any_number_of_rows(rows):
    """Fewer than a vector holds, whole vectors, vectors and a rest."""
    u, A, c, low, high = random_batch(rows, 20, rows, 2, 0.2)
    result = project(u, A, c, low, high)
    one_by_one = [project(u[i : i + 1], A[i : i + 1], c[i : i + 1], low, high) for i in range(len(u))]
    assert torch.equal(result.action, torch.cat([single.action for single in one_by_one]))
    assert torch.equal(result.status, torch.cat([single.status for single in one_by_one]))
    feasible = result.status < Status.INFEASIBLE
    residuals = (A @ result.action[..., None])[..., 0] + c
    assert (residuals[feasible] >= -1e-12).all()


@pytest.mark.parametrize("bound", [0.1, 1e-50, 0.0, -1e-50, -0.1])
def test_rounding_to_float32_never_leaves_the_box(bound):
    far = torch.tensor([[-5.0], [5.0]], dtype=torch.float32)
    rows, shifts = torch.zeros(2, 1, 1), torch.ones(2, 1)
    above = project(far, rows, shifts, [bound], [bound + 1.0]).action.double()
    below = project(far, rows, shifts, [bound - 1.0], [bound]).action.double()
    assert above.min() >= bound
    assert below.max() <= bound
    neighbours = [np.nextafter(np.float32(bound), np.float32(side)) for side in (-9, 9)]
    assert neighbours[0] <= above.min() <= neighbours[1]
    assert neighbours[0] <= below.max() <= neighbours[1]
