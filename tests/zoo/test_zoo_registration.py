"""What ``rl_zoo3`` knows after the registration, checked against the installed ``rl_zoo3``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import rl_zoo3
import rl_zoo3.exp_manager
import rl_zoo3.hyperparams_opt
import rl_zoo3.utils
import yaml

from sb3_barriernet import BarrierPPO
from sb3_barriernet.envs.registration import LITERATURE_TASKS, PURSUIT_TASKS
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.zoo import register
from sb3_barriernet.zoo.packaged_config import default_config, packaged_config, prefer_packaged_config

UPSTREAM_FOLDER = Path(rl_zoo3.__file__).parent / "hyperparams"


@pytest.fixture(autouse=True)
def registered() -> None:
    register()


def manager(algo: str, env_id: str, tmp_path: Path, config: str | None = None) -> Any:
    return rl_zoo3.exp_manager.ExperimentManager(
        argparse.Namespace(), algo, env_id, str(tmp_path), config=config, n_timesteps=1
    )


def test_every_reexport_of_the_table_holds_barrierppo() -> None:
    for module in (rl_zoo3, rl_zoo3.utils, rl_zoo3.exp_manager):
        assert module.ALGOS["barrierppo"] is BarrierPPO


def test_tuner_knows_barrierppo() -> None:
    assert "barrierppo" in rl_zoo3.hyperparams_opt.HYPERPARAMS_SAMPLER
    assert "barrierppo" in rl_zoo3.exp_manager.HYPERPARAMS_SAMPLER
    assert "barrierppo" in rl_zoo3.exp_manager.HYPERPARAMS_CONVERTER


def test_environments_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for env_id in PURSUIT_TASKS:
        monkeypatch.delitem(gym.registry, env_id)
    register()
    assert set(gym.registry) >= set(PURSUIT_TASKS)


def test_registering_again_changes_nothing() -> None:
    algorithms = list(rl_zoo3.ALGOS)
    constructor = rl_zoo3.exp_manager.ExperimentManager.__init__
    register()
    assert list(rl_zoo3.ALGOS) == algorithms
    assert rl_zoo3.exp_manager.ExperimentManager.__init__ is constructor


@pytest.mark.parametrize(
    ("algo", "env_id", "ours"),
    [
        ("barrierppo", "PursuitEvasion-v0", True),
        ("barrierppo", "Pendulum-v1", True),
        ("ppo", "PursuitEvasion-v0", True),
        ("ppo", "Pendulum-v1", False),
        ("sac", "PursuitEvasion-v0", True),
        ("sac", "Pendulum-v1", False),
        ("td3", "PursuitEvasion-v0", False),
    ],
)
def test_default_file_is_ours_where_upstream_has_nothing(algo: str, env_id: str, ours: bool, tmp_path: Path) -> None:
    expected = packaged_config(algo) if ours else UPSTREAM_FOLDER / f"{algo}.yml"
    assert manager(algo, env_id, tmp_path).config == str(expected)


@pytest.mark.parametrize("algo", ["barrierppo", "ppo"])
def test_named_file_always_wins(algo: str, tmp_path: Path) -> None:
    upstream_file = str(UPSTREAM_FOLDER / "ppo.yml")
    assert manager(algo, "PursuitEvasion-v0", tmp_path, config=upstream_file).config == upstream_file


def test_blocks_that_upstream_may_add_later_do_not_matter_elsewhere(tmp_path: Path) -> None:
    upstream_file = tmp_path / "ppo.yml"
    upstream_file.write_text("default: {}\n", encoding="utf-8")
    assert default_config(str(upstream_file), "ppo", "Pendulum-v1") == str(upstream_file)


def test_upstream_without_the_expected_parameter_is_refused_with_advice() -> None:
    class Manager:
        def __init__(self, algo: str) -> None:
            self.algo = algo

    with pytest.raises(ConfigurationError, match=r"no argument 'config'.*Install rl_zoo3"):
        prefer_packaged_config(Manager)


@pytest.mark.parametrize("algo", ["barrierppo", "ppo"])
def test_every_task_has_a_block(algo: str) -> None:
    path = packaged_config(algo)
    assert path is not None
    blocks = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(blocks) - {"default"} == {*PURSUIT_TASKS, *LITERATURE_TASKS}


def test_baseline_differs_from_barrierppo_in_what_a_filter_needs_only() -> None:
    ours, baseline = (yaml.safe_load(packaged_config(a).read_text("utf-8")) for a in ("barrierppo", "ppo"))  # type: ignore[union-attr]
    for env_id, block in baseline.items():
        same = {**block, "policy": "MlpPolicy", "correction_coef": ours[env_id]["correction_coef"]}
        # Keywords of BarrierPPO, and of the baseline's policy.
        shared = {name: ours[env_id][name] for name in ("action_std", "row_encoding") if name in ours[env_id]}
        arguments = ", ".join(f"{name}={value!r}" for name, value in shared.items())
        assert same.pop("policy_kwargs", "dict()") == f"dict({arguments})"
        assert {**same, **shared} == ours[env_id]


@pytest.mark.parametrize("algo", ["sac", "tqc"])
def test_off_policy_algorithms_learn_behind_the_filter_of_barrierppo(algo: str) -> None:
    ours, other = (yaml.safe_load(packaged_config(a).read_text("utf-8")) for a in ("barrierppo", algo))  # type: ignore[union-attr]
    for env_id, block in other.items():
        assert block["env_wrapper"] == [*ours[env_id]["env_wrapper"], "sb3_barriernet.FilteredEnv"]
        for same in ("normalize", "monitor_kwargs", "callback", "gamma"):
            assert block[same] == ours[env_id][same]
