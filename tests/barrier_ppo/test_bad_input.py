"""What BarrierPPO does with broken inputs: refuse, flag, never act unfiltered."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierObservation, BarrierPPO, Status
from sb3_barriernet.errors import (
    ActionSpaceError,
    ConfigurationError,
    InvalidRowsError,
    MissingRowsError,
    RowShapeError,
    UnsafeActionWarning,
)
from tests.barrier_ppo.models import SETTINGS, make_model
from tests.toys import DriftingPoint, SpeedLimit, limited_point, read_position


def poisoned(observation: dict[str, np.ndarray], key: str, index: int, poison: float = np.nan) -> dict[str, np.ndarray]:
    copy = {k: v.copy() for k, v in observation.items()}
    copy[key][index] = poison
    return copy


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["barrier", "observation"])
def test_predict_serves_the_neighbours_of_a_bad_sample_and_flags_it(key, poison):
    model = make_model(n_envs=3, backup_action=[-0.5, 0.25])
    observation = model.env.reset()
    expected, _ = model.predict(observation, deterministic=True)
    with pytest.warns(UnsafeActionWarning, match="1 hold NaN or infinity"):
        found, _ = model.predict(poisoned(observation, key, 1, poison), deterministic=True)
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])
    np.testing.assert_allclose(found[1], [-0.5, 0.25])
    assert model.policy.projection.status.tolist()[1] == Status.INVALID


class PointWithMode(DriftingPoint):
    """Observed beside a whole number."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Dict(position=self.observation_space, mode=spaces.Discrete(3))

    def _observation(self):
        return {"position": super()._observation(), "mode": 1}


@pytest.mark.parametrize("key", ["barrier", "position"])
def test_a_bad_sample_is_flagged_beside_whole_numbers_too(key):
    env = make_vec_env(lambda: BarrierObservation(PointWithMode(), SpeedLimit(0.2), read_position), 2, seed=0)
    model = BarrierPPO("MultiInputPolicy", env, backup_action=[-0.5, 0.25], **SETTINGS)
    with pytest.warns(UnsafeActionWarning, match="1 hold NaN or infinity"):
        action, _ = model.predict(poisoned(env.reset(), key, 1))
    np.testing.assert_allclose(action[1], [-0.5, 0.25])


def test_finite_numbers_are_not_flagged_because_their_sum_overflows():
    model = make_model()
    observation = model.env.reset()
    observation["observation"][:] = 3e38
    for weights in model.policy.mlp_extractor.policy_net[0].parameters():
        weights.data.zero_()  # a network that makes a number of such observations
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        action, _ = model.predict(observation, deterministic=True)
    assert np.isfinite(action).all()


def test_rows_that_are_out_of_shape_are_refused_although_sb3_would_bend_them():
    model = make_model()
    observation = model.env.reset()
    rows = observation["barrier"]
    for bent in (rows.swapaxes(1, 2), rows.reshape(2, -1), rows[:, :2], rows[0, 0]):
        with pytest.raises(RowShapeError, match=r"expected \(3, 4\), or a batch of them"):
            model.predict({**observation, "barrier": bent})
    with pytest.raises(MissingRowsError, match="Pass on what the wrapped environment returned"):
        model.predict({"observation": observation["observation"]})


def test_infeasible_rows_are_flagged_and_never_answered_by_the_nominal_action():
    model = make_model(limit=-2.0)
    observation = model.env.reset()
    with pytest.warns(UnsafeActionWarning, match="2 of 2 row sets are infeasible"):
        action, _ = model.predict(observation, deterministic=True)
    np.testing.assert_allclose(action[:, 0], -1.0)
    np.testing.assert_allclose(model.policy.projection.slack.numpy(), 1.0, rtol=1e-6)


def test_safe_actions_raise_no_warning():
    model = make_model()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnsafeActionWarning)
        model.predict(model.env.reset())


class NaNAfterFive(DriftingPoint):
    def _observation(self):
        return np.full(2, np.nan if self.steps > 5 else 0.0, dtype=np.float32)


def test_training_on_nan_stops_with_the_environment_and_the_key():
    env = limited_point()
    env.env = NaNAfterFive()
    model = BarrierPPO("MlpPolicy", env, **SETTINGS)
    with pytest.raises(InvalidRowsError, match=r"environment 0: .* under \['observation'\]"):
        model.learn(32)


class DiscretePoint(DriftingPoint):
    def __init__(self):
        super().__init__()
        self.action_space = spaces.Discrete(3)


def test_environments_that_cannot_work_are_refused_with_advice():
    with pytest.raises(MissingRowsError, match="BarrierObservation"):
        BarrierPPO("MlpPolicy", DriftingPoint())
    with pytest.raises(ActionSpaceError, match="bounded"):
        BarrierPPO("MlpPolicy", DiscretePoint())
    with pytest.raises(MissingRowsError):
        BarrierPPO("MlpPolicy", "Pendulum-v1")
    with pytest.raises(MissingRowsError, match="flattened the rows: put that below the barrier"):
        BarrierPPO("MlpPolicy", gym.wrappers.FlattenObservation(limited_point()))
    with pytest.raises(RowShapeError, match="Wrap the barrier last"):
        BarrierPPO("MlpPolicy", gym.wrappers.RescaleAction(limited_point(), np.float32(-2.0), np.float32(2.0)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(action_std=[0.1, 0.2, 0.3]), r"shape \(3,\); expected a number or 2 numbers"),
        (dict(action_std=0.0), "expected positive finite numbers"),
        (dict(action_std=[0.5, float("nan")]), "expected positive finite numbers"),
        (dict(use_sde=True), "gSDE"),
        (dict(policy_kwargs=dict(log_std_init=-1.0)), r"log_std_init=-1\.0.*action_std=0\.368"),
        (dict(backup_action=[2.0, 0.0]), "inside the action box"),
        (dict(backup_action=[0.0]), "expected 2 numbers"),
        (dict(correction_coef=-1.0), "expected a number >= 0"),
        (dict(correction_coef="steep_1.0"), "ramp_<number>"),
        (dict(correction_coef="ramp_much"), "ramp_<number>"),
        (dict(correction_loss_coef=-0.1), "correction_loss_coef=-0.1; expected a number >= 0"),
        (dict(row_encoding="shuffled"), "expected one of .*'pooled'"),
        (dict(correction_cost="cubic"), "expected one of .*'squared'"),
        (dict(projection_weight=[1.0, 1.0, 1.0]), r"expected \(2,\), a positive diagonal"),
        (dict(projection_weight=[1.0, 0.0]), "expected positive weights"),
        (dict(projection_weight=[[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (dict(projection_backend="no_such_backend"), "no_such_backend"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_the_model_is_made(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        make_model(**settings)
