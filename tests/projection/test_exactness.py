"""The projection is the projection: against oracles, and by the laws that define it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_barriernet.projection import Status, project, residuals
from tests.projection.oracles import enumerate_projection, least_violation, matrix, random_batch, random_weight

WEIGHTS = ["identity", "diagonal", "full", "batch"]
PROBLEM = st.tuples(st.integers(0, 10**6), st.integers(0, 12), st.integers(1, 6), st.sampled_from(WEIGHTS))
fast = settings(max_examples=60, deadline=None)


def _solve(drawn, batch=16, shift=0.8):
    seed, rows, dim, kind = drawn
    problem = random_batch(seed, batch, rows, dim, shift)
    weight = random_weight(seed, dim, kind, batch)
    return problem, weight, project(*problem, weight=weight)


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize(("dim", "rows"), [(1, 4), (2, 5), (3, 4), (4, 3)])
def test_equals_the_best_of_all_active_sets(dim, rows, kind):
    batch = 24
    (u, A, c, low, high), weight, result = _solve((dim, rows, dim, kind), batch, 0.4)
    kinds = set()
    for i in range(batch):
        oracle = enumerate_projection(
            u[i].numpy(), A[i].numpy(), c[i].numpy(), low.numpy(), high.numpy(), matrix(weight, i, dim)
        )
        kinds.add(int(result.status[i]))
        if oracle is None:
            assert result.status[i] == Status.INFEASIBLE
        else:
            assert result.status[i] != Status.INFEASIBLE
            np.testing.assert_allclose(result.action[i].numpy(), oracle, atol=1e-10)
    assert Status.ACTIVE in kinds


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_infeasible_rows_are_broken_as_little_as_possible(dim, kind):
    (u, A, c, low, high), weight, result = _solve((dim, 3 * dim + 2, dim, kind), 40, -0.8)
    infeasible = torch.nonzero(result.status == Status.INFEASIBLE)[:, 0].tolist()
    assert len(infeasible) > 10
    for i in infeasible:
        least, norms = least_violation(A[i].numpy(), c[i].numpy(), low.numpy(), high.numpy(), matrix(weight, i, dim))
        values = A[i].numpy() @ result.action[i].numpy() + c[i].numpy()
        assert max(-values / norms) == pytest.approx(least, abs=1e-9)
        assert result.slack[i] == pytest.approx(max(-values), abs=1e-12)
        # Among the actions of least violation it is the closest: the projection onto the rows so relaxed.
        granted = c[i : i + 1] + (least + 1e-9) * torch.from_numpy(norms)
        own = weight[i] if kind == "batch" else weight
        closest = project(u[i : i + 1], A[i : i + 1], granted, low, high, weight=own)
        np.testing.assert_allclose(closest.action[0], result.action[i], atol=1e-5)


@fast
@given(PROBLEM)
def test_satisfies_the_optimality_conditions(drawn):
    (u, A, c, low, high), weight, result = _solve(drawn)
    feasible = result.status < Status.INFEASIBLE
    own = weight[feasible] if weight is not None and weight.ndim == 3 else weight
    certificate = residuals(result.action[feasible], u[feasible], A[feasible], c[feasible], low, high, weight=own)
    assert certificate.worst().numpy() == pytest.approx(0.0, abs=1e-8)
    assert (result.slack[feasible] == 0).all()
    assert ((result.action >= low) & (result.action <= high)).all()


@fast
@given(PROBLEM)
def test_is_idempotent(drawn):
    (_, A, c, low, high), weight, result = _solve(drawn)
    again = project(result.action, A, c, low, high, weight=weight)
    np.testing.assert_allclose(again.action, result.action, atol=1e-10)
    assert torch.equal(again.status == Status.INFEASIBLE, result.status == Status.INFEASIBLE)


@fast
@given(PROBLEM)
def test_is_non_expansive_in_the_metric_of_the_weight(drawn):
    (u, A, c, low, high), weight, result = _solve(drawn)
    other = u + torch.randn(u.shape, generator=torch.Generator().manual_seed(1), dtype=u.dtype)
    second = project(other, A, c, low, high, weight=weight)
    for i in range(len(u)):
        W = matrix(weight, i, u.shape[1])
        before, after = (other - u)[i].numpy(), (second.action - result.action)[i].numpy()
        assert after @ W @ after <= before @ W @ before * (1 + 1e-9) + 1e-12


@fast
@given(PROBLEM, st.randoms(use_true_random=False))
def test_order_scale_duplicates_and_padding_of_rows_do_not_matter(drawn, random):
    (u, A, c, low, high), weight, result = _solve(drawn)
    rows = A.shape[1]
    order = random.sample(range(rows), rows)
    scale = torch.tensor([10.0 ** random.uniform(-8, 8) for _ in range(rows)], dtype=torch.float64)
    shuffled, shifts = (A * scale[:, None])[:, order], (c * scale)[:, order]
    padding, one = torch.zeros(len(u), 2, u.shape[1], dtype=u.dtype), torch.ones(len(u), 2, dtype=u.dtype)
    shuffled = torch.cat([padding, shuffled, shuffled[:, :2], padding], dim=1)
    shifts = torch.cat([one, shifts, shifts[:, :2], one], dim=1)
    changed = project(u, shuffled, shifts, low, high, weight=weight)
    assert torch.equal(changed.status, result.status)
    np.testing.assert_allclose(changed.action, result.action, atol=1e-8)


@fast
@given(PROBLEM)
def test_a_batch_is_its_samples_to_the_bit(drawn):
    (u, A, c, low, high), weight, result = _solve(drawn)
    for i in range(len(u)):
        own = weight[i : i + 1] if weight is not None and weight.ndim == 3 else weight
        one = project(u[i : i + 1], A[i : i + 1], c[i : i + 1], low, high, weight=own)
        assert torch.equal(one.action[0], result.action[i])
        assert one.status[0] == result.status[i]
        assert one.slack[0] == result.slack[i]
        assert torch.equal(one.faces[0], result.faces[i])


def test_an_infinite_bound_is_no_bound():
    u, A, c, _, _ = random_batch(3, 200, 6, 3)
    far = torch.full((3,), 1e7, dtype=torch.float64)
    bounded, free = project(u, A, c, -far, far), project(u, A, c, -far * torch.inf, far * torch.inf)
    both = (bounded.status == Status.ACTIVE) & (bounded.action.abs().amax(1) < 1e3)
    assert both.sum() > 50
    np.testing.assert_allclose(bounded.action[both], free.action[both], atol=1e-9)


def test_many_actions_and_rows():
    u, A, c, low, high = random_batch(5, 64, 64, 16, 3.0)
    result = project(u, A, c, low, high)
    feasible = result.status < Status.INFEASIBLE
    assert (result.status == Status.ACTIVE).sum() > 10
    certificate = residuals(result.action[feasible], u[feasible], A[feasible], c[feasible], low, high)
    assert certificate.worst().max() < 1e-9


@pytest.mark.parametrize("dim", [1, 2, 3, 7])
def test_float32_actions_stay_in_the_box_and_near_the_float64_ones(dim):
    u, A, c, low, high = random_batch(dim, 4000, 6, dim)
    low, high = low / 3, high / 3  # bounds that float32 cannot represent
    single = project(u.float(), A, c, low, high)
    double = project(u.float().double(), A, c, low, high)
    assert single.action.dtype == torch.float32
    assert ((single.action.double() >= low) & (single.action.double() <= high)).all()
    assert (single.action.double() - double.action).abs().max() < 1e-6
    assert torch.equal(single.status, double.status)


def test_residuals_notice_what_is_wrong():
    low, high = [-1.0, -1.0], [1.0, 1.0]
    u, A, c = torch.tensor([[2.0, 0.0]]), torch.tensor([[[-1.0, 0.0]]]), torch.tensor([[0.5]])
    assert residuals(torch.tensor([[0.5, 0.0]]), u, A, c, low, high).worst() < 1e-9
    assert residuals(torch.tensor([[0.7, 0.0]]), u, A, c, low, high).primal == pytest.approx(0.2, abs=1e-6)
    assert residuals(torch.tensor([[0.3, 0.0]]), u, A, c, low, high).stationarity == pytest.approx(1.7, abs=1e-6)
    wrong = torch.tensor([[-1.5, 0.0, 0.0, 0.0, 0.0]])
    assert residuals(torch.tensor([[0.5, 0.0]]), u, A, c, low, high, multipliers=wrong).dual == 1.5
    slack = residuals(torch.tensor([[0.0, 0.0]]), u, A, c, low, high, multipliers=-wrong)
    assert slack.complementarity == pytest.approx(0.75)
