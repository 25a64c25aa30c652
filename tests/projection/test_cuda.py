"""On a GPU: the same answers, gradients and statuses as on the CPU."""

from __future__ import annotations

import pytest
import torch

from sb3_barriernet.projection import ProjectionLayer, Status, project
from tests.projection.oracles import random_batch, random_weight

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def _on_gpu(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.cuda() for tensor in tensors]


@pytest.mark.parametrize("backend", ["active_set", "torch"])
@pytest.mark.parametrize("kind", ["identity", "diagonal", "full", "batch"])
@pytest.mark.parametrize(("dim", "rows"), [(1, 4), (2, 12), (4, 16), (8, 32)])
def test_a_gpu_answers_like_the_cpu(dim, rows, kind, backend):
    u, A, c, low, high = random_batch(dim, 500, rows, dim, 0.3)
    A[::3, 1], c[::3, 1], u[5] = 0.0, 1.0, torch.nan
    weight = random_weight(dim, dim, kind, 500)
    here = project(u, A, c, low, high, weight=weight)
    weight = None if weight is None else weight.cuda()
    there = project(*_on_gpu(u, A, c, low, high), weight=weight, backend=backend)
    assert there.action.is_cuda
    assert there.status.is_cuda
    assert {Status.ACTIVE, Status.INFEASIBLE, Status.INVALID} <= set(here.status.tolist())
    assert torch.equal(there.status.cpu(), here.status)
    torch.testing.assert_close(there.action.cpu(), here.action, atol=1e-8, rtol=0)
    torch.testing.assert_close(there.slack.cpu(), here.slack, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("backend", ["active_set", "torch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_agree(dtype, backend):
    u, A, c, low, high = random_batch(3, 300, 12, 2, 0.7)
    gradients = []
    for device in ("cpu", "cuda"):
        leaves = [part.detach().to(device).requires_grad_() for part in (u.to(dtype), A, c)]
        action = project(*leaves, low.to(device), high.to(device), backend=backend).action
        gradients.append([part.cpu() for part in torch.autograd.grad(action.square().sum(), leaves)])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_a_layer_follows_its_module_to_the_gpu():
    u, A, c, low, high = random_batch(1, 50, 6, 3)
    layer = ProjectionLayer(low, high, backup=torch.zeros(3))
    torch.testing.assert_close(layer.cuda()(*_on_gpu(u, A, c)).action.cpu(), project(u, A, c, low, high).action)
