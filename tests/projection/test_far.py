"""How far away a nominal action is must not matter: every point between it and its projection has the same one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sb3_barriernet.projection import Status, project
from tests.projection.oracles import random_batch, random_weight

BACKENDS = ["active_set", "torch"]


def half_open(dim: int, bound: float = torch.inf, batch: int = 300) -> tuple[torch.Tensor, ...]:
    """Rows that are feasible for some samples and contradict the others, and boxes of which one bound is far away."""
    u, A, c, low, high = random_batch(dim, batch, 2 * dim + 2, dim, 0.5)
    generator = torch.Generator().manual_seed(dim)
    low, high = low.repeat(batch, 1), high.repeat(batch, 1)
    axis = torch.randint(dim, (batch,), generator=generator)
    above = torch.rand(batch, generator=generator) < 0.5
    everyone = torch.arange(batch)
    high[everyone[above], axis[above]] = bound
    low[everyone[~above], axis[~above]] = -bound
    return u, A, c, low, high


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["identity", "diagonal", "full"])
@pytest.mark.parametrize(("dim", "bound"), [(1, torch.inf), (2, torch.inf), (2, 1e100), (3, 1e20), (5, torch.inf)])
def test_an_open_box_hides_no_contradiction_from_afar(dim, bound, kind, backend):
    u, *rest = half_open(dim, bound)
    weight = random_weight(dim, dim, kind, len(u))
    near = project(u, *rest, weight=weight, backend=backend)
    assert {Status.ACTIVE, Status.INFEASIBLE} <= set(near.status.tolist())
    for distance in (1e2, 1e5, 1e9, 1e12):
        far = project(near.action + distance * (u - near.action), *rest, weight=weight, backend=backend)
        assert torch.equal(far.status, near.status)
        torch.testing.assert_close(far.slack, near.slack, atol=1e-9, rtol=1e-9)
        assert (broken_by(far.action, *rest)[far.status < Status.INFEASIBLE] <= 1e-12).all()
        if distance < 1e6:  # from farther away, what is left of the 16 digits of the nominal action is seen
            torch.testing.assert_close(far.action, near.action, atol=1e-8, rtol=0)


def broken_by(action, A, c, low, high):
    """Worst violation of a row, relative to the terms that cancel in it, and of a bound."""
    residuals = (A @ action[..., None])[..., 0] + c
    sizes = (A.abs() @ action.abs()[..., None])[..., 0] + c.abs()
    return torch.cat([-residuals / sizes, low - action, action - high], dim=1).amax(1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("distance", [1e3, 1e8, 1e12, 1e16, 1e100])
def test_a_gap_of_a_thousandth_is_seen_from_anywhere(distance, backend):
    u = torch.tensor([[0.3, distance]], dtype=torch.float64)
    for gap, status, y in ((0.0, Status.ACTIVE, 0.5), (1e-3, Status.INFEASIBLE, 0.5005)):
        A = torch.tensor([[[0.0, -1.0], [0.0, 1.0]]], dtype=torch.float64)
        c = torch.tensor([[0.5, -0.5 - gap]], dtype=torch.float64)
        result = project(u, A, c, [-1.0, -1.0], [1.0, np.inf], backend=backend)
        assert result.status == status
        np.testing.assert_allclose(result.action[0], [0.3, y], atol=1e-12)
        np.testing.assert_allclose(result.slack, gap / 2, atol=1e-12)


def test_a_graph_flags_what_it_cannot_tell_from_afar():
    """Where values steer no Python nothing comes closer: contradictions that rounding hides must not pass as solved."""
    u, A, c, low, high = half_open(3)
    near = project(u, A, c, low, high)
    far = near.action + 1e12 * (u - near.action)

    def status(u, A, c, low, high):
        return project(u[None], A[None], c[None], low[None], high[None], backend="torch").status[0]

    found = torch.func.vmap(status)(far, A, c, low, high)
    contradicting = near.status == Status.INFEASIBLE
    assert contradicting.sum() > 50
    assert (found[contradicting] >= Status.INFEASIBLE).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["identity", "diagonal", "full"])
@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_a_box_too_wide_to_matter_changes_nothing(dim, kind, backend):
    """Nor does it hide a contradiction: rounding is relative to where actions are, not to where they could be."""
    u, A, c, *_ = half_open(dim)
    bounds = torch.eye(dim, dtype=torch.float64).expand(len(u), dim, dim)
    A = torch.cat([A, bounds, -bounds], dim=1)
    c = torch.cat([c, torch.full((len(u), 2 * dim), 2.0, dtype=torch.float64)], dim=1)
    weight = random_weight(dim, dim, kind, len(u))
    near = project(u, A, c, [-1e3] * dim, [1e3] * dim, weight=weight, backend=backend)
    assert {Status.ACTIVE, Status.INFEASIBLE} <= set(near.status.tolist())
    for width in (1e6, 1e9, 1e12, 1e100):
        wide = project(u, A, c, [-width] * dim, [width] * dim, weight=weight, backend=backend)
        assert torch.equal(wide.status, near.status)
        torch.testing.assert_close(wide.slack, near.slack, atol=1e-9, rtol=1e-9)
        torch.testing.assert_close(wide.action, near.action, atol=1e-9, rtol=1e-9)
