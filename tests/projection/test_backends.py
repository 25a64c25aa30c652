"""Backends are interchangeable, chosen by name, and say what they lack; bad settings get advice."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

from sb3_barriernet.errors import BackendError, ConfigurationError, RowShapeError
from sb3_barriernet.projection import ProjectionLayer, Status, project, register_backend
from tests.projection.oracles import random_batch, random_weight

D = torch.float64


@pytest.mark.parametrize("kind", ["identity", "diagonal", "full", "batch"])
@pytest.mark.parametrize(("dim", "rows"), [(1, 4), (2, 8), (4, 12), (7, 16)])
def test_torch_equals_active_set(dim, rows, kind):
    u, A, c, low, high = random_batch(dim, 200, rows, dim, 0.3)
    A[::3, 1], c[::3, 1], u[5] = 0.0, 1.0, torch.nan
    weight = random_weight(dim, dim, kind, 200)
    first = project(u, A, c, low, high, weight=weight, backend="active_set")
    second = project(u, A, c, low, high, weight=weight, backend="torch")
    assert torch.equal(first.status, second.status)
    torch.testing.assert_close(first.action, second.action, atol=1e-8, rtol=0)
    torch.testing.assert_close(first.slack, second.slack, atol=1e-8, rtol=1e-8)
    feasible = first.status != Status.INFEASIBLE
    assert torch.equal(first.active[feasible], second.active[feasible])


@pytest.mark.parametrize("kind", ["identity", "diagonal", "full", "batch"])
@pytest.mark.parametrize(("dim", "rows"), [(1, 3), (2, 6), (4, 6)])
def test_cvxpylayers_agrees_within_its_accuracy(dim, rows, kind):
    pytest.importorskip("cvxpylayers")
    u, A, c, low, high = random_batch(dim, 30, rows, dim, 0.5)
    u[3], A[4, 1], c[4, 1] = torch.nan, 0.0, 1.0
    weight = random_weight(dim, dim, kind, 30)
    gradients = []
    for backend in ("active_set", "cvxpylayers"):
        nominal = u.clone().requires_grad_()
        result = project(nominal, A, c, low, high, weight=weight, backend=backend)
        gradients.append((result, torch.autograd.grad(result.action.sum(), nominal)[0]))
    (first, gradient), (second, reference) = gradients
    assert torch.equal(first.status, second.status)
    torch.testing.assert_close(first.action, second.action, atol=1e-4, rtol=0)
    torch.testing.assert_close(first.slack, second.slack, atol=1e-5, rtol=1e-5)
    feasible = first.status < Status.INFEASIBLE
    torch.testing.assert_close(gradient[feasible], reference[feasible], atol=5e-2, rtol=0)


@pytest.mark.parametrize("backend", ["active_set", "torch", "cvxpylayers"])
def test_without_rows_the_box_alone_holds(backend):
    if backend == "cvxpylayers":
        pytest.importorskip("cvxpylayers")
    u = torch.tensor([[2.0, 0.5]], dtype=D, requires_grad=True)
    box = torch.ones(2, dtype=D)
    result = project(u, torch.zeros(1, 0, 2, dtype=D), torch.zeros(1, 0, dtype=D), -box, box, backend=backend)
    torch.testing.assert_close(result.action.detach(), torch.tensor([[1.0, 0.5]], dtype=D), atol=1e-7, rtol=0)
    assert (result.status, result.slack) == (Status.INACTIVE, 0.0)
    (gradient,) = torch.autograd.grad(result.action.sum(), u)
    torch.testing.assert_close(gradient, torch.tensor([[0.0, 1.0]], dtype=D), atol=1e-2, rtol=0)


@pytest.mark.parametrize("dim", [1, 2])
def test_torch_compiles_and_exports_one_layer_after_the_other(dim):
    u, A, c, low, high = random_batch(2, 16, 5, dim)
    layer = ProjectionLayer(low, high, backend="torch")
    expected = layer(u, A, c)
    exported = torch.export.export(layer, (u, A, c)).module()(u, A, c)
    torch.testing.assert_close(exported.action, expected.action)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)(u, A, c)
    torch.testing.assert_close(compiled.action, expected.action)
    assert torch.equal(compiled.status, expected.status)


def test_the_default_backend_compiles_too():
    u, A, c, low, high = random_batch(2, 16, 5, 2)
    compiled = torch.compile(project, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(u, A, c, low, high).action, project(u, A, c, low, high).action)


def test_an_own_backend_by_name():
    from sb3_barriernet.projection import registry

    register_backend("mine", lambda problem: "solved by me")
    try:
        u, A, c, low, high = random_batch(2, 3, 5, 2)
        assert project(u, A, c, low, high, backend="mine") == "solved by me"
    finally:
        del registry._BACKENDS["mine"]


def test_unknown_backend_lists_the_known_ones():
    u, A, c, low, high = random_batch(2, 3, 5, 2)
    with pytest.raises(BackendError, match=r"'active_set', 'cvxpylayers',.* 'torch'"):
        project(u, A, c, low, high, backend="qpth")


def test_active_set_refuses_func_transforms_with_advice():
    u, A, c, low, high = random_batch(2, 3, 5, 2)
    with pytest.raises(BackendError, match="backend='torch'"):
        torch.func.vmap(lambda x: project(x, A, c, low, high, backend="active_set").action)(u[None])


def test_active_set_refuses_forward_mode_with_advice():
    u, A, c, low, high = random_batch(2, 3, 5, 2)
    project(u, A, c, low, high)
    with forward_ad.dual_level(), pytest.raises(BackendError, match="backend='torch'"):
        project(forward_ad.make_dual(u, u), A, c, low, high, backend="active_set")


def test_wrong_shapes_and_types_get_advice():
    u, A, c, low, high = random_batch(2, 3, 5, 2)
    for wrong in ((u, A[..., :1], c), (u[0], A[0], c[0]), (u, A, c[:, :4]), (u[:2], A, c)):
        with pytest.raises(RowShapeError, match=r"expected \(B, M\), \(B, K, M\) and \(B, K\)"):
            project(*wrong, low, high)
    with pytest.raises(ConfigurationError, match=r"dtype torch\.int64"):
        project(u.long(), A, c, low, high)
    with pytest.raises(ConfigurationError, match=r"`low` of shape \(3,\)"):
        project(u, A, c, [0.0, 0.0, 0.0], high)
    with pytest.raises(ConfigurationError, match=r"`backup` of shape"):
        project(u, A, c, low, high, backup=[0.0])
    with pytest.raises(ConfigurationError, match=r"torch\.diag_embed"):
        project(u, A, c, low, high, weight=torch.ones(3, 2))


@pytest.mark.parametrize("backend", ["active_set", "torch"])
@pytest.mark.parametrize("weight", [[1.0, 0.0], [1.0, -1.0], [1.0, np.nan], [[1.0, 2.0], [2.0, 1.0]]])
def test_a_weight_must_be_positive(weight, backend):
    u, A, c, low, high = random_batch(2, 3, 5, 2)
    with pytest.raises(ConfigurationError, match="positive"):
        project(u, A, c, low, high, weight=weight, backend=backend)


@pytest.mark.parametrize("backend", ["active_set", "torch"])
def test_an_indefinite_weight_of_one_sample_is_that_samples_problem(backend):
    u, A, c, low, high = random_batch(2, 3, 5, 2)
    weight = random_weight(2, 2, "batch", 3)
    weight[1] = -weight[1]
    status = project(u * 3, A, c, low, high, weight=weight, backend=backend).status
    assert status[1] == Status.INVALID
    assert (status[[0, 2]] != Status.INVALID).all()


def test_a_layer_refuses_a_backup_outside_its_box():
    with pytest.raises(ConfigurationError, match="outside the box"):
        ProjectionLayer([-1.0], [1.0], backup=[2.0])


def test_bounds_may_be_lists_arrays_or_tensors_of_any_float():
    u, A, c, low, high = random_batch(2, 20, 5, 2)
    expected = project(u, A, c, low, high).action
    assert torch.equal(project(u, A, c, low.tolist(), high.numpy()).action, expected)
    assert torch.equal(project(u, A, c, low.expand(20, 2), high).action, expected)


def _python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_loads_neither_numba_nor_cvxpy():
    code = (
        "import sys, sb3_barriernet, sb3_barriernet.projection;"
        "print([name for name in ('numba', 'cvxpy', 'cvxpylayers') if name in sys.modules])"
    )
    assert _python(code).stdout.strip() == "[]"


def test_a_missing_package_comes_with_its_install_line():
    code = (
        "import sys, torch; sys.modules['cvxpy'] = None\n"
        "from sb3_barriernet.projection import project\n"
        "project(torch.zeros(1, 1), torch.zeros(1, 1, 1), torch.zeros(1, 1), [-1], [1], backend='cvxpylayers')"
    )
    assert "pip install 'sb3-barriernet[cvxpylayers]'" in _python(code).stderr


def test_without_numba_the_torch_backend_steps_in():
    code = (
        "import sys, torch; sys.modules['numba'] = None\n"
        "import importlib.util; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'numba' else find(name, *a)\n"
        "from sb3_barriernet.projection import project\n"
        "A = torch.tensor([[[-1.0]]])\n"
        "print(project(torch.ones(1, 1), A, torch.tensor([[0.5]]), [-1], [1]).action.item())"
    )
    assert _python(code).stdout.strip() == "0.5"


def test_remembered_bounds_are_read_anew_and_checked_anew():
    u, A, c, low, high = random_batch(2, 20, 5, 2)
    wide, narrow = project(u * 9, A, c, low, high).action, 0.5 * high
    assert (project(u * 9, A, c, low, narrow).action <= narrow).all()
    assert torch.equal(project(u * 9, A, c, low, high).action, wide)
    high.copy_(narrow)
    assert (project(u * 9, A, c, low, high).action <= narrow).all()
    with pytest.raises(ConfigurationError, match=r"`low` of shape \(2,\)"):
        project(u[:, :1], A[..., :1], c, low, high)
