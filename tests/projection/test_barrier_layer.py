"""The layer against finite differences, against its parts, and end to end on an expert."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from sb3_barriernet import BarrierLayer, Status, project
from sb3_barriernet.errors import ConfigurationError, GainError
from sb3_barriernet.rows import split_rows

K, M = 4, 2
LOW, HIGH = [-2.0, -1.0], [2.0, 1.0]


def problems(batch: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Nominal actions and rows that zero satisfies and most of the nominal actions break."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(batch, K, M + 2, generator=generator, dtype=torch.float64)
    rows[..., M:] = rows[..., M:].abs() * 0.3
    return 2.0 * torch.randn(batch, M, generator=generator, dtype=torch.float64), rows


@pytest.mark.parametrize("max_kappa", [math.inf, 2.5])
def test_gradients_are_those_of_finite_differences(max_kappa):
    u_nom, rows = problems()
    layer = BarrierLayer(K, LOW, HIGH, gain_groups=[0, 1, 0, 1], initial_kappa=0.8, max_kappa=max_kappa)
    extra = 0.3 * torch.randn(len(u_nom), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inputs = tuple(tensor.requires_grad_() for tensor in (u_nom, rows, extra))
    assert (layer(*inputs).status == Status.ACTIVE).float().mean() > 0.5
    assert gradcheck(lambda *each: layer(*each).action, inputs, eps=1e-7, atol=1e-5)


def test_the_gradient_of_its_own_gains_is_the_sum_over_the_batch():
    u_nom, rows = problems()
    layer = BarrierLayer(K, LOW, HIGH, gain_groups=[1, 0, 0, 1])
    extra = torch.zeros(len(u_nom), 2, dtype=torch.float64, requires_grad=True)
    layer(u_nom, rows, extra).action.square().sum().backward()
    assert (layer.log_kappa.grad != 0.0).all()
    torch.testing.assert_close(layer.log_kappa.grad, extra.grad.sum(dim=0))


def test_it_is_the_projection_onto_rows_with_scaled_restoring_terms():
    u_nom, rows = problems()
    layer = BarrierLayer(K, LOW, HIGH, gain_groups=[0, 0, 1, 0], initial_kappa=0.5, weight=[1.0, 3.0])
    kappa = torch.full((K,), 0.5, dtype=torch.float64)
    expected = project(u_nom, *split_rows(rows, kappa), LOW, HIGH, weight=[1.0, 3.0]).action
    torch.testing.assert_close(layer(u_nom, rows).action, expected)
    doubled = torch.tensor([[0.0, math.log(2.0)]], dtype=torch.float64).expand(len(u_nom), 2)
    kappa[2] = 1.0
    expected = project(u_nom, *split_rows(rows, kappa), LOW, HIGH, weight=[1.0, 3.0]).action
    torch.testing.assert_close(layer(u_nom, rows, doubled).action, expected)


def test_gains_stay_positive_and_below_their_bound():
    layer = BarrierLayer(K, LOW, HIGH, initial_kappa=1.0, max_kappa=2.5)
    torch.testing.assert_close(layer.kappa(), torch.ones(1, dtype=torch.float64))
    shift = torch.tensor([[-800.0], [-5.0], [0.0], [5.0], [800.0]], dtype=torch.float64)
    kappa = layer.kappa(shift)[:, 0]
    assert (kappa >= 0.0).all()
    assert (kappa <= 2.5).all()
    assert (kappa.diff() > 0.0).all()
    free = BarrierLayer(K, LOW, HIGH, initial_kappa=3.0)
    torch.testing.assert_close(free.kappa(), torch.full((1,), 3.0, dtype=torch.float64))


def test_a_network_and_its_gains_are_learned_from_what_an_expert_does():
    u_nom, rows = problems(400)
    truth = torch.tensor([0.4, 2.0], dtype=torch.float64)
    groups = [0, 1, 1, 0]
    expert = project(0.7 * u_nom, *split_rows(rows, truth[groups]), LOW, HIGH).action
    network = torch.nn.Linear(M, M, dtype=torch.float64)
    layer = BarrierLayer(K, LOW, HIGH, gain_groups=groups)
    optimizer = torch.optim.Adam([*network.parameters(), *layer.parameters()], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (layer(network(u_nom), rows).action - expert).square().sum(dim=1).mean().backward()
        optimizer.step()
    torch.testing.assert_close(layer.kappa().detach(), truth, rtol=0.02, atol=0.0)
    torch.testing.assert_close(network.weight.detach(), 0.7 * torch.eye(M).double(), rtol=0.0, atol=0.05)


def test_single_precision_networks_train_through_it():
    u_nom, rows = problems()
    layer = BarrierLayer(K, LOW, HIGH)
    proposal = u_nom.float().requires_grad_()
    action = layer(proposal, rows).action
    assert action.dtype is torch.float32
    action.sum().backward()
    assert proposal.grad.isfinite().all()


def test_gains_are_in_the_checkpoint_and_settings_are_not():
    assert list(BarrierLayer(K, LOW, HIGH).state_dict()) == ["log_kappa"]


@pytest.mark.parametrize("kappa", [0.0, -1.0, 2.5, 3.0, math.inf, math.nan])
def test_gains_outside_their_range_are_refused(kappa):
    with pytest.raises(GainError, match="0 < initial_kappa < max_kappa"):
        BarrierLayer(K, LOW, HIGH, initial_kappa=kappa, max_kappa=2.5)


def test_groups_that_do_not_fit_the_rows_are_refused():
    with pytest.raises(ConfigurationError, match="4 whole numbers"):
        BarrierLayer(K, LOW, HIGH, gain_groups=[0, 1])


def test_gains_for_every_row_need_a_group_for_every_row():
    u_nom, rows = problems()
    with pytest.raises(ConfigurationError, match=r"expected \(\d+, 1\), one for each gain .* `gain_groups=range"):
        BarrierLayer(K, LOW, HIGH)(u_nom, rows, torch.zeros(len(u_nom), K, dtype=torch.float64))
    layer = BarrierLayer(K, LOW, HIGH, gain_groups=range(K))
    layer(u_nom, rows, torch.zeros(len(u_nom), K, dtype=torch.float64))
