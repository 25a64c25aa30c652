"""The largest scale of the restoring terms is where one step just reaches the boundary."""

import numpy as np
import pytest

from sb3_barriernet.barriers import (
    AutogradBarrier,
    OneStepBarrier,
    StackedBarrier,
    SymbolicBarrier,
    VirtualPointBarrier,
)
from sb3_barriernet.rows import split_rows
from sb3_barriernet.systems import single_integrator
from sb3_barriernet.systems.unicycle import Unicycle
from tests.toys import SpeedLimit, WallAhead, limited_point, walled_point

SYSTEM = single_integrator(1, dt=0.1)
(Q,) = SYSTEM.states


@pytest.mark.parametrize(
    "barrier",
    [
        SymbolicBarrier(SYSTEM, 1.0 - Q, alpha=2.0, margin=0.0),
        OneStepBarrier(SYSTEM.one_step(), 1.0 - Q, gamma=0.25, shrink=0.0),
        AutogradBarrier(SYSTEM, lambda x: 1.0 - x, alpha=0.5, margin=0.0),
    ],
    ids=lambda barrier: type(barrier).__name__,
)
def test_the_boldest_step_at_the_largest_scale_ends_on_the_boundary(barrier):
    x = np.array([0.3])

    def after_boldest_step(kappa: float) -> float:
        A, c = split_rows(barrier.rows(x), kappa)
        return float(1.0 - SYSTEM.step(x, -c / A[:, 0])[0])

    assert after_boldest_step(barrier.max_kappa) == pytest.approx(0.0, abs=1e-12)
    assert after_boldest_step(0.9 * barrier.max_kappa) > 0.0 > after_boldest_step(1.1 * barrier.max_kappa)


def test_the_virtual_point_may_drive_up_to_a_wall():
    unicycle = Unicycle(max_speed=1.0, max_turn_rate=2.0, dt=0.05, look_ahead=0.1)
    barrier = VirtualPointBarrier(unicycle, half_extent=5.0, body_radius=0.15, max_discs=1, alpha=2.0)
    pose, discs = np.array([4.0, 0.0, 0.0]), np.array([[0.0, 0.0, -1.0]])
    A, c = split_rows(barrier.rows(pose, discs), barrier.max_kappa)
    pose[0] += unicycle.dt * (-c[0] / A[0, 0])  # straight ahead, as fast as the row lets it
    assert barrier.values(pose, discs)[0] == pytest.approx(0.0, abs=1e-12)


def test_a_stack_permits_what_all_its_members_permit():
    fast, slow = WallAhead(alpha=4.0), WallAhead(alpha=1.0)
    assert StackedBarrier([slow, fast]).max_kappa == fast.max_kappa == 2.5
    assert StackedBarrier([slow, SpeedLimit()]).max_kappa == 1.0


def test_the_rows_space_carries_it():
    assert walled_point(alpha=4.0).observation_space["barrier"].max_kappa == 2.5
    assert limited_point().observation_space["barrier"].max_kappa == 1.0, "a barrier that does not say promises no more"
