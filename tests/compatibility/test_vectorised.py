"""Vectorised environments and their wrappers."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecVideoRecorder,
)

from sb3_barriernet import BarrierPPO
from sb3_barriernet.errors import MissingRowsError, NormalizedRowsError, RowShapeError
from tests.compatibility.page import refused, works
from tests.compatibility.points import SETTINGS, assert_kept, make_point, points, trained

GROUP = "Vectorised environments"


@works(GROUP, "`DummyVecEnv`")
def test_dummy():
    trained(DummyVecEnv([make_point] * 3))


@works(GROUP, "`SubprocVecEnv`", "fork, spawn and forkserver, bitwise as `DummyVecEnv`")
@pytest.mark.parametrize("start_method", ["fork", "forkserver", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers(start_method):
    workers = points(vec_env_cls=SubprocVecEnv, vec_env_kwargs=dict(start_method=start_method))
    ours, alone = trained(workers), trained()
    workers.close()
    for one, two in zip(ours.policy.parameters(), alone.policy.parameters(), strict=True):
        assert one.equal(two)


def _bare_points() -> DummyVecEnv:
    env = DummyVecEnv([make_point] * 2)
    env.seed(0)
    return env


def _speed(received: list[np.ndarray]) -> float:
    """The task's return of all whole episodes of 20 steps."""
    return float(np.sum([action[0] for action in received[: len(received) // 20 * 20]]))


@works(GROUP, "`VecMonitor`, and Monitor inside", "returns are the task's, corrections cost the algorithm only")
def test_monitors():
    outside = trained(VecMonitor(_bare_points()), correction_coef=5.0)
    inside = trained(points(), correction_coef=5.0)
    returns = [[episode["r"] for episode in model.ep_info_buffer] for model in (outside, inside)]
    np.testing.assert_allclose(*returns, atol=1e-5)
    np.testing.assert_allclose(sum(returns[1]), sum(map(_speed, inside.get_env().get_attr("received"))), atol=1e-3)


@works(GROUP, "`VecNormalize` of rewards, and of observations beside the rows", "`norm_obs_keys=['observation']`")
def test_normalisation_beside_the_rows():
    trained(VecNormalize(points(), norm_obs=False))
    trained(VecNormalize(points(), norm_obs_keys=["observation"]))


@works(GROUP, "`VecNormalize`: save, load, resume", "the same statistics and the same actions")
def test_normalisation_is_resumed(tmp_path):
    model = trained(VecNormalize(points(), norm_obs_keys=["observation"]))
    model.save(tmp_path / "model")
    model.get_vec_normalize_env().save(str(tmp_path / "statistics.pkl"))
    env = VecNormalize.load(str(tmp_path / "statistics.pkl"), points())
    loaded = BarrierPPO.load(tmp_path / "model", env=env, device="cpu")
    observation = env.reset()
    np.testing.assert_array_equal(loaded.predict(observation)[0].shape, (2, 2))
    expected = model.predict(observation, deterministic=True)[0]
    np.testing.assert_array_equal(loaded.predict(observation, deterministic=True)[0], expected)
    loaded.learn(64, reset_num_timesteps=False)
    assert_kept(env)


@refused(GROUP, "`VecNormalize` of the rows", "they would describe another barrier; `norm_obs_keys=['observation']`")
def test_normalised_rows():
    with pytest.raises(NormalizedRowsError, match=r"norm_obs_keys=\['observation'\]"):
        BarrierPPO("MlpPolicy", VecNormalize(points()), **SETTINGS)


@works(GROUP, "`VecCheckNan`")
def test_nan_check():
    trained(VecCheckNan(points(), raise_exception=True))


class _Pictures(gym.Wrapper):
    """Grey frames."""

    render_mode = "rgb_array"

    def render(self):
        return np.full((32, 32, 3), 128, dtype=np.uint8)


@works(GROUP, "`VecVideoRecorder`")
def test_video(tmp_path):
    pictures = DummyVecEnv([lambda: _Pictures(make_point())])
    trained(VecVideoRecorder(pictures, str(tmp_path), record_video_trigger=lambda step: step == 0, video_length=10))
    assert list(tmp_path.glob("*.mp4"))


@refused(GROUP, "`VecFrameStack`", "stacked rows are no rows; stack below the barrier with `FrameStackObservation`")
def test_frame_stack():
    with pytest.raises(RowShapeError, match="exclude the rows from them"):
        BarrierPPO("MlpPolicy", VecFrameStack(points(), 3), **SETTINGS)


@refused(GROUP, "`VecExtractDictObs`", "it drops the rows")
def test_extraction():
    with pytest.raises(MissingRowsError, match="has no 'barrier' key"):
        BarrierPPO("MlpPolicy", VecExtractDictObs(points(), "observation"), **SETTINGS)
