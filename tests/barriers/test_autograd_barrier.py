"""Rows by autograd equal rows by algebra; networks work; wrong degrees are refused."""

import numpy as np
import pytest
import sympy as sp
import torch as th

from sb3_barriernet.barriers import AutogradBarrier, SymbolicBarrier
from sb3_barriernet.errors import ConfigurationError, GainError
from sb3_barriernet.systems import cart_pole, double_integrator, single_integrator, unicycle_with_acceleration

CASES = {
    "single": (single_integrator(2, integrator="rk4"), lambda q: q[0] ** 2 + sp.sin(q[1]) - 0.5, 1),
    "double": (double_integrator(2), lambda q: (q[0] - 1) ** 2 + q[1] ** 2 - 0.5, 2),
    "accelerated": (unicycle_with_acceleration(), lambda q: (q[0] - 1) ** 2 + q[1] ** 2 - 0.5, 2),
    "cart_pole": (cart_pole(), lambda q: 0.2 - q[2], 2),
}


@pytest.mark.parametrize("name", CASES)
def test_autograd_and_algebra_agree(name):
    system, h, degree = CASES[name]
    gains = [1.5, 3.0][:degree]
    algebra = SymbolicBarrier(system, h(system.states), gains, margin=0.25, allow_singular=True)
    in_torch = sp.lambdify([system.states], h(system.states), modules="torch")
    autograd = AutogradBarrier(system, lambda x: in_torch(x)[None], degree=degree, alpha=gains, margin=0.25)
    x = np.random.default_rng(0).normal(size=(3, 20, system.state_dim))
    np.testing.assert_allclose(autograd.rows(x), algebra.rows(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(autograd.start_values(x), algebra.start_values(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(autograd.rows(x[0, 0]), algebra.rows(x[0, 0]), rtol=1e-10, atol=1e-10)


def test_a_network_is_a_barrier():
    th.manual_seed(0)
    network = th.nn.Sequential(th.nn.Linear(4, 16), th.nn.Tanh(), th.nn.Linear(16, 3)).double()
    system = unicycle_with_acceleration()
    barrier = AutogradBarrier(system, network, alpha=2.0, margin=0.0)
    x, step = np.random.default_rng(1).normal(size=(10, 4)), 1e-6
    with th.no_grad():
        for j, u in enumerate(np.eye(2)):
            ahead, behind = (network(th.from_numpy(x + s * system.rate(x, u))) for s in (step, -step))
            slope = ((ahead - behind) / (2 * step)).numpy()
            rows = barrier.rows(x)
            np.testing.assert_allclose(rows[..., j] + rows[..., 2], slope, atol=1e-7)


def test_states_may_lie_in_memory_as_they_like():
    barrier = AutogradBarrier(double_integrator(1), lambda x: 1.0 - x[:1], degree=2, margin=0.0)
    x = np.random.default_rng(1).normal(size=(5, 2))
    for view in (x[0, ::-1], x[::-1], x[:, ::-1], np.asfortranarray(x), np.broadcast_to(x[0], (3, 2))):
        np.testing.assert_array_equal(barrier.rows(view), barrier.rows(view.copy()))
        np.testing.assert_array_equal(barrier.start_values(view), barrier.start_values(view.copy()))


def test_degrees_that_the_action_contradicts_are_refused():
    system = double_integrator(1)
    with pytest.raises(ConfigurationError, match="does not enter derivative 1"):
        AutogradBarrier(system, lambda x: 1.0 - x[:1], degree=1, margin=0.0)
    with pytest.raises(ConfigurationError, match="already enters derivative 1"):
        AutogradBarrier(system, lambda x: 1.0 - x[1:], degree=2, margin=0.0)
    with pytest.raises(GainError, match="expected 2"):
        AutogradBarrier(system, lambda x: 1.0 - x[:1], degree=2, alpha=[1.0], margin=0.0)
