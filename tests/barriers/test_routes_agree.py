"""Four routes to one row: written by hand, derived by algebra, by autograd, and from the simulator's step.

With explicit Euler and an affine ``h`` the step is the flow, so a one-step row of degree ``r`` is ``dt^r`` times the
continuous one, if every ``gamma_i = alpha_i dt``.
"""

import numpy as np
import pytest
import sympy as sp
import torch as th

from sb3_barriernet.barriers import AutogradBarrier, OneStepBarrier, SymbolicBarrier, VirtualPointBarrier
from sb3_barriernet.barriers.geometry import half_plane, outside_disc, point_ahead
from sb3_barriernet.systems import (
    ControlAffineSystem,
    double_integrator,
    inverted_pendulum,
    single_integrator,
    unicycle_with_velocity,
)
from sb3_barriernet.systems.unicycle import Unicycle

DT = 0.05
NORMAL, OFFSET = np.array([0.6, -0.8]), 1.5
RNG = np.random.default_rng(0)


def by_autograd(system: ControlAffineSystem, h: sp.Expr, gains: list[float]) -> AutogradBarrier:
    in_torch = sp.lambdify([system.states], h, modules="torch")
    return AutogradBarrier(system, lambda x: in_torch(x)[None], degree=len(gains), alpha=gains, margin=0.0)


def single_by_hand(x: np.ndarray, alpha: list[float]) -> np.ndarray:
    """``-n . v + alpha (b - n . q) >= 0``."""
    h = OFFSET - x @ NORMAL
    return np.stack([-NORMAL[0] + 0 * h, -NORMAL[1] + 0 * h, 0 * h, alpha[0] * h], axis=-1)


def double_by_hand(x: np.ndarray, alpha: list[float]) -> np.ndarray:
    """``-n . a - alpha_1 n . v + alpha_2 (-n . v + alpha_1 (b - n . q)) >= 0``."""
    speed = -x[:, 2:] @ NORMAL
    psi = speed + alpha[0] * (OFFSET - x[:, :2] @ NORMAL)
    return np.stack([-NORMAL[0] + 0 * psi, -NORMAL[1] + 0 * psi, alpha[0] * speed, alpha[1] * psi], axis=-1)


@pytest.mark.parametrize(
    ("make", "by_hand", "alpha"),
    [(single_integrator, single_by_hand, [2.0]), (double_integrator, double_by_hand, [1.5, 3.0])],
    ids=["degree 1", "degree 2"],
)
def test_hand_algebra_autograd_and_one_step_agree_on_a_wall(make, by_hand, alpha):
    system = make(2, dt=DT, integrator="euler")
    h = half_plane(system.states[:2], NORMAL.tolist(), OFFSET)
    x = RNG.uniform(-1.0, 1.0, size=(200, system.state_dim))
    expected = by_hand(x, alpha)
    algebra = SymbolicBarrier(system, h, alpha, margin=0.0).rows(x)[:, 0]
    autograd = by_autograd(system, h, alpha).rows(x)[:, 0]
    step = OneStepBarrier(system.one_step(), h, [DT * gain for gain in alpha], shrink=0.0).rows(x)[:, 0]
    for rows in (algebra, autograd, step / DT ** len(alpha)):
        np.testing.assert_allclose(rows, expected, rtol=1e-12, atol=1e-12)


def test_hand_algebra_and_autograd_agree_on_the_virtual_point():
    system = unicycle_with_velocity(integrator="rk4")
    x, y, theta = system.states
    ox, oy, radius = sp.symbols("ox oy radius", real=True)
    ahead = point_ahead((x, y), theta, 0.1)
    symbolic = SymbolicBarrier(
        system, outside_disc(ahead, (ox, oy), radius), 2.0, parameters=(ox, oy, radius), copies=3, margin=0.0
    )
    by_hand = VirtualPointBarrier(Unicycle(), half_extent=5.0, body_radius=0.15, max_discs=3, alpha=2.0)
    pose = RNG.uniform([-5, -5, -np.pi], [5, 5, np.pi], size=(100, 3))
    discs = RNG.uniform([-5, -5, 0.3], [5, 5, 1.0], size=(100, 3, 3))
    pairs = by_hand.rows(pose, discs)[:, 8:].reshape(100, 3, 2, 4)
    inflated = discs.copy()
    inflated[..., 2] = np.hypot(discs[..., 2] + by_hand.body_radius + 1e-5, 0.1)
    rows = symbolic.rows(pose, inflated)
    np.testing.assert_allclose(rows[..., :2], pairs.mean(axis=2)[..., :2], atol=1e-12)
    outside = symbolic.values(pose, inflated) >= 0.0  # the hand-written rows clamp h at zero
    np.testing.assert_allclose(rows[..., 3][outside], pairs[:, :, 0, 3][outside], atol=1e-12)

    disc = dict(zip((ox, oy, radius), (1.0, 2.0, 0.7), strict=True))
    autograd = by_autograd(system, outside_disc(ahead, (ox, oy), radius).subs(disc), [2.0])
    of_disc = symbolic.rows(pose, np.tile(list(disc.values()), (100, 3, 1)))[:, 0]
    np.testing.assert_allclose(autograd.rows(pose)[:, 0], of_disc, atol=1e-12)


@pytest.mark.parametrize("dt", [1e-2, 1e-3, 1e-4])
def test_one_step_rows_become_continuous_rows_as_steps_become_short(dt):
    """A curved barrier on curved dynamics: what is left is of the order of dt."""
    system = inverted_pendulum(dt=dt, integrator="euler")
    theta, omega = system.states
    h = 0.3 - theta - 0.25 * omega + 0.1 * sp.sin(theta)
    x = RNG.uniform(-0.3, 0.3, size=(200, 2))
    step = OneStepBarrier(system.one_step(), h, 2.0 * dt, shrink=0.0).rows(x) / dt
    flow = SymbolicBarrier(system, h, 2.0, margin=0.0).rows(x)
    assert 0.0 < np.abs(step - flow).max() <= 0.1 * dt


def test_a_network_and_its_formula_agree():
    """One hidden unit, written as a network and as a formula."""
    system = double_integrator(1)
    q, v = system.states
    network = th.nn.Sequential(th.nn.Linear(2, 1), th.nn.Tanh()).double()
    with th.no_grad():
        network[0].weight[:] = th.tensor([[-0.7, -0.4]])
        network[0].bias[:] = 0.2
    formula = sp.tanh(sp.Float(0.2) - sp.Float(0.7) * q - sp.Float(0.4) * v)
    x = RNG.uniform(-1.0, 1.0, size=(50, 2))
    weights = {"rtol": 1e-6, "atol": 1e-7}  # the weights came in as float32
    network_rows = AutogradBarrier(system, network, alpha=2.0, margin=0.1).rows(x)
    np.testing.assert_allclose(network_rows, SymbolicBarrier(system, formula, 2.0, margin=0.1).rows(x), **weights)


def test_building_the_same_barrier_again_compiles_and_certifies_nothing_anew():
    from sb3_barriernet.barriers.certified_bound import _lower_bound
    from sb3_barriernet.systems.expressions import _compile

    def build() -> np.ndarray:
        system = double_integrator(1, max_speed=3.0)
        barrier = SymbolicBarrier(system, 1.0 - sp.sin(system.states[0]) ** 3, [1.0, 4.0], allow_singular=True)
        return barrier.rows(np.ones(2))

    first = build()
    misses = [cache.cache_info().misses for cache in (_compile, _lower_bound)]
    np.testing.assert_array_equal(build(), first)
    assert [cache.cache_info().misses for cache in (_compile, _lower_bound)] == misses
