"""Rows from a simulator: exact where its step is affine, below the truth where it bends."""

import numpy as np
import pytest
from gymnasium import spaces

from sb3_barriernet.barriers import OneStepBarrier, SimulatedBarrier
from sb3_barriernet.errors import ActionSpaceError, ConfigurationError, GainError, RowShapeError
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

    def barrier(self, backup, pieces=1):
        return SimulatedBarrier(
            lambda x, actions: self.after(actions), lambda x: x, 1, BOX, 1.0, backup=lambda x: backup, pieces=pieces
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
    leaks = [broken_promises(bent := Bent(seed), bent.barrier(np.zeros(2), pieces=0))[1] for seed in range(30)]
    assert np.count_nonzero(leaks) > 10


class Waves(Bent):
    """``h`` after the step also waves, and so bends upwards, by as much as ``waves`` at most."""

    waves = np.array([2.7, 1.8])

    def after(self, actions):
        return super().after(actions) + (self.waves / 9.0 * (np.cos(3.0 * actions) - 1.0)).sum(axis=-1, keepdims=True)

    def barrier(self, backup, pieces=1, bend=True):
        return SimulatedBarrier(
            lambda x, actions: self.after(actions),
            lambda x: x,
            1,
            BOX,
            1.0,
            backup=lambda x: backup,
            pieces=pieces,
            bend=(lambda x: self.waves) if bend else None,
        )


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("backup", [(0.5, -0.5), (-1.0, -0.3), (2.0, 1.0)])
def test_a_step_that_bends_up_by_no_more_than_the_bound_is_bounded_from_below(pieces, backup):
    waves = [Waves(seed) for seed in range(30)]
    counts = np.array([broken_promises(wave, wave.barrier(np.array(backup), pieces)) for wave in waves])
    assert counts[:, 0].sum() > 300
    assert counts[:, 1].sum() == 0


def test_without_the_bound_the_same_steps_leak():
    leaks = [broken_promises(wave := Waves(seed), wave.barrier(np.zeros(2), bend=False))[1] for seed in range(30)]
    assert np.count_nonzero(leaks) > 5


def test_more_pieces_allow_more():
    allowed = [sum(broken_promises(w := Waves(s), w.barrier(np.zeros(2), n))[0] for s in range(30)) for n in (1, 3, 9)]
    assert allowed == sorted(allowed)
    assert allowed[-1] > 1.05 * allowed[0]


def test_round_off_below_zero_asks_for_no_recovery():
    """A backup that keeps ``h`` and no more satisfies the row there, and not where more is missing."""
    keep = SimulatedBarrier(lambda x, u: x - u**2, lambda x: x, 1, spaces.Box(-1.0, 1.0, (1,)), shrink=0.1)
    for missing, asks in ((0.0009, False), (0.0011, True)):
        A, c = split_rows(keep.rows(np.array([0.1 - missing])))
        assert ((A @ [0.0] + c < -1e-12).any()) == asks


@pytest.mark.parametrize("pieces", [0, 1, 3])
@pytest.mark.parametrize("backup", [(0.5, -0.5), (-1.0, 1.0)])
def test_rows_are_exact_at_the_backup(backup, pieces):
    bent = Bent(1)
    barrier = bent.barrier(np.array(backup), pieces)
    A, c = split_rows(barrier.rows(np.array([0.1])))
    assert len(A) == barrier.num_rows == (4 if pieces else 1)
    np.testing.assert_allclose(A @ backup + c, bent.after(np.array(backup))[0] - barrier.shrink, atol=1e-14)


@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_excess_is_what_the_lowest_row_promises_too_much(pieces):
    bent, x = Bent(2), np.array([0.1])
    barrier = bent.barrier(np.zeros(2), pieces)
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


@pytest.mark.parametrize("pieces", [0, 1, 3])
@pytest.mark.parametrize("backup", [None, lambda x: [0.9 * x[0], -2.0]])
def test_rows_of_many_states_are_those_of_each_bitwise(pieces, backup):
    def simulate(x, actions):
        return x + np.sin(actions) * (1.0 + x)

    barrier = SimulatedBarrier(simulate, lambda x: 1.0 - x**2, 2, BOX, backup=backup, pieces=pieces)
    x = RNG.uniform(-0.9, 0.9, size=(4, 5, 2))
    each = [[barrier.rows(state) for state in states] for states in x]
    np.testing.assert_array_equal(barrier.rows(x), each)


def test_mistakes_are_named():
    with pytest.raises(GainError, match=r"gamma = 1\.5"):
        SimulatedBarrier(lambda x, u: x + u, lambda x: x, 2, BOX, 1.5)
    with pytest.raises(ConfigurationError, match=r"pieces = 0 with a bound.*`pieces=3`"):
        SimulatedBarrier(lambda x, u: x + u, lambda x: x, 2, BOX, bend=lambda x: [1.0, 1.0])
    with pytest.raises(ActionSpaceError):
        SimulatedBarrier(lambda x, u: x + u, lambda x: x, 2, spaces.Discrete(2))
    with pytest.raises(RowShapeError, match=r"shape \(3, 2\).*num_functions=H"):
        SimulatedBarrier(lambda x, u: x + u, lambda x: x, 3, BOX).rows(np.zeros(2))
