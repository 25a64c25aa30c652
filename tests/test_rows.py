"""The row layout and the refusal of spaces that cannot work."""

import copy
import pickle

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from sb3_barriernet.errors import ActionSpaceError, ConfigurationError, MissingRowsError, RowShapeError
from sb3_barriernet.rows import BARRIER_KEY, RowsSpace, check_spaces, padding_rows, row_groups, split_rows, tightened

BOX = spaces.Box(np.array([0.0, -2.0], dtype=np.float32), np.array([1.0, 2.0], dtype=np.float32))


def test_a_row_holds_iff_a_u_plus_c_is_not_negative():
    rows = np.array([[[1.0, 2.0, 0.5, 4.0]]])
    u = np.array([3.0, -1.0])
    for kappa in (0.5, 1.0, 2.0):
        A, c = split_rows(rows, kappa)
        assert (A @ u + c).item() == pytest.approx(3.0 - 2.0 + 0.5 + kappa * 4.0)


def test_split_is_the_same_for_arrays_and_tensors():
    rows = np.random.default_rng(0).normal(size=(5, 7, 4))
    for from_array, from_tensor in zip(split_rows(rows), split_rows(th.as_tensor(rows)), strict=True):
        np.testing.assert_array_equal(from_array, from_tensor.numpy())


def test_padding_is_satisfied_by_every_action_and_well_scaled():
    A, c = split_rows(padding_rows(4, 3))
    assert (A == 0.0).all()
    assert (c == 1.0).all()


def test_tightened_faces_lie_the_distance_further_inside():
    rows = np.random.default_rng(1).normal(size=(50, 5, 4))
    rows[:, 4] = padding_rows(1, 2)
    scale = np.array([0.5, 2.0])
    inner = tightened(rows, 0.1 * scale)
    (A, c), (inner_A, inner_c) = split_rows(rows), split_rows(inner)
    np.testing.assert_array_equal(inner_A, A)
    np.testing.assert_array_equal(inner[:, 4], rows[:, 4])
    norm = np.linalg.norm(A[:, :4] * scale, axis=-1)
    np.testing.assert_allclose(c[:, :4] / norm - inner_c[:, :4] / norm, 0.1, rtol=1e-9)  # distance from the origin
    np.testing.assert_array_equal(tightened(th.as_tensor(rows), th.as_tensor(0.1 * scale)).numpy(), inner)
    assert tightened(rows, 0.0) is not rows


def test_rows_without_groups_share_one_gain():
    np.testing.assert_array_equal(row_groups(None, 3), [0, 0, 0])
    np.testing.assert_array_equal(row_groups([1, 0, 1], 3), [1, 0, 1])


@pytest.mark.parametrize("groups", [[0, 1], [0, 0, 2], [1, 1, 1], [-1, 0, 1], [[0, 0, 0]]])
def test_groups_that_do_not_fit_are_refused_with_advice(groups):
    with pytest.raises(ConfigurationError, match="3 whole numbers, one for each row"):
        row_groups(groups, 3)


def test_rows_space_remembers_the_action_box_through_copies_and_pickles():
    space = RowsSpace(6, BOX, max_kappa=2.5)
    for twin in (copy.deepcopy(space), pickle.loads(pickle.dumps(space))):
        assert twin == space
        assert twin.shape == (6, 4)
        assert twin.dtype == np.float64
        assert twin.max_kappa == 2.5
        np.testing.assert_array_equal(twin.action_high, [1.0, 2.0])


def observation_space(rows: spaces.Space) -> spaces.Dict:
    return spaces.Dict({"observation": spaces.Box(-1, 1, (3,)), BARRIER_KEY: rows})


def test_fitting_spaces_pass():
    check_spaces(observation_space(RowsSpace(6, BOX)), BOX)
    check_spaces(observation_space(spaces.Box(-np.inf, np.inf, (6, 4), dtype=np.float64)), BOX)


@pytest.mark.parametrize(
    ("action_space", "message"),
    [
        (spaces.Discrete(3), r"Found the action space Discrete\(3\).*bounded"),
        (spaces.Box(-1, 1, (2, 2)), r"shape \(2, 2\); expected one dimension"),
        (spaces.Box(-np.inf, np.inf, (2,)), "unbounded action space.*actuator limits"),
        (spaces.Box(np.zeros(2, dtype=np.float32), np.array([1.0, 0.0], dtype=np.float32)), "some action has no range"),
    ],
)
def test_unusable_actions_are_refused_with_advice(action_space, message):
    with pytest.raises(ActionSpaceError, match=message):
        check_spaces(observation_space(RowsSpace(6, BOX)), action_space)


@pytest.mark.parametrize("space", [spaces.Box(-1, 1, (3,)), spaces.Dict({"observation": spaces.Box(-1, 1, (3,))})])
def test_missing_rows_are_refused_with_advice(space):
    with pytest.raises(MissingRowsError, match="BarrierObservation"):
        check_spaces(space, BOX)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (spaces.Box(-np.inf, np.inf, (6, 5), dtype=np.float64), r"expected a Box of shape \(K, 4\)"),
        (spaces.Box(-np.inf, np.inf, (24,), dtype=np.float64), r"expected a Box of shape \(K, 4\)"),
        (spaces.Box(-np.inf, np.inf, (6, 4), dtype=np.float32), "expected float64"),
    ],
)
def test_rows_of_wrong_width_or_dtype_are_refused_with_advice(rows, message):
    with pytest.raises(RowShapeError, match=message):
        check_spaces(observation_space(rows), BOX)
