"""Long: bad days made up by Hypothesis, and the scripts that count malformed inputs and kills."""

import errno
import json
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch as th
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sb3_barriernet import BarrierPPO, Status
from sb3_barriernet.errors import CheckpointError, ConfigurationError, RowShapeError, UnsafeActionWarning
from sb3_barriernet.rows import split_rows
from sb3_barriernet.zoo.study import read_study
from tests.toys import walled_point

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SETTINGS = dict(n_steps=8, batch_size=8, n_epochs=1, device="cpu", policy_kwargs=dict(net_arch=[4]))


def run(script: str, *arguments: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        subprocess.run([sys.executable, BENCHMARKS / script, *arguments, "--out", out], check=True)
        return json.loads(out.read_text())


def test_no_malformed_input_passes_in_silence():
    result = run("fuzz.py", "--seed", "1", "--scale", "0.1")
    assert result["malformed"] > 10_000
    assert result["silent"] == 0


def test_kills_corrupt_nothing_and_change_no_number():
    result = run("kills.py", "--seed", "1", "--kills", "8")
    assert result["kills"] == 8
    assert result["corrupt_checkpoints"] == result["corrupt_models"] == 0
    assert result["resumed_trainings_that_end_otherwise"] == 0


class BadDay(RuleBasedStateMachine):
    """An agent that acts, learns, is saved and loaded while its inputs break and its disk is full."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "model.zip"
        self.env = walled_point()
        self.model = BarrierPPO("MlpPolicy", walled_point(), seed=0, **SETTINGS)
        self.observation, _ = self.env.reset(seed=0)
        self.saved: dict[str, th.Tensor] | None = None

    def teardown(self):
        self.folder.cleanup()

    def weights(self) -> dict[str, th.Tensor]:
        return {name: value.clone() for name, value in self.model.policy.state_dict().items()}

    @rule(deterministic=st.booleans())
    def act(self, deterministic):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UnsafeActionWarning)
            action, _ = self.model.predict(self.observation, deterministic=deterministic)
        A, c = split_rows(self.observation["barrier"])
        assert (A @ action.astype(np.float64) + c >= -1e-6).all()
        self.observation, _, _, ended, _ = self.env.step(action)
        if ended:
            self.observation, _ = self.env.reset()

    @rule(key=st.sampled_from(["barrier", "observation"]), place=st.integers(0, 11), poison=st.sampled_from([1, -1, 0]))
    def observe_what_is_no_number(self, key, place, poison):
        spoiled = {name: value.copy() for name, value in self.observation.items()}
        spoiled[key].flat[place % spoiled[key].size] = poison * np.inf  # 0 * inf is NaN
        with np.errstate(invalid="ignore"), pytest.warns(UnsafeActionWarning, match="1 hold NaN or infinity"):
            action, _ = self.model.predict(spoiled)
        assert self.model.policy.projection.status.item() == Status.INVALID
        assert self.env.action_space.contains(action)

    @rule(shape=st.lists(st.integers(0, 5), max_size=3).filter(lambda shape: tuple(shape)[-2:] != (3, 4)))
    def observe_rows_out_of_shape(self, shape):
        with pytest.raises(RowShapeError):
            self.model.predict({**self.observation, "barrier": np.ones(shape)})

    @rule()
    def learn(self):
        self.model.learn(8, reset_num_timesteps=False)

    @rule()
    def save(self):
        self.model.save(self.path)
        self.saved = self.weights()

    @rule(calls=st.integers(0, 2))
    def save_on_a_full_disk(self, calls):
        write, left = zipfile.ZipFile.writestr, [calls]

        def filling(*args, **kwargs):
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left[0] -= 1
            return write(*args, **kwargs)

        with mock.patch.object(zipfile.ZipFile, "writestr", filling), pytest.raises(OSError, match="No space left"):
            self.model.save(self.path)

    @precondition(lambda self: self.saved)
    @rule(share=st.floats(0.0, 0.999))
    def load_a_copy_that_was_cut_off(self, share):
        content = self.path.read_bytes()
        copy = self.path.with_name("copy.zip")
        copy.write_bytes(content[: int(share * len(content))])
        with pytest.raises(CheckpointError):
            BarrierPPO.load(copy)

    @precondition(lambda self: self.saved)
    @rule()
    def load(self):
        self.model = BarrierPPO.load(self.path, walled_point(), device="cpu")
        assert all(value.equal(self.saved[name]) for name, value in self.weights().items())

    @invariant()
    def weights_are_numbers(self):
        assert all(th.isfinite(value).all() for value in self.model.policy.parameters())

    @invariant()
    def what_was_saved_is_there_and_nothing_else(self):
        found = {path.name for path in Path(self.folder.name).iterdir()} - {"copy.zip"}
        assert found == ({"model.zip"} if self.saved else set())


TestBadDay = BadDay.TestCase
TestBadDay.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.sampled_from(["ppo", "barrierppo", "-", "x"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "gamma", "algo"]), inner),
    max_leaves=4,
)
ENVIRONMENT = st.dictionaries(st.sampled_from(["timesteps", "eval_episodes", "conf_folder", "gym_packages"]), ANYTHING)
METHOD = st.dictionaries(
    st.sampled_from(["algo", "params", "filter", "distill", "deploy", "environments"]), ANYTHING, max_size=3
).map(lambda method: {"algo": "ppo", **method})
STUDIES = st.fixed_dictionaries(
    {
        "environments": st.dictionaries(st.just("PursuitEvasion-v0"), ENVIRONMENT | ANYTHING, min_size=1),
        "methods": st.dictionaries(st.sampled_from(["ours", "a b", "a-b"]), METHOD | ANYTHING, min_size=1),
    },
    optional={"seeds": ANYTHING, "eval_episodes": ANYTHING},
)


@settings(max_examples=1000, deadline=None)
@given(study=STUDIES | ANYTHING)
def test_a_study_is_read_or_refused_with_advice(study):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yml"
        path.write_text(yaml.safe_dump(study))
        try:
            read = read_study(path)
        except (ConfigurationError, ImportError):  # the latter names a module of `gym_packages` that is not installed
            return
        assert all(isinstance(method.filter, bool) and isinstance(method.algo, str) for method in read.methods.values())
        assert all(isinstance(seed, int) for seed in read.seeds)
        assert read.jobs(Path(folder))
