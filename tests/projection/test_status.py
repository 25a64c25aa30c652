"""Every degenerate case by its name, and no sample that reaches into another."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sb3_barriernet.projection import Status, project
from tests.projection.oracles import random_batch

D = torch.float64
BACKENDS = ["active_set", "torch"]


def _one(u, A, c, low, high, **settings):
    tensors = (torch.tensor([value], dtype=D) for value in (u, A, c))
    return project(*tensors, torch.tensor(low, dtype=D), torch.tensor(high, dtype=D), **settings)


@pytest.mark.parametrize("backend", BACKENDS)
class TestDegenerateCases:
    def _check(self, backend, u, A, c, low, high, status, action, slack=0.0, **settings):
        result = _one(u, A, c, low, high, backend=backend, **settings)
        assert Status(int(result.status)) == status
        np.testing.assert_allclose(result.action[0], action, atol=1e-12)
        assert float(result.slack) == pytest.approx(slack, abs=1e-12)

    def test_clip_to_the_box_alone_is_no_intervention(self, backend):
        self._check(backend, [3.0, 0.0], [[1.0, 0.0]], [0.0], [-1, -1], [1, 1], Status.INACTIVE, [1.0, 0.0])

    def test_no_rows(self, backend):
        u, A, c = torch.tensor([[3.0, 0.2]], dtype=D), torch.zeros(1, 0, 2, dtype=D), torch.zeros(1, 0, dtype=D)
        result = project(u, A, c, [-1, -1], [1, 1], backend=backend)
        assert result.status == Status.INACTIVE
        np.testing.assert_array_equal(result.action[0], [1.0, 0.2])

    def test_zero_padding_rows(self, backend):
        rows, shifts = [[0.0, 0.0], [-1.0, 0.0], [0.0, 0.0]], [1.0, 0.5, 0.0]
        self._check(backend, [0.9, 0.3], rows, shifts, [-1, -1], [1, 1], Status.ACTIVE, [0.5, 0.3])

    def test_hopeless_row_keeps_the_others(self, backend):
        rows, shifts = [[0.0, 0.0], [-1.0, 0.0]], [-0.1, 0.5]
        self._check(backend, [0.9, 0.3], rows, shifts, [-1, -1], [1, 1], Status.INFEASIBLE, [0.5, 0.3], 0.1)

    def test_row_that_only_touches_the_box(self, backend):
        self._check(backend, [0.0, 0.0], [[1.0, 0.0]], [-1.0], [-1, -1], [1, 1], Status.ACTIVE, [1.0, 0.0])

    def test_opposite_rows_that_leave_a_line(self, backend):
        rows, shifts = [[1.0, 1.0], [-1.0, -1.0]], [-0.5, 0.5]
        self._check(backend, [0.0, 0.0], rows, shifts, [-1, -1], [1, 1], Status.ACTIVE, [0.25, 0.25])

    def test_opposite_rows_that_miss_each_other(self, backend):
        rows, shifts = [[1.0, 0.0], [-1.0, 0.0]], [-0.6, 0.2]
        self._check(backend, [0.0, 0.3], rows, shifts, [-1, -1], [1, 1], Status.INFEASIBLE, [0.4, 0.3], 0.2)

    def test_slack_is_in_the_units_of_the_row(self, backend):
        rows, shifts = [[10.0, 0.0], [-1.0, 0.0]], [-6.0, 0.2]
        self._check(backend, [0.0, 0.3], rows, shifts, [-1, -1], [1, 1], Status.INFEASIBLE, [0.4, 0.3], 2.0)

    def test_row_out_of_reach_of_the_box(self, backend):
        self._check(backend, [0.0, 0.2], [[1.0, 0.0]], [-3.0], [-1, -1], [1, 1], Status.INFEASIBLE, [1.0, 0.2], 2.0)

    def test_duplicate_rows(self, backend):
        rows, shifts = [[-1.0, 0.0], [-2.0, 0.0], [-1.0, 0.0]], [0.5, 1.0, 0.5]
        self._check(backend, [0.9, 0.3], rows, shifts, [-1, -1], [1, 1], Status.ACTIVE, [0.5, 0.3])

    def test_more_faces_than_actions_meet_in_a_point(self, backend):
        rows, shifts = [[-1.0, 0.0], [0.0, -1.0], [-1.0, -1.0], [-1.0, -2.0]], [0.5, 0.5, 1.0, 1.5]
        self._check(backend, [0.9, 0.9], rows, shifts, [-1, -1], [1, 1], Status.ACTIVE, [0.5, 0.5])

    def test_box_without_width(self, backend):
        self._check(backend, [0.9, 0.3], [[1.0, 0.0]], [0.0], [0.2, -1], [0.2, 1], Status.INACTIVE, [0.2, 0.3])
        self._check(backend, [0.9, 0.3], [[1.0, 1.0]], [-1.0], [0.2, -1], [0.2, 1], Status.ACTIVE, [0.2, 0.8])

    def test_row_out_of_reach_of_a_box_without_width(self, backend):
        box = ([0.2, -1], [0.2, 1], Status.INFEASIBLE, [0.2, 0.3])
        self._check(backend, [0.1, 0.3], [[1.0, 0.0]], [-1.0], *box, 0.8)
        self._check(backend, [0.9, 0.3], [[-1.0, 0.0]], [-1.0], *box, 1.2)
        self._check(backend, [0.1, 0.9], [[1.0, 0.0], [0.0, -1.0]], [-1.0, -0.5], *box, 0.8)

    def test_one_action(self, backend):
        self._check(backend, [0.9], [[-2.0]], [1.0], [-1], [1], Status.ACTIVE, [0.5])
        self._check(backend, [0.9], [[-1.0], [1.0]], [-0.5, 0.0], [-1], [1], Status.INFEASIBLE, [-0.25], 0.25)

    def test_box_projection_in_a_skewed_metric_is_no_clip_and_no_intervention(self, backend):
        weight = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=D)
        box = dict(low=[-1, -1], high=[1, 1], status=Status.INACTIVE)
        self._check(backend, [2.0, 0.0], [[0.0, 1.0]], [0.9], action=[1.0, 0.5], weight=weight, **box)

    def test_wildly_different_scales(self, backend):
        rows, shifts = [[1e-9, 0.0], [0.0, -1e12]], [-2e-10, 3e11]
        self._check(backend, [0.0, 0.9], rows, shifts, [-1, -1], [1, 1], Status.ACTIVE, [0.2, 0.3])

    def test_nominal_action_a_million_ranges_away(self, backend):
        rows, shifts = [[-1.0, -1.0]], [1.0]
        self._check(backend, [1e9, 1e9], rows, shifts, [-1, -1], [1, 1], Status.ACTIVE, [0.5, 0.5])

    @pytest.mark.parametrize("distance", [1e12, 1e17, 1e300])
    def test_nominal_action_as_far_away_as_numbers_go(self, backend, distance):
        box = ([-1, -1], [1, 1], Status.ACTIVE, [1.0, -0.5])
        self._check(backend, [distance, 0.3], [[-1.0, -1.0]], [0.5], *box)
        self._check(backend, [distance, 0.3], [[-1.0, -1.0]], [0.5], *box, weight=[1e-4, 1e4])

    def test_rows_whose_terms_overflow_are_not_passed_over(self, backend):
        result = _one([-0.5, -0.5], [[1e307, 1e307]], [0.0], [-100, -100], [100, 100], backend=backend)
        assert result.status == Status.ACTIVE
        assert result.action.sum() >= -1e-9

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("where", ["u", "A", "c"])
    def test_not_finite(self, backend, value, where):
        data = {"u": [0.1, 0.2], "A": [[1.0, 0.0], [0.0, 1.0]], "c": [1.0, 1.0]}
        data[where][0] = [value, 0.0] if where == "A" else value
        box = ([0.5, -1], [1, 1], Status.INVALID)
        self._check(backend, data["u"], data["A"], data["c"], *box, [0.5, 0.0], np.inf)
        backup = torch.tensor([0.7, -0.2], dtype=D)
        self._check(backend, data["u"], data["A"], data["c"], *box, [0.7, -0.2], np.inf, backup=backup)

    def test_backup_never_leaves_the_box(self, backend):
        backup = torch.tensor([7.0, -0.2], dtype=D)
        box = ([-1, -1], [1, 1], Status.INVALID)
        self._check(backend, [np.nan, 0.0], [[1.0, 0.0]], [0.0], *box, [1.0, -0.2], np.inf, backup=backup)

    @pytest.mark.parametrize(("low", "high"), [(np.nan, 1.0), (-1.0, np.nan), (0.5, 0.4), (np.inf, np.inf)])
    def test_box_without_actions(self, backend, low, high):
        result = _one([0.1, 0.2], [[1.0, 0.0]], [1.0], [low, -1], [high, 1], backend=backend)
        assert result.status == Status.INVALID
        assert torch.isfinite(result.action).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("dim", "rows"), [(1, 4), (2, 12), (5, 9)])
def test_a_bad_sample_changes_no_other_by_one_bit(backend, dim, rows):
    u, A, c, low, high = random_batch(dim, 30, rows, dim)
    before = project(u, A, c, low, high, backend=backend)
    others = torch.arange(30) != 11
    for spoil in ("nan", "infeasible", "huge"):
        u2, A2, c2 = u.clone(), A.clone(), c.clone()
        if spoil == "nan":
            A2[11] = torch.nan
        elif spoil == "infeasible":
            c2[11] = -1e3
        else:
            u2[11], A2[11], c2[11] = u[11] * 1e12, A[11] * 1e12, c[11] * 1e12
        after = project(u2, A2, c2, low, high, backend=backend)
        for name in ("action", "slack", "status", "faces"):
            if backend == "active_set" or name in ("status", "faces"):
                assert torch.equal(getattr(after, name)[others], getattr(before, name)[others])
            else:
                torch.testing.assert_close(getattr(after, name)[others], getattr(before, name)[others])


def mixed_batch(size: int) -> tuple[torch.Tensor, ...]:
    """Samples of every status over two actions, in any order."""
    u, A, c, low, high = random_batch(3, size, 6, 2, 0.4)
    u[::31], A[::37, 2], c[::41] = torch.nan, torch.inf, -1e3
    u[::5] = 0.0
    c[::3] = c[::3].abs()
    A[::7, 1] = 0.0
    return u, A, c, low, high


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weight", [None, [1.0, 3.0], [[2.0, 0.5], [0.5, 1.0]]])
def test_neighbours_change_nothing(weight, dtype):
    """Samples are looked at by the hundred and solved by fours; whose company that is must not matter to the bit."""
    u, A, c, low, high = mixed_batch(603)
    u = u.to(dtype)
    together = project(u, A, c, low, high, weight=weight)
    assert set(together.status.tolist()) == {*Status}
    order = torch.randperm(len(u), generator=torch.Generator().manual_seed(0))
    for chosen in (order, order[:130], order[200:203], order[7:8]):
        others = project(u[chosen], A[chosen], c[chosen], low, high, weight=weight)
        for name in ("action", "slack", "status", "faces"):
            assert torch.equal(getattr(others, name), getattr(together, name)[chosen])


def test_threads_change_nothing():
    u, A, c, low, high = random_batch(0, 40_000, 3, 2)
    u.requires_grad_()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = project(u, A, c, low, high)
        gradient = torch.autograd.grad(alone.action.square().sum(), u)[0]
        torch.set_num_threads(2)
        together = project(u, A, c, low, high)
        assert torch.equal(torch.autograd.grad(together.action.square().sum(), u)[0], gradient)
    finally:
        torch.set_num_threads(threads)
    for name in ("action", "slack", "status", "faces"):
        assert torch.equal(getattr(alone, name), getattr(together, name))


def test_active_names_the_faces_that_hold_the_action():
    u, A, c, low, high = random_batch(1, 300, 6, 3)
    result = project(u, A, c, low, high)
    values = torch.cat([(A @ result.action[..., None])[..., 0] + c, result.action - low, high - result.action], 1)
    feasible = result.status < Status.INFEASIBLE
    assert result.active.shape == values.shape
    assert result.active[feasible].any()
    assert values[feasible][result.active[feasible]].abs().max() < 1e-12
    assert torch.equal(result.active[feasible][:, :6].any(1), result.status[feasible] == Status.ACTIVE)
    # Away from the faces the action is free: what is not active has not moved it.
    still = feasible & ~result.active.any(1)
    assert torch.equal(result.action[still], u[still])


def test_any_memory_layout_gives_the_same_bits():
    u, A, c, low, high = random_batch(2, 50, 7, 2)
    plain = project(u, A, c, low, high)
    packed = torch.cat([A, c[..., None], torch.zeros_like(c[..., None])], dim=2)
    strided = project(u, packed[..., :2], packed[..., 2], low, high)
    turned = A.transpose(1, 2).contiguous().transpose(1, 2)
    columns = project(u.t().contiguous().t(), turned, c.t().contiguous().t(), low.expand(50, 2), high)
    assert torch.equal(strided.action, plain.action)
    assert torch.equal(columns.action, plain.action)


def test_empty_batch():
    result = project(torch.zeros(0, 2), torch.zeros(0, 3, 2), torch.zeros(0, 3), [-1, -1], [1, 1])
    assert result.action.shape == (0, 2)
    assert result.active.shape == (0, 7)
