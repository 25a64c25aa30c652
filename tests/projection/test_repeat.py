"""A call that is like the last one takes a short cut, and nobody can tell."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from sb3_barriernet.projection import Status, project, register_backend, registry, setup
from tests.projection.oracles import random_batch, random_weight


def _parts(result):
    return result.action, result.slack, result.status, result.faces


def _assert_same(first, second):
    assert first.num_rows == second.num_rows
    for one, other in zip(_parts(first), _parts(second), strict=True):
        assert torch.equal(one, other)


def _shortcuts(monkeypatch):
    """Whether each call from now on takes the short cut."""
    taken: list[bool] = []

    def watch(*arguments, repeat=setup.repeat):
        result = repeat(*arguments)
        taken.append(result is not None)
        return result

    monkeypatch.setattr("sb3_barriernet.projection.api.repeat", watch)
    return taken


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [None, "diagonal", "full", "batch"])
@pytest.mark.parametrize(("dim", "rows"), [(1, 4), (2, 12), (4, 9)])
def test_a_repeated_call_has_the_result_of_a_first_one(monkeypatch, dim, rows, kind, dtype):
    u, A, c, low, high = random_batch(dim, 64, rows, dim, 0.3)
    u[5] = torch.nan
    u = u.to(dtype)
    wide = torch.cat([A, A], dim=2)[..., :dim]  # as rows come out of an observation
    backup = 0.5 * (low + high)
    weight = None if kind is None else random_weight(dim, dim, kind, 64)
    monkeypatch.setattr(setup, "_last", None)
    first = project(u, A, c, low, high, weight=weight, backup=backup)
    assert (first.status == Status.INVALID).any()
    assert (first.status == Status.ACTIVE).any()
    taken = _shortcuts(monkeypatch)
    for coefficients in (A, wide):
        _assert_same(first, project(u, coefficients, c, low, high, weight=weight, backup=backup))
        single = project(u[7:8], coefficients[7:8], c[7:8], low, high, weight=_of(weight, 7), backup=backup)
        assert torch.equal(single.action, first.action[7:8])
    assert taken == [kind in (None, "diagonal")] * 4


def _of(weight, sample):
    return weight[sample : sample + 1] if weight is not None and weight.dim() == 3 else weight


@pytest.mark.parametrize("change", ["u", "A", "c", "float32 rows", "other rows", "other box", "other weight"])
def test_what_does_not_fit_is_looked_at_anew(monkeypatch, change):
    u, A, c, low, high = random_batch(2, 32, 6, 2, 0.3)
    weight, more = torch.ones(2, dtype=torch.float64), {}
    project(u, A, c, low, high)
    if change == "u":
        u = u.t().contiguous().t()
    elif change == "A":
        A = A.transpose(1, 2).contiguous().transpose(1, 2)
    elif change == "c":
        c = c.t().contiguous().t()
    elif change == "float32 rows":
        A, c = A.float(), c.float()
    elif change == "other rows":
        A, c = A[:, :5], c[:, :5]
    elif change == "other box":
        low = low.clone() - 0.1
    else:
        more = {"weight": weight}
    taken = _shortcuts(monkeypatch)
    again = project(u, A, c, low, high, **more)
    monkeypatch.setattr(setup, "_last", None)
    _assert_same(again, project(u, A, c, low, high, **more))
    assert taken == [False, False]


def test_settings_are_read_where_they_are():
    u, A, c, low, high = random_batch(2, 20, 5, 2)
    project(9 * u, A, c, low, high)
    high.mul_(0.5)
    assert (project(9 * u, A, c, low, high).action <= high).all()
    high.data = 0.5 * high.data
    assert (project(9 * u, A, c, low, high).action <= high).all()
    high.data = high.data.float()
    assert (project(9 * u, A, c, low, high).action <= high).all()


@pytest.mark.parametrize("kind", [None, "diagonal"])
def test_a_repeated_gradient_is_that_of_a_first_call(monkeypatch, kind):
    u, A, c, low, high = random_batch(3, 64, 12, 2, -0.2)
    u[5] = torch.nan
    weight = None if kind is None else random_weight(3, 2, kind).requires_grad_()
    settings = [low.requires_grad_(), high.requires_grad_(), *([] if weight is None else [weight])]
    wide = torch.cat([A, A], dim=2).requires_grad_()
    leaves = [u.requires_grad_(), wide, c.requires_grad_(), *settings]

    def gradients():
        result = project(u, wide[..., :2], c, low, high, weight=weight)
        return torch.autograd.grad(result.action.sum(1).square().nansum(), leaves)

    monkeypatch.setattr(setup, "_last", None)
    taken = _shortcuts(monkeypatch)
    for first, second in zip(gradients(), gradients(), strict=True):
        assert first.abs().max() > 0
        assert torch.equal(first, second)
    assert taken == [False, True]


def test_settings_may_be_given_other_memory_before_the_gradient_is_asked_for():
    u, A, c, low, high = random_batch(3, 64, 12, 2, -0.2)
    gradients = []
    for moved in (False, True):
        leaves = [part.clone().requires_grad_() for part in (u, A, c, low, high)]
        action = project(*leaves).action
        if moved:
            for part in leaves[3:]:
                part.data = part.data.clone()
        gradients.append(torch.autograd.grad(action.sum(), leaves))
    for first, second in zip(*gradients, strict=True):
        assert torch.equal(first, second)


def test_a_gradient_is_never_cut_short():
    u, A, c, low, high = random_batch(2, 20, 5, 2)
    for part in (u, A, c, low, high):
        project(u, A, c, low, high)
        part.requires_grad_()
        assert project(u, A, c, low, high).action.requires_grad
        with torch.no_grad():
            assert not project(u, A, c, low, high).action.requires_grad
        part.requires_grad_(False)


def test_a_backend_that_took_the_name_is_asked(monkeypatch):
    u, A, c, low, high = random_batch(2, 3, 5, 2)
    project(u, A, c, low, high)
    monkeypatch.setitem(registry._BACKENDS, "active_set", registry.ACTIVE_SET)
    register_backend("active_set", lambda problem: "solved by me")
    assert project(u, A, c, low, high) == "solved by me"


def test_threads_with_different_settings_do_not_meet():
    batches = [random_batch(seed, 8, 3 + seed, 1 + seed % 3, 0.2) for seed in range(6)]
    expected = [project(*batch).action for batch in batches]

    def work(index: int) -> bool:
        mine = [*range(index, 6), *range(index)] * 40
        return all(torch.equal(project(*batches[i]).action, expected[i]) for i in mine)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
