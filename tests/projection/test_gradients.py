"""Gradients against finite differences, first and second order, shared and per sample, relaxed and not."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import forward_ad

from sb3_barriernet.projection import ProjectionLayer, Status, project
from tests.projection.oracles import matrix, random_batch, random_weight

BACKENDS = ["active_set", "torch"]
WEIGHTS = ["identity", "diagonal", "full", "batch"]


def _stable(problem, weight, backend):
    """Samples whose active set survives small changes, so that finite differences make sense."""
    result = project(*problem, weight=weight, backend=backend)
    keep = torch.ones(len(problem[0]), dtype=torch.bool)
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        moved = [part + 1e-4 * torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in problem]
        other = project(*moved, weight=weight, backend=backend)
        keep &= (other.active == result.active).all(1) & (other.status == result.status)
    return keep, result.status


def _differentiable(problem, weight, keep):
    inputs = [part[keep] if len(part) == len(keep) else part for part in problem]
    if weight is not None:
        inputs.append(weight[keep] if weight.ndim == 3 else weight)
    return [part.clone().requires_grad_() for part in inputs]


def _action(*inputs, backend):
    *problem, weight = inputs if len(inputs) == 6 else (*inputs, None)
    return project(*problem, weight=weight, backend=backend).action


SIZES = [(1, 3, 0.5), (2, 5, 0.5), (3, 6, -0.2)]


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize(
    ("backend", "dim", "rows", "shift"),
    [*(("active_set", *size) for size in [*SIZES, (6, 16, -0.6)]), *(("torch", *size) for size in SIZES)],
)
def test_matches_finite_differences(backend, dim, rows, shift, kind):
    problem = random_batch(dim, 24, rows, dim, shift)
    weight = random_weight(dim, dim, kind, 24)
    keep, status = _stable(problem, weight, backend)
    assert (keep & (status == Status.ACTIVE)).any() or dim == 6
    assert (keep & (status == Status.INFEASIBLE)).any()
    keep[torch.nonzero(keep)[8:]] = False
    inputs = _differentiable(problem, weight, keep)
    tolerances = {"eps": 1e-7, "atol": 1e-5, "rtol": 1e-3, "fast_mode": True}
    assert torch.autograd.gradcheck(lambda *x: _action(*x, backend=backend), inputs, **tolerances)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_second_derivatives_match_finite_differences(kind, backend):
    problem = random_batch(7, 24, 6, 3, 0.4)
    weight = random_weight(7, 3, kind)
    keep, _ = _stable(problem, weight, backend)
    keep[torch.nonzero(keep)[4:]] = False
    inputs = _differentiable(problem, weight, keep)
    check = torch.autograd.gradgradcheck
    assert check(lambda *x: _action(*x, backend=backend), inputs, eps=1e-7, atol=1e-5, rtol=1e-3, fast_mode=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_faces_that_say_what_others_say_do_not_count(backend):
    low, high = torch.tensor([0.2, -1.0], dtype=torch.float64), torch.tensor([0.2, 1.0], dtype=torch.float64)
    u = torch.tensor([[0.1, 0.3]], dtype=torch.float64, requires_grad=True)
    A, c = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64), torch.tensor([[-1.0]], dtype=torch.float64)
    result = project(u, A, c, low, high, backend=backend)
    assert result.faces.tolist()[0][0] == 2
    # The row out of reach and a bound of the action without a range; the compiled solver names its other bound, too.
    assert (-1 not in result.faces[0]) == (backend == "active_set")
    (first,) = torch.autograd.grad(result.action.square().sum(), u, create_graph=True)
    torch.testing.assert_close(first, torch.tensor([[0.0, 0.6]], dtype=torch.float64))
    (second,) = torch.autograd.grad(first.sum(), u)
    torch.testing.assert_close(second, torch.tensor([[0.0, 2.0]], dtype=torch.float64))


@pytest.mark.parametrize("kind", WEIGHTS)
def test_backends_agree_on_every_gradient(kind):
    problem = random_batch(11, 200, 8, 3, 0.2)
    weight = random_weight(11, 3, kind, 200)
    gradients = []
    for backend in BACKENDS:
        inputs = _differentiable(problem, weight, torch.ones(200, dtype=torch.bool))
        action = _action(*inputs, backend=backend)
        incoming = torch.linspace(-1, 1, action.numel(), dtype=action.dtype).reshape(action.shape)
        gradients.append(torch.autograd.grad(action, inputs, incoming))
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, atol=1e-9, rtol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [1, 3, 4, 201])
def test_one_after_the_other_and_four_at_a_time_samples_have_the_same_gradients(batch, dtype):
    """Over two actions, who wants the weight's gradient gets the samples differentiated one after the other."""
    u, A, c, low, high = random_batch(12, batch, 6, 2, 0.2)
    u, A[batch // 2, 0, 0] = u.to(dtype), torch.nan if batch > 100 else 0.0
    bounds = [bound * torch.linspace(1, 2, batch, dtype=torch.float64)[:, None] for bound in (low, high)]
    gradients, weight = [], random_weight(12, 2, "diagonal")
    for wanted in (True, False):
        leaves = [part.clone().requires_grad_() for part in (u, A, c, *bounds)]
        result = project(*leaves, weight=weight.clone().requires_grad_(wanted))
        incoming = torch.linspace(-1, 1, 2 * batch, dtype=dtype).reshape(batch, 2)
        gradients.append(torch.autograd.grad(result.action, leaves, incoming))
    if batch > 100:
        assert set(result.status.tolist()) == set(Status)
        assert set((result.faces[result.status == Status.ACTIVE, 1:] >= 0).sum(1).tolist()) == {1, 2}
        assert (result.faces[:, 1:] >= A.shape[1]).any()
    for single, four in zip(*gradients, strict=True):
        torch.testing.assert_close(single, four, atol=1e-12 if single.dtype == torch.float64 else 1e-6, rtol=1e-7)


def test_what_samples_share_collects_the_sum():
    u, A, c, low, high = random_batch(3, 40, 5, 2)
    shared = [A[:1], c[:1], low, high, random_weight(3, 2, "diagonal")]

    def gradients(expand):
        leaves = [part.clone().requires_grad_() for part in shared]
        A1, c1, low1, high1, weight = leaves
        actions = []
        for part in (slice(0, 40),) if expand else (slice(i, i + 1) for i in range(40)):
            size = len(u[part])
            rows = A1.expand(size, -1, -1), c1.expand(size, -1)
            actions.append(project(u[part], *rows, low1, high1, weight=weight).action)
        return torch.autograd.grad(torch.cat(actions).square().sum(), leaves)

    for together, looped in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(together, looped)


@pytest.mark.parametrize("kind", WEIGHTS)
def test_the_correction_is_the_gradient_of_half_the_squared_distance(kind):
    u, A, c, low, high = random_batch(4, 60, 5, 3)
    weight = random_weight(4, 3, kind, 60)
    u.requires_grad_()
    result = project(u, A, c, low, high, weight=weight)
    W = torch.stack([torch.from_numpy(matrix(weight, i, 3)) for i in range(60)])
    correction = (u - result.action)[..., None]
    force = (W @ correction)[..., 0]
    distance = 0.5 * (correction[..., 0] * force).sum()
    feasible = result.status < Status.INFEASIBLE
    torch.testing.assert_close(torch.autograd.grad(distance, u)[0][feasible], force.detach()[feasible])


@pytest.mark.parametrize("backend", BACKENDS)
def test_invalid_samples_have_zero_gradient_and_spoil_no_other(backend):
    u, A, c, low, high = random_batch(5, 20, 5, 2)
    inputs = [part.clone().requires_grad_() for part in (u, A, c)]
    clean = torch.autograd.grad(project(*inputs, low, high, backend=backend).action.sum(), inputs)
    with torch.no_grad():
        inputs[0][3], inputs[1][5] = torch.nan, torch.inf
    spoilt = torch.autograd.grad(project(*inputs, low, high, backend=backend).action.sum(), inputs)
    for before, after in zip(clean, spoilt, strict=True):
        assert (after[[3, 5]] == 0).all()
        others = [i for i in range(20) if i not in (3, 5)]
        torch.testing.assert_close(after[others], before[others])


def test_only_wanted_gradients_are_computed_and_float32_stays_float32():
    u, A, c, low, high = random_batch(6, 20, 5, 2)
    u = u.float().requires_grad_()
    A = A.requires_grad_(False)
    action = project(u, A, c, low, high).action
    action.sum().backward()
    assert action.dtype == u.grad.dtype == torch.float32
    with torch.no_grad():
        assert not project(u, A, c, low, high).action.requires_grad


def test_func_transforms_work():
    u, A, c, low, high = random_batch(8, 5, 4, 2)

    def act(nominal):
        return project(nominal, A, c, low, high).action

    jacobian = torch.func.jacrev(act)(u)
    reference = torch.autograd.functional.jacobian(act, u)
    torch.testing.assert_close(jacobian, reference)
    stacked = torch.stack([u, 2 * u, -u])
    torch.testing.assert_close(torch.func.vmap(act)(stacked), torch.stack([act(part) for part in stacked]))


def test_forward_mode_works_too():
    u, A, c, low, high = random_batch(8, 5, 4, 2)
    direction = torch.ones_like(u)
    _, expected = torch.func.jvp(lambda nominal: project(nominal, A, c, low, high).action, (u,), (direction,))
    assert expected.abs().max() > 0
    with forward_ad.dual_level():
        action = project(forward_ad.make_dual(u, direction), A, c, low, high).action
        torch.testing.assert_close(forward_ad.unpack_dual(action).tangent, expected)


def test_a_layer_trains_inside_a_model():
    torch.manual_seed(0)
    layer = ProjectionLayer([-1.0, -1.0], [1.0, 1.0])
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    inputs, A = torch.randn(64, 3), torch.tensor([[-1.0, -1.0]], dtype=torch.float64).expand(64, 1, 2)
    target = torch.tensor([0.4, -0.6])
    for _ in range(150):
        loss = (layer(network(inputs), A, torch.zeros(64, 1)).action - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1e-2
    assert not layer.state_dict()
