"""Row features against a slow, obvious oracle, and the extractor in other SB3 algorithms."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import A2C, PPO, SAC

from sb3_barriernet.barrier_ppo.extractor import BarrierExtractor, RowFeatures, task_observation_space
from sb3_barriernet.barrier_ppo.pooled_rows import PooledRows
from sb3_barriernet.errors import ConfigurationError, MissingRowsError
from sb3_barriernet.rows import BARRIER_KEY, RowsSpace, padding_rows
from tests.toys import limited_point

LOW, HIGH = np.array([0.0, -2.84]), np.array([1.0, 2.84])
BOX = spaces.Box(LOW.astype(np.float32), HIGH.astype(np.float32))


def features(rows: np.ndarray, low: np.ndarray = LOW, high: np.ndarray = HIGH, sort: bool = False) -> np.ndarray:
    return RowFeatures(low, high, sort=sort)(th.as_tensor(rows, dtype=th.float32)).numpy()


def oracle(row: np.ndarray, low: np.ndarray = LOW, high: np.ndarray = HIGH) -> list[float]:
    """The definition, one row at a time."""
    a, c = row[:-2], row[-2] + row[-1]
    half, middle = (high - low) / 2, (high + low) / 2
    norm = np.linalg.norm(a * half)
    if norm == 0.0:
        return [1.0, *np.zeros_like(a)]
    distance = (a @ middle + c) / norm
    gate = np.clip(1 - distance / 2, 0.0, 1.5)
    return [np.clip(distance / 1.5, -1, 1), *(gate * a * half / norm)]


def test_features_follow_their_definition():
    rows = np.random.default_rng(0).normal(size=(50, 6, 4))
    rows[:, 2] = padding_rows(1, 2)
    expected = [[value for row in sample for value in oracle(row)] for sample in rows]
    np.testing.assert_allclose(features(rows), expected, atol=2e-6)


@pytest.mark.parametrize("action_dim", [1, 3, 7])
def test_features_follow_their_definition_in_any_action_dimension(action_dim):
    rng = np.random.default_rng(action_dim)
    low, high = -rng.uniform(0.1, 3.0, action_dim), rng.uniform(0.1, 3.0, action_dim)
    rows = rng.normal(size=(20, 5, action_dim + 2))
    rows[:, 4] = padding_rows(1, action_dim)
    expected = [[value for row in sample for value in oracle(row, low, high)] for sample in rows]
    np.testing.assert_allclose(features(rows, low, high), expected, atol=2e-6)


def test_sorted_features_do_not_depend_on_the_order_of_the_rows():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(50, 6, 4))
    rows[:, 2:4] = padding_rows(2, 2)
    shuffled = rows[:, rng.permutation(6)]
    np.testing.assert_array_equal(features(shuffled, sort=True), features(rows, sort=True))
    assert (features(shuffled) != features(rows)).any()


def test_sorted_features_are_the_same_numbers_nearest_first_and_padding_last():
    rows = np.random.default_rng(5).normal(size=(50, 6, 4))
    rows[:, 1] = padding_rows(1, 2)
    plain, ordered = features(rows).reshape(50, 6, 3), features(rows, sort=True).reshape(50, 6, 3)
    assert (np.diff(ordered[..., 0]) >= 0.0).all()
    np.testing.assert_array_equal(ordered[:, 5], np.broadcast_to([1.0, 0.0, 0.0], (50, 3)))
    for one, other in zip(plain, ordered, strict=True):
        assert sorted(one.tolist()) == sorted(other.tolist())


def test_pooled_rows_are_a_set():
    pool = PooledRows(3)
    rows = th.randn(20, 5, 3, generator=th.Generator().manual_seed(0))
    found = pool(rows.flatten(1))
    assert found.shape == (20, PooledRows.features_dim)
    th.testing.assert_close(pool(rows[:, [3, 0, 4, 1, 2]].flatten(1)), found)
    th.testing.assert_close(pool(rows.repeat(1, 2, 1).flatten(1)), found)
    one_by_one = th.stack([pool.net(rows[:, k]) for k in range(5)])
    th.testing.assert_close(found, th.cat([one_by_one.max(dim=0).values, one_by_one.mean(dim=0)], dim=1))


def test_features_do_not_depend_on_the_units_of_a_row():
    rows = np.random.default_rng(1).normal(size=(20, 4, 4))
    scale = 10.0 ** np.random.default_rng(2).uniform(-6, 6, size=(20, 4, 1))
    np.testing.assert_allclose(features(rows * scale), features(rows), atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_features_are_bounded_whatever_the_rows(bad):
    rows = np.random.default_rng(3).normal(size=(8, 3, 4))
    for column in range(4):
        poisoned = rows.copy()
        poisoned[:, 1, column] = bad
        found = features(poisoned)
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= 1.5
        np.testing.assert_array_equal(np.delete(found, [3, 4, 5], axis=1), np.delete(features(rows), [3, 4, 5], axis=1))


def space(**task: spaces.Space) -> spaces.Dict:
    return spaces.Dict({**task, BARRIER_KEY: RowsSpace(5, BOX)})


def test_dimensions():
    one = space(observation=spaces.Box(-1, 1, (7,)))
    assert BarrierExtractor(one).features_dim == 7 + 5 * 3
    assert BarrierExtractor(one, observe_rows=False).features_dim == 7
    assert BarrierExtractor(one, row_encoding="sorted").features_dim == 7 + 5 * 3
    assert BarrierExtractor(one, row_encoding="pooled").features_dim == 7 + PooledRows.features_dim
    assert BarrierExtractor(one, observe_rows=False, row_encoding="pooled").features_dim == 7
    two = space(gps=spaces.Box(-1, 1, (2,)), imu=spaces.Box(-1, 1, (3,)))
    assert BarrierExtractor(two).features_dim == 5 + 15
    assert list(task_observation_space(two).spaces) == ["gps", "imu"]


def test_a_rows_space_that_does_not_know_its_box_is_refused_with_advice():
    plain = spaces.Dict({"x": spaces.Box(-1, 1, (2,)), BARRIER_KEY: spaces.Box(-1, 1, (5, 4), dtype=np.float64)})
    with pytest.raises(ConfigurationError, match="RowsSpace"):
        BarrierExtractor(plain)
    assert BarrierExtractor(plain, action_space=BOX).features_dim == 17
    with pytest.raises(MissingRowsError):
        BarrierExtractor(spaces.Dict({"x": spaces.Box(-1, 1, (2,))}))


@pytest.mark.parametrize("algorithm", [PPO, A2C, SAC])
def test_other_algorithms_can_use_the_extractor(algorithm):
    model = algorithm(
        "MultiInputPolicy",
        limited_point(),
        policy_kwargs=dict(features_extractor_class=BarrierExtractor),
        device="cpu",
    )
    action, _ = model.predict(model.env.reset())
    assert action.shape == (1, 2)
