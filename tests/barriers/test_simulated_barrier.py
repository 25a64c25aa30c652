"""Rows from a simulator: exact where its step is affine, below the truth where it bends."""

import numpy as np
import pytest
from gymnasium import spaces

from sb3_barriernet.barriers import OneStepBarrier, SimulatedBarrier
from sb3_barriernet.errors import ActionSpaceError, GainError, RowShapeError
from sb3_barriernet.rows import split_rows
from sb3_barriernet.systems import inverted_pendulum

RNG = np.random.default_rng(0)
BOX = spaces.Box(np.array([-1.0, -2.0], dtype=np.float32), np.array([2.0, 1.0], dtype=np.float32))


def test_an_affine_step_gives_the_rows_of_its_formula():
    system = inverted_pendulum()
    theta, omega = system.states
    exact = OneStepBarrier(system.one_step(), [0.3 - theta - 0.25 * omega, 0.3 + theta + 0.25 * omega], gamma=0.5)
    barrier = SimulatedBarrier(
        lambda x, actions: system.step(np.broadcast_to(x, (len(actions), 2)), actions),
        lambda x: 0.3 + np.array([-1.0, 1.0]) * (x[..., :1] + 0.25 * x[..., 1:]),
        2,
        spaces.Box(-2.0, 2.0, (1,)),
    )
    x = RNG.uniform(-0.3, 0.3, size=(3, 7, 2))
    np.testing.assert_allclose(barrier.rows(x), exact.rows(x), atol=1e-13)
    np.testing.assert_allclose(barrier.start_values(x), exact.start_values(x), atol=1e-15)


class Bent:
    """``h`` after the step is concave along both axes, with a mixed derivative of either sign; before it, 0.1."""

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        self.slope, self.bend, self.mixed = rng.normal(size=2), rng.uniform(0.0, 0.3, size=2), rng.normal()

    def after(self, actions):
        value = actions @ self.slope - actions**2 @ self.bend + self.mixed * actions[..., 0] * actions[..., 1]
        return 0.3 + value[..., None]

    def barrier(self, backup, curved=True):
        return SimulatedBarrier(
            lambda x, actions: self.after(actions), lambda x: x, 1, BOX, 1.0, backup=lambda x: backup, curved=curved
        )


def broken_promises(bent: Bent, barrier: SimulatedBarrier) -> tuple[int, int]:
    """Among many actions, how many satisfy the rows, and how many of these end below zero."""
    actions = RNG.uniform(BOX.low, BOX.high, size=(4000, 2))
    A, c = split_rows(barrier.rows(np.array([0.1])))
    allowed = (actions @ A.T + c >= 0.0).all(axis=-1)
    return int(allowed.sum()), int((bent.after(actions[allowed]) < 0.0).sum())


@pytest.mark.parametrize("backup", [(0.5, -0.5), (-1.0, -0.3), (2.0, 1.0)])
def test_a_step_that_bends_down_along_every_axis_is_bounded_from_below(backup):
    counts = np.array([broken_promises(bent := Bent(seed), bent.barrier(np.array(backup))) for seed in range(30)])
    assert counts[:, 0].sum() > 10_000
    assert counts[:, 1].sum() == 0


def test_without_the_quadrants_the_same_steps_leak():
    leaks = [broken_promises(bent := Bent(seed), bent.barrier(np.zeros(2), curved=False))[1] for seed in range(30)]
    assert np.count_nonzero(leaks) > 10


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("backup", [(0.5, -0.5), (-1.0, 1.0)])
def test_rows_are_exact_at_the_backup(backup, curved):
    bent = Bent(1)
    barrier = bent.barrier(np.array(backup), curved)
    A, c = split_rows(barrier.rows(np.array([0.1])))
    assert len(A) == barrier.num_rows == (4 if curved else 1)
    np.testing.assert_allclose(A @ backup + c, bent.after(np.array(backup))[0] - barrier.shrink, atol=1e-14)


@pytest.mark.parametrize("curved", [False, True])
def test_excess_is_what_the_lowest_row_promises_too_much(curved):
    bent, x = Bent(2), np.array([0.1])
    barrier = bent.barrier(np.zeros(2), curved)
    actions = RNG.uniform(BOX.low, BOX.high, size=(50, 2))
    A, c = split_rows(barrier.rows(x))
    promised = np.array([min(a @ u + d for a, d in zip(A, c, strict=True)) for u in actions])  # of h - shrink, gamma 1
    expected = promised - (bent.after(actions)[:, 0] - barrier.shrink)
    np.testing.assert_allclose(barrier.excess(x, actions)[:, 0], expected, atol=1e-14)


def test_parameters_reach_h_and_the_backup():
    seen = []

    def backup(x, centre):
        seen.append(centre)
        return [0.0, 0.0]

    barrier = SimulatedBarrier(lambda x, u: x + u, lambda x, centre: 1.0 - np.abs(x - centre), 2, BOX, backup=backup)
    near = barrier.rows(np.zeros(2), np.full(2, 0.25))
    batch = barrier.rows(np.zeros((2, 2)), np.full((2, 2), 0.25))
    np.testing.assert_array_equal(batch, [near, near])
    assert [tuple(centre) for centre in seen] == [(0.25, 0.25)] * 3
    np.testing.assert_allclose(barrier.start_values(np.zeros(2), np.full(2, 0.25)), 0.75, atol=2e-6)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("backup", [None, lambda x: [0.9 * x[0], -2.0]])
def test_rows_of_many_states_are_those_of_each_bitwise(curved, backup):
    def simulate(x, actions):
        return x + np.sin(actions) * (1.0 + x)

    barrier = SimulatedBarrier(simulate, lambda x: 1.0 - x**2, 2, BOX, backup=backup, curved=curved)
    x = RNG.uniform(-0.9, 0.9, size=(4, 5, 2))
    each = [[barrier.rows(state) for state in states] for states in x]
    np.testing.assert_array_equal(barrier.rows(x), each)


def test_mistakes_are_named():
    with pytest.raises(GainError, match=r"gamma = 1\.5"):
        SimulatedBarrier(lambda x, u: x + u, lambda x: x, 2, BOX, 1.5)
    with pytest.raises(ActionSpaceError):
        SimulatedBarrier(lambda x, u: x + u, lambda x: x, 2, spaces.Discrete(2))
    with pytest.raises(RowShapeError, match=r"shape \(3, 2\).*num_functions=H"):
        SimulatedBarrier(lambda x, u: x + u, lambda x: x, 3, BOX).rows(np.zeros(2))
