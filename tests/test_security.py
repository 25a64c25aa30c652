"""What SECURITY.md promises about untrusted files and about text that becomes code."""

import ast
import base64
import json
import pickle
import zipfile
from pathlib import Path

import cloudpickle
import pytest
import torch as th

import sb3_barriernet
from sb3_barriernet import ResumableTraining
from sb3_barriernet.barrier_ppo.resumable_training import STATE_ENTRY
from tests.barrier_ppo.models import make_model

PACKAGE = Path(sb3_barriernet.__file__).parent
UNSAFE_CALLS = {"eval", "exec", "compile"}
UNSAFE_ATTRIBUTES = {
    ("pickle", "load"),
    ("pickle", "loads"),
    ("pickle", "Unpickler"),
    ("cloudpickle", "loads"),
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("th", "load"),
    ("torch", "load"),
    ("os", "system"),
}
DISCLOSED = {
    "barrier_ppo/resumable_training.py": ["pickle.loads"],
    "barrier_ppo/training_state.py": ["pickle.Unpickler"],
}
"""What SECURITY.md says is unpickled by this package."""


class Mine:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def rewritten(source: Path, target: Path, **entries: bytes) -> Path:
    """A copy of a model's zip with other content under some names."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, entries.get(name, old.read(name)))
    return target


@pytest.fixture
def saved(tmp_path):
    model = make_model(action_std=0.3)
    model.learn(64)
    model.save(tmp_path / "model.zip")
    return model, tmp_path / "model.zip"


def test_weights_are_taken_from_a_zip_that_explodes_when_unpickled(saved, tmp_path):
    model, path = saved
    settings = json.loads(zipfile.ZipFile(path).read("data"))
    mine = base64.b64encode(cloudpickle.dumps(Mine(tmp_path / "exploded"))).decode()
    settings["mine"] = {":type:": "mine", ":serialized:": mine}
    mined = rewritten(path, tmp_path / "mined.zip", data=json.dumps(settings).encode())

    other = make_model(seed=1)
    other.set_parameters(mined)
    assert not (tmp_path / "exploded").exists()
    for name, value in model.policy.state_dict().items():
        assert th.equal(value, other.policy.state_dict()[name]), name
    assert th.equal(model.policy.action_std, other.policy.action_std)

    type(model).load(mined)
    assert (tmp_path / "exploded").exists()  # the mine works, so `set_parameters` did not step on it


def test_weights_that_are_no_weights_are_refused(saved, tmp_path):
    _, path = saved
    th.save({"log_std": Mine(tmp_path / "exploded")}, tmp_path / "policy.pth")
    mined = rewritten(path, tmp_path / "mined.zip", **{"policy.pth": (tmp_path / "policy.pth").read_bytes()})
    with pytest.raises(pickle.UnpicklingError, match="Weights only"):
        make_model().set_parameters(mined)
    assert not (tmp_path / "exploded").exists()


def unsafe_calls(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS:
            found.append(f"{node.func.id} in line {node.lineno}")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = (node.value.id, node.attr)
            found += [f"{'.'.join(name)} in line {node.lineno}"] if name in UNSAFE_ATTRIBUTES else []
    return found


def test_the_search_finds_what_it_looks_for():
    assert len(unsafe_calls("exec('1')\nimport pickle\npickle.load(f)\nmodel.eval()\nload = yaml.load")) == 3


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_text_becomes_code_and_nothing_is_unpickled_but_what_is_disclosed(path):
    found = [call.split(" in ")[0] for call in unsafe_calls(path.read_text(encoding="utf-8"))]
    assert found == DISCLOSED.get(str(path.relative_to(PACKAGE)), [])


def test_a_trainings_state_is_unpickled_by_nothing_but_the_training(tmp_path):
    path = tmp_path / "training.zip"
    make_model().learn(64, ResumableTraining(path))
    mine = cloudpickle.dumps(Mine(tmp_path / "exploded"))
    mined = rewritten(path, tmp_path / "mined.zip", **{STATE_ENTRY: mine})
    make_model().load(mined)
    make_model().set_parameters(mined)
    assert not (tmp_path / "exploded").exists()
    with pytest.raises(TypeError):
        make_model().learn(64, ResumableTraining(mined))
    assert (tmp_path / "exploded").exists()
