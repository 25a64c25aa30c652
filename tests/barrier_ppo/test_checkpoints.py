"""Saved models that are damaged, older or of something else: advice, or a documented continuation."""

import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierObservation, BarrierPPO, NominalActorCriticPolicy
from sb3_barriernet.errors import ActionSpaceError, CheckpointError, ConfigurationError, RowShapeError
from sb3_barriernet.rows import padding_rows
from tests.barrier_ppo.models import LIMIT, SETTINGS, make_model
from tests.test_security import rewritten
from tests.toys import DriftingPoint, limited_point, read_position

ADVICE = "cut off, or is a file of something else"


@pytest.fixture(scope="module")
def model():
    return make_model(action_std=0.3)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.zip"
    model.save(path)
    return path


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(saved, tmp_path, share):
    whole = saved.read_bytes()
    (tmp_path / "model.zip").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=ADVICE):
        BarrierPPO.load(tmp_path / "model")


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"{}", bytes(10_000)])
def test_files_of_something_else_are_refused(tmp_path, content):
    (tmp_path / "model.zip").write_bytes(content)
    with pytest.raises(CheckpointError, match=ADVICE):
        BarrierPPO.load(tmp_path / "model.zip")
    with pytest.raises(CheckpointError, match=ADVICE):
        BarrierPPO.load(io.BytesIO(content))


def test_a_zip_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("holiday.jpg", b"...")
    with pytest.raises(CheckpointError, match=r"there is no data and no policy\.pth"):
        BarrierPPO.load(tmp_path / "model.zip")


def test_a_file_that_is_not_there_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        BarrierPPO.load(tmp_path / "model.zip")


def same(one: BarrierPPO, other: BarrierPPO) -> bool:
    """Whether both decide alike, weights and settings included."""
    weights, theirs = one.policy.state_dict(), other.policy.state_dict()
    plain = [name for name, value in vars(one).items() if isinstance(value, int | float | str | bool | None)]
    return (
        weights.keys() == theirs.keys()
        and all(weights[name].equal(theirs[name]) for name in weights)
        and all(vars(other).get(name) == vars(one)[name] for name in plain)
    )


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_refused_or_change_nothing(model, saved, data):
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    try:
        found = BarrierPPO.load(io.BytesIO(content), device="cpu")
    except CheckpointError:
        return
    assert same(model, found)


def test_models_saved_before_a_setting_existed_have_its_default(model, saved, tmp_path):
    data = json.loads(zipfile.ZipFile(saved).read("data"))
    newest = ("row_encoding", "correction_cost", "correction_loss_coef", "learn_gains", "gain_range", "gain_groups")
    older = {name: value for name, value in data.items() if name not in (*newest, "correction_loss_schedule")}
    path = rewritten(saved, tmp_path / "older.zip", data=json.dumps(older).encode())
    found = BarrierPPO.load(path, make_vec_env(lambda: limited_point(LIMIT), 2, seed=0), device="cpu")
    assert (found.row_encoding, found.learn_gains) == ("listed", False)
    assert same(model, found)
    found.learn(64)


class SmallerSteps(DriftingPoint):
    def __init__(self):
        super().__init__()
        self.action_space = spaces.Box(-0.5, 0.5, (2,), dtype=np.float32)


class Rows:
    action_dim = 2

    def __init__(self, num_rows: int):
        self.num_rows = num_rows

    def rows(self, position: np.ndarray) -> np.ndarray:
        return padding_rows(self.num_rows, 2)

    def start_values(self, position: np.ndarray) -> np.ndarray:
        return np.ones(1)


def test_a_model_is_not_loaded_for_other_actions_or_rows(model, saved):
    other = BarrierObservation(SmallerSteps(), Rows(3), read_position)
    with pytest.raises(ActionSpaceError, match=r"Action spaces do not match.*the actuators that it was trained on"):
        BarrierPPO.load(saved, other)
    with pytest.raises(RowShapeError, match="takes as many rows as it was trained on"):
        BarrierPPO.load(saved, BarrierObservation(DriftingPoint(), Rows(4), read_position))
    with pytest.raises(ActionSpaceError, match="Action spaces do not match"):
        make_model().set_env(make_vec_env(lambda: BarrierObservation(SmallerSteps(), Rows(3), read_position), 2))


def test_a_model_of_another_algorithm_is_refused_with_advice(tmp_path):
    PPO("MultiInputPolicy", limited_point(), **SETTINGS).save(tmp_path / "ppo")
    with pytest.raises(
        ConfigurationError, match=r"Found the policy MultiInputActorCriticPolicy.*SafetyFilter\(model\)"
    ):
        BarrierPPO.load(tmp_path / "ppo")
    with pytest.raises(ConfigurationError, match="Found the policy NominalActorCriticPolicy"):
        BarrierPPO(NominalActorCriticPolicy, limited_point())


def test_saving_goes_where_sb3_would_save(model, tmp_path):
    model.save(tmp_path / "new" / "model")
    model.save(str(tmp_path / "new" / "v1.0"))
    (tmp_path / "folder.d").mkdir()
    with pytest.warns(UserWarning, match="is a folder. Will save instead to"):
        model.save(tmp_path / "folder.d")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"new/model.zip", "new/v1.0", "folder.d_2"}
    for name in found:
        assert same(model, BarrierPPO.load(tmp_path / name, device="cpu"))


def test_a_full_disk_leaves_the_model_that_was_there(model, saved, monkeypatch):
    before = saved.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        make_model().save(saved)
    assert "is as it was before" in caught.value.__notes__[0]
    assert saved.read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
def test_a_stream_that_is_full_says_so(model):
    with pytest.raises(OSError, match="No space left on device"), open("/dev/full", "wb") as stream:
        model.save(stream)
