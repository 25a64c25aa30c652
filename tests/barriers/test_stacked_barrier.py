"""Stacking is concatenation, with padding."""

import numpy as np
import pytest
import sympy as sp

from sb3_barriernet.barriers import StackedBarrier, SymbolicBarrier
from sb3_barriernet.barriers.geometry import limits, outside_disc
from sb3_barriernet.errors import ConfigurationError, RowShapeError
from sb3_barriernet.systems import single_integrator

SYSTEM = single_integrator(2, integrator="rk4")
DISC = sp.symbols("ox oy r", real=True)
WALLS = SymbolicBarrier(SYSTEM, [h for q in SYSTEM.states for h in limits(q, -5.0, 5.0)], margin=0.0)
DISCS = SymbolicBarrier(SYSTEM, outside_disc(SYSTEM.states, DISC[:2], DISC[2]), parameters=DISC, copies=2, margin=0.0)


def test_rows_and_start_values_are_those_of_the_parts():
    both = StackedBarrier([WALLS, DISCS], arguments=[(0,), (0, 1)], num_rows=9)
    x, discs = np.random.default_rng(0).normal(size=(3, 2)), np.full((3, 2, 3), 0.5)
    rows = both.rows(x, discs)
    np.testing.assert_array_equal(rows[:, :4], WALLS.rows(x))
    np.testing.assert_array_equal(rows[:, 4:6], DISCS.rows(x, discs))
    np.testing.assert_array_equal(rows[:, 6:], np.tile([0.0, 0.0, 1.0, 0.0], (3, 3, 1)))
    expected = np.concatenate([WALLS.start_values(x), DISCS.start_values(x, discs)], axis=-1)
    np.testing.assert_array_equal(both.start_values(x, discs), expected)
    assert (both.num_rows, both.action_dim) == (9, 2)


def test_stacks_stack():
    once = StackedBarrier([StackedBarrier([WALLS, WALLS]), WALLS])
    np.testing.assert_array_equal(once.rows(np.ones(2)), np.concatenate([WALLS.rows(np.ones(2))] * 3))


def test_parts_that_do_not_fit_are_refused():
    other = SymbolicBarrier(single_integrator(1, integrator="rk4"), single_integrator(1).states[0], margin=0.0)
    with pytest.raises(RowShapeError, match=r"over \[2, 1\] actions"):
        StackedBarrier([WALLS, other])
    with pytest.raises(RowShapeError, match="num_rows = 3"):
        StackedBarrier([WALLS], num_rows=3)
    with pytest.raises(ConfigurationError, match="one set of positions for each"):
        StackedBarrier([WALLS, DISCS], arguments=[(0,)])
