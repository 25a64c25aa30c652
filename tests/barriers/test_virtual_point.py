"""Rows of the unicycle's virtual point against finite differences and against the steps they promise to keep safe."""

import numpy as np
import pytest

from sb3_barriernet.barriers.virtual_point import VirtualPointBarrier
from sb3_barriernet.errors import ConfigurationError, GainError, RowShapeError
from sb3_barriernet.rows import split_rows
from sb3_barriernet.systems.unicycle import Unicycle

HALF_EXTENT, BODY_RADIUS = 5.0, 0.15


def make_barrier(alpha: float = 2.0, **unicycle) -> VirtualPointBarrier:
    return VirtualPointBarrier(
        Unicycle(**unicycle), half_extent=HALF_EXTENT, body_radius=BODY_RADIUS, max_discs=3, alpha=alpha
    )


def random_states(num: int, seed: int = 0, near: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Safe poses and discs; the last disc unused in every other state."""
    rng = np.random.default_rng(seed)
    pose = rng.uniform([-4.7, -4.7, -np.pi], [4.7, 4.7, np.pi], size=(8 * num, 3))
    discs = np.concatenate(
        [rng.uniform(-4, 4, size=(8 * num, 3, 2)), rng.uniform(0.3, 1.0, size=(8 * num, 3, 1))], axis=-1
    )
    if near:  # put the first disc close in front of the robot
        direction = pose[:, 2] + rng.uniform(-1, 1, size=8 * num)
        reach = discs[:, 0, 2] + BODY_RADIUS + rng.uniform(0.1, 0.15, size=8 * num)
        discs[:, 0, :2] = pose[:, :2] + reach[:, None] * np.stack([np.cos(direction), np.sin(direction)], -1)
    discs[::2, 2] = [0.0, 0.0, -1.0]
    safe = (make_barrier().start_values(pose, discs) >= 0.0).all(axis=-1)
    assert safe.sum() >= num
    return pose[safe][:num], discs[safe][:num]


def test_the_mean_of_a_pair_is_the_derivative_of_h_along_the_flow():
    barrier = make_barrier()
    pose, discs = random_states(200)
    A, _ = split_rows(barrier.rows(pose, discs))
    step = 1e-6
    for u in np.eye(2):
        cos, sin = np.cos(pose[:, 2]), np.sin(pose[:, 2])
        flow = np.stack([u[0] * cos, u[0] * sin, np.full(len(pose), u[1])], axis=-1)
        ahead, behind = (barrier.values(pose + s * flow, discs) for s in (step, -step))
        with np.errstate(invalid="ignore"):
            slope = (ahead - behind) / (2 * step)
        slope[~np.isfinite(barrier.values(pose, discs))] = 0.0  # padding
        along = (A @ u).reshape(len(pose), -1, 2)
        np.testing.assert_allclose(along.mean(axis=-1), slope, atol=1e-8)


def test_the_pair_differs_by_the_curvature_of_one_step():
    barrier = make_barrier()
    A, _ = split_rows(barrier.rows(*random_states(50)))
    pairs = A.reshape(50, -1, 2, 2)
    used = pairs.any(axis=(-1, -2))
    np.testing.assert_allclose((pairs[:, :, 1] - pairs[:, :, 0])[used][:, 1], 0.1 * 2.84 * 0.05, atol=1e-15)


@pytest.mark.parametrize("alpha", [0.5, 2.0, 20.0])
def test_an_action_that_satisfies_all_rows_keeps_every_h_and_the_centre_safe(alpha):
    barrier = make_barrier(alpha)
    pose, discs = random_states(20_000, near=True)
    rng = np.random.default_rng(1)
    u = rng.uniform(barrier.unicycle.action_low, barrier.unicycle.action_high, size=(len(pose), 2))
    A, c = split_rows(barrier.rows(pose, discs))
    allowed = (np.einsum("bkm,bm->bk", A, u) + c >= 0.0).all(axis=-1)
    assert 100 < allowed.sum() < len(pose)  # the rows forbid something and allow something
    pose, discs, u = pose[allowed], discs[allowed], u[allowed]
    after = barrier.unicycle.step(pose, u)
    decay = 1.0 - alpha * barrier.unicycle.dt
    with np.errstate(invalid="ignore"):
        margin = barrier.values(after, discs) - decay * barrier.values(pose, discs)
    assert np.nanmin(margin) >= -1e-12
    centre_clearance = np.linalg.norm(after[:, None, :2] - discs[..., :2], axis=-1) - discs[..., 2] - BODY_RADIUS
    assert centre_clearance[discs[..., 2] > 0].min() >= 0.0
    assert np.abs(after[:, :2]).max() <= HALF_EXTENT - BODY_RADIUS


def test_some_forbidden_action_would_collide():
    """The test of the test: without the rows the same states do break."""
    barrier = make_barrier()
    pose, discs = random_states(20_000, near=True)
    after = barrier.unicycle.step(pose, np.broadcast_to([1.0, 0.0], (len(pose), 2)))
    assert (barrier.values(after, discs).min(axis=-1) < 0.0).sum() > 100


def test_standing_still_satisfies_every_row_even_slightly_outside():
    barrier = make_barrier()
    pose, discs = random_states(500)
    pose[:100, 0] = HALF_EXTENT
    _, c = split_rows(barrier.rows(pose, discs))
    assert (c >= 0.0).all()


def test_batched_rows_equal_looped_rows_bitwise():
    barrier = make_barrier()
    pose, discs = random_states(64)
    batch = barrier.rows(pose, discs)
    loop = np.stack([barrier.rows(p, d) for p, d in zip(pose, discs, strict=True)])
    np.testing.assert_array_equal(batch, loop)
    assert batch.shape == (64, barrier.num_rows, 4)


def test_unused_discs_become_padding():
    barrier = make_barrier()
    rows = barrier.rows(np.zeros(3), np.array([[0.0, 0.0, -1.0]] * 3))
    np.testing.assert_array_equal(rows[8:], np.tile([0.0, 0.0, 1.0, 0.0], (6, 1)))


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.nan])
def test_gains_must_be_positive(alpha):
    with pytest.raises(GainError, match="expected a positive number"):
        make_barrier(alpha)


def test_gains_that_one_sample_cannot_honour_are_refused():
    make_barrier(20.0)
    with pytest.raises(GainError, match=r"alpha \* dt = .* expected at most 1.*Use alpha <= 20"):
        make_barrier(20.1)


def test_a_step_longer_than_the_look_ahead_is_refused():
    with pytest.raises(ConfigurationError, match="look_ahead >= max_speed"):
        make_barrier(max_speed=2.1)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(RowShapeError, match=r"expected \(\.\.\., 3\) and \(\.\.\., 3, 3\)"):
        make_barrier().rows(np.zeros(3), np.zeros((2, 3)))
