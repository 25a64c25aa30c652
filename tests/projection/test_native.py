"""Machine code is kept, checked, and loaded without the compiler."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from sb3_barriernet.projection import Status, project
from sb3_barriernet.projection.kernels import native
from tests.projection.oracles import random_batch

ONE_ACTION = (
    "import sys, torch\n"
    "from sb3_barriernet.projection import project\n"
    "action = project(torch.ones(1, 1), torch.tensor([[[-1.0]]]), torch.tensor([[0.5]]), [-1], [1]).action\n"
    "print(action.item(), 'numba' in sys.modules)"
)


def test_what_is_compiled_once_runs_without_the_compiler():
    exec(ONE_ACTION)  # this process leaves the code behind
    run = subprocess.run([sys.executable, "-c", ONE_ACTION], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "0.5 False"


def test_damaged_code_is_never_run(tmp_path):
    file = tmp_path / "kernel.o"
    native._write(file, bytes(range(200)))
    content = file.read_bytes()
    assert native._read(file) == bytes(range(200))
    flipped = content[:40] + bytes([content[40] ^ 1]) + content[41:]
    for damaged in (content[:-100], b"", flipped):
        file.write_bytes(damaged)
        assert native._read(file) is None
    assert list(tmp_path.iterdir()) == [file]


def test_other_sources_other_code(monkeypatch, tmp_path):
    machine = native._target_machine()
    before = native._stamp(machine)
    assert native._stamp(machine) == before
    (tmp_path / "kernels").mkdir()
    (tmp_path / "result.py").write_text("")
    monkeypatch.setattr(native, "HERE", tmp_path / "kernels")
    assert native._stamp(machine) != before


def test_nothing_is_lost_where_nothing_can_be_written(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr(native, "HERE", blocked)
    folder = native._cache_folder()
    native._write(folder / "kernel.o", b"code")
    assert native._read(folder / "kernel.o") is None


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
