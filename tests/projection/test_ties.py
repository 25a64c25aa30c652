"""Rows that tie: whole coefficients, parallel faces, corners where many meet, bounds at 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from sb3_barriernet.projection import Status, project
from tests.projection.oracles import least_violation

D = torch.float64
BACKENDS = ["active_set", "torch"]
GENERAL = np.array([[3.0, 1.0, 0.0, -1.0], [1.0, 2.0, 1.0, 0.0], [0.0, 1.0, 4.0, 1.0], [-1.0, 0.0, 1.0, 2.0]])


def tied(size, rows, dim, shifts, seed):
    """Nominal actions, rows and offsets of small whole and half numbers."""
    generator = np.random.default_rng(seed)
    A = generator.integers(-1, 2, size=(size, rows, dim)).astype(float)
    c = generator.integers(*shifts, size=(size, rows)) / 2.0
    return generator.integers(-4, 5, size=(size, dim)) / 2.0, A, c


def worst_violation(action, A, c, norms):
    """Of the rows that have coefficients."""
    some = norms > 0.0
    return max(0.0, np.max(-(A[some] @ action + c[some]) / norms[some], initial=0.0))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "weight", [np.eye(4), np.diag([1.0, 2.0, 3.0, 4.0]), GENERAL], ids=["none", "diagonal", "full"]
)
def test_rows_that_tie_are_violated_as_little_as_possible(weight, backend):
    u, A, c = tied(300, 8, 4, (-2, 3), seed=3)
    low, high = -np.ones(4), np.ones(4)
    result = project(*map(torch.tensor, (u, A, c, low, high)), weight=torch.tensor(weight), backend=backend)
    for i in range(len(u)):
        least, norms = least_violation(A[i], c[i], low, high, weight)
        assert worst_violation(result.action[i].numpy(), A[i], c[i], norms) == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bound_that_rounding_alone_lets_contradict_keeps_out_of_it(backend):
    u, c = [[-1.5, 2.0, 1.0]], [[1.0, -0.5, 1.0, -0.5, -0.5, 0.0]]
    A = [[[1.0, 0, -1], [-1, 0, 1], [1, 1, -1], [1, 1, 1], [1, -1, 1], [-1, 1, -1]]]
    box = torch.ones(3, dtype=D)
    result = project(*(torch.tensor(part, dtype=D) for part in (u, A, c)), -box, box, backend=backend)
    least, norms = least_violation(np.array(A[0]), np.array(c[0]), -np.ones(3), np.ones(3), np.eye(3))
    assert result.status == Status.INFEASIBLE
    assert worst_violation(result.action[0].numpy(), np.array(A[0]), np.array(c[0]), norms) == pytest.approx(least)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("box", [([0.0, -1, -1], [0.0, 1, 1]), ([0.0] * 3, [np.inf] * 3)], ids=["no width", "half"])
@pytest.mark.parametrize(
    "weight", [np.eye(3), np.diag([1.0, 2.0, 3.0]), GENERAL[:3, :3]], ids=["none", "diagonal", "full"]
)
def test_bounds_at_zero_are_as_exact_as_any(box, weight, backend):
    """A bound at 0 has no size of its own, so that every rounding error would break it."""
    low, high = map(np.array, box)
    u, A, c = tied(4000, 6, 3, (-1, 4), seed=7)
    result = project(*map(torch.tensor, (u, A, c, low, high)), weight=torch.tensor(weight), backend=backend)
    assert (result.status != Status.INVALID).all()
    for i in range(150):
        hopeless = ((np.abs(A[i]).sum(1) == 0) & (c[i] < 0)).any()
        feasible = not hopeless and least_violation(A[i], c[i], low, high, weight)[0] < 1e-9
        assert feasible == (int(result.status[i]) in (Status.INACTIVE, Status.ACTIVE))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("u", "rows", "action"),
    [([-1.0, -0.5], [[1.0, 0], [-1, -1]], [0.0, 0]), ([-0.5, 1.0], [[-1.0, 0]], [0.0, 0.75])],
)
def test_a_cone_has_no_size_but_that_of_the_way_to_it(u, rows, action, backend):
    A, zero = torch.tensor([rows], dtype=D), torch.zeros(1, len(rows), dtype=D)
    settings = {"weight": torch.tensor(GENERAL[:2, :2]), "backend": backend}
    for size in (1e-9, 1.0, 1e9):
        nominal = size * torch.tensor([u], dtype=D)
        result = project(nominal, A, zero, [0, 0], [np.inf, np.inf], **settings)
        assert result.status < Status.INFEASIBLE
        np.testing.assert_allclose(result.action[0] / size, action, atol=1e-12)


@pytest.mark.parametrize("shifts", [(-1, 4), (-2, 3)], ids=["most feasible", "most not"])
@pytest.mark.parametrize("distance", [1e3, 1e6, 1e9])
def test_a_nominal_action_far_outside_the_box_is_as_good_as_any(distance, shifts):
    low, high = np.array([0.0, -1, -1, -1]), np.array([0.0, 1, 1, 1])
    u, A, c = tied(1000, 8, 4, shifts, seed=7)
    problem = [*map(torch.tensor, (distance * u, A, c, low, high))]
    result = project(*problem, weight=torch.tensor(GENERAL))
    assert (result.status != Status.INVALID).all()
    for i in range(60):
        least, norms = least_violation(A[i], c[i], low, high, GENERAL)
        assert worst_violation(result.action[i].numpy(), A[i], c[i], norms) == pytest.approx(least, abs=1e-9)
        if result.status[i] < Status.INFEASIBLE:
            # No feasible action lies on the nominal one's side of the projection.
            side = GENERAL @ (result.action[i].numpy() - problem[0][i].numpy())
            side /= max(np.linalg.norm(side), 1.0)
            nearest = linprog(side, -A[i], c[i], bounds=np.column_stack([low, high]), method="highs").fun
            assert side @ result.action[i].numpy() == pytest.approx(nearest, abs=1e-9)


@pytest.mark.parametrize("distance", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("dim", [2, 4])
def test_a_nominal_action_far_outside_a_quadrant_is_solved(dim, distance):
    u, A, c = tied(2000, 2 * dim, dim, (-1, 4), seed=7)
    bounds = np.zeros(dim), np.full(dim, np.inf)
    result = project(*map(torch.tensor, (distance * u, A, c, *bounds)), weight=torch.tensor(GENERAL[:dim, :dim]))
    assert (result.status != Status.INVALID).all()


@pytest.mark.parametrize("widths", [[0.0, 1, 1, 1, 1], [np.inf] * 5], ids=["no width", "half"])
@pytest.mark.parametrize("dim", [2, 5])
def test_torch_equals_active_set_where_rows_tie(dim, widths):
    problem = [*map(torch.tensor, tied(500, 2 * dim, dim, (-1, 4), seed=dim)), np.zeros(dim), widths[:dim]]
    factor = np.eye(dim) + np.eye(dim, k=1)
    first, second = (project(*problem, weight=factor @ factor.T, backend=name) for name in BACKENDS)
    assert torch.equal(first.status, second.status)
    torch.testing.assert_close(first.action, second.action, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(first.slack, second.slack, atol=1e-9, rtol=1e-9)
