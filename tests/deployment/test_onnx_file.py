"""A file does what ``predict`` does, on every input."""

import json
import subprocess
import sys

import numpy as np
import pytest
from gymnasium import spaces
from sb3_contrib import TQC, TRPO, RecurrentPPO
from stable_baselines3 import PPO, SAC, TD3
from torch.distributions import Distribution

from sb3_barriernet import BarrierExtractor, SafetyFilter, Status, export
from sb3_barriernet.errors import ConfigurationError
from tests.deployment.models import SETTINGS, blank, decisive, hard_observations, make_model, projected, run, session

pytestmark = pytest.mark.filterwarnings("ignore::sb3_barriernet.errors.UnsafeActionWarning")

TOLERANCE = 1e-6
BACKUP = [-0.5, 0.25]
IMAGE = spaces.Box(0, 255, (3, 36, 36), np.uint8)


def exported_and_checked(model, path, count=300):
    return check(model, export(model, path), count)


def check(model, path, count):
    """The file against the compiled projection of its own proposals, and its proposals against the network's."""
    file = session(path)
    observations = hard_observations(model, count)
    found = run(file, observations)
    expected = projected(model, found, observations)
    np.testing.assert_array_equal(found["status"], expected.status.numpy())
    np.testing.assert_allclose(found["u_safe"], expected.action.numpy(), atol=TOLERANCE, rtol=0)
    action, _ = model.predict(observations, deterministic=True)
    nominal = model.nominal if isinstance(model, SafetyFilter) else model.policy.nominal
    np.testing.assert_allclose(found["u_nom"], nominal.numpy(), rtol=1e-4, atol=1e-4)
    agree = np.abs(found["u_nom"] - nominal.numpy()).max(axis=1) < TOLERANCE
    assert agree.mean() > 0.5
    np.testing.assert_allclose(found["u_safe"][agree], action[agree], atol=1e-5, rtol=0)
    return found


@pytest.fixture(scope="module")
def model():
    return make_model(backup_action=BACKUP)


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return export(model, tmp_path_factory.mktemp("files") / "model.onnx")


def test_same_status_and_action_on_ten_thousand_hard_and_infeasible_inputs(model, path):
    found = check(model, path, 10_000)
    counts = np.bincount(found["status"], minlength=4)
    assert counts[Status.INACTIVE] > 100
    assert counts[Status.ACTIVE] > 2000
    assert counts[Status.INFEASIBLE] > 2000
    assert counts[Status.INVALID] == 0


@pytest.mark.slow
def test_the_same_in_a_skewed_metric(tmp_path):
    model = make_model(projection_weight=[[2.0, 1.0], [1.0, 2.0]])
    found = exported_and_checked(model, tmp_path / "model.onnx", 10_000)
    assert np.bincount(found["status"])[Status.ACTIVE] > 2000


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "rows"), [(1, 4), (3, 7), (5, 6)])
def test_any_number_of_actions_and_rows(tmp_path, dim, rows):
    found = exported_and_checked(
        make_model(env=blank(rows, -np.ones(dim), np.arange(dim) + 1.0)), tmp_path / "model.onnx"
    )
    assert set(found["status"]) >= {Status.ACTIVE, Status.INFEASIBLE}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "settings", "others"),
    [
        ("MlpPolicy", dict(row_encoding="sorted"), {}),
        ("MlpPolicy", dict(row_encoding="pooled"), {}),
        ("MlpPolicy", dict(observe_rows=False), {}),
        ("CnnPolicy", {}, {"image": IMAGE}),
        ("MultiInputPolicy", {}, {"image": IMAGE, "gear": spaces.Discrete(4), "speed": spaces.Box(-1, 1, (2,))}),
    ],
    ids=["sorted", "pooled", "hidden", "cnn", "multi_input"],
)
def test_every_policy_of_barrierppo(tmp_path, policy, settings, others):
    exported_and_checked(make_model(policy, blank(**others), **settings), tmp_path / "model.onnx", 100)


def test_learned_gains_are_an_output(tmp_path):
    model = make_model(learn_gains=True, gain_range=(0.1, 10.0), gain_groups=[0] * 6 + [1] * 6)
    found = exported_and_checked(model, tmp_path / "model.onnx")
    np.testing.assert_allclose(found["kappa"], model.policy.kappa.numpy(), rtol=1e-4)
    assert np.ptp(found["kappa"], axis=0).min() > 0.0


@pytest.mark.parametrize("algorithm", [SAC, *(pytest.param(a, marks=pytest.mark.slow) for a in (PPO, TD3, TQC, TRPO))])
def test_any_agent_behind_a_safety_filter(tmp_path, algorithm):
    settings = dict(policy_kwargs=dict(features_extractor_class=BarrierExtractor)) | SETTINGS
    agent = algorithm("MultiInputPolicy", blank(), **settings)
    if hasattr(agent.policy, "action_net"):
        decisive(agent)
    exported_and_checked(SafetyFilter(agent), tmp_path / "model.onnx", 100)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["observation", "barrier"])
def test_what_is_not_finite_is_answered_by_the_backup_action_and_changes_no_neighbour(model, path, key, value):
    file = session(path)
    observations = hard_observations(model, 20)
    before = run(file, observations)
    for place in np.ndindex(observations[key].shape[1:]):
        spoilt = {name: part.copy() for name, part in observations.items()}
        spoilt[key][(7, *place)] = value
        after = run(file, spoilt)
        np.testing.assert_allclose(after["u_safe"][7], BACKUP)
        assert after["status"][7] == Status.INVALID
        others = np.arange(20) != 7
        for name in before:
            np.testing.assert_array_equal(after[name][others], before[name][others])


def test_a_batch_of_any_size_gives_the_same(model, path):
    file = session(path)
    observations = hard_observations(model, 60)
    together, alone = run(file, observations), run(file, observations, chunk=1)
    np.testing.assert_array_equal(together["status"], alone["status"])
    np.testing.assert_allclose(together["u_safe"], alone["u_safe"], atol=1e-5)


def test_the_file_says_what_it_holds(path):
    facts = {key: json.loads(value) for key, value in session(path).get_modelmeta().custom_metadata_map.items()}
    assert facts["package"].startswith("sb3-barriernet ")
    assert facts["agent"] == "BarrierPPO"
    assert (facts["action_low"], facts["action_high"]) == ([-1.0, -0.5], [1.0, 2.0])
    assert facts["backup_action"] == BACKUP
    assert facts["rows"]["columns"] == ["a_0", "a_1", "drift", "restoring"]
    assert facts["observations"]["barrier"] == {"shape": [12, 4], "dtype": "float64"}
    assert facts["status"]["2"] == "INFEASIBLE"


def test_exporting_changes_neither_the_model_nor_torch(model, tmp_path):
    observations = hard_observations(model, 50)
    before, checked = model.predict(observations, deterministic=True)[0], Distribution._validate_args
    model.policy.set_training_mode(True)
    export(model, tmp_path / "model.onnx")
    assert model.policy.training
    assert Distribution._validate_args == checked
    np.testing.assert_array_equal(model.predict(observations, deterministic=True)[0], before)


def test_agents_without_a_filter_or_with_a_memory_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"export\(SafetyFilter\(model\), path\)"):
        export(PPO("MultiInputPolicy", blank(), **SETTINGS), tmp_path / "model.onnx")
    recurrent = RecurrentPPO("MultiInputLstmPolicy", blank(), n_steps=8, **SETTINGS)
    with pytest.raises(ConfigurationError, match="without a memory"):
        export(SafetyFilter(recurrent), tmp_path / "model.onnx")


def test_a_missing_package_comes_with_its_install_line():
    code = "import sys; sys.modules['onnx'] = None\nfrom sb3_barriernet import export"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'sb3-barriernet[export]'" in result.stderr
