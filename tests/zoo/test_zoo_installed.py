"""The product as users install and call it: a wheel, an unrelated folder, the literal commands."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

ENV_ID = "PursuitEvasion-v0"
ONE_ROLLOUT = "2048"
EPISODE = "700"
"""More steps than an episode can have, so that enjoy reports at least one."""

STARTUP_FILES = {"_sb3_barriernet_zoo.py", "sb3_barriernet_zoo.pth", "sb3_barriernet_zoo.start"}

ALGORITHMS_OF_A_CHILD = """
import multiprocessing

def report(queue):
    import rl_zoo3
    queue.put("barrierppo" in rl_zoo3.ALGOS)

if __name__ == "__main__":
    for method in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        child = context.Process(target=report, args=(queue,))
        child.start()
        print(method, queue.get(timeout=120))
        child.join()
"""


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "could not extend" not in done.stderr
    return done.stdout


def train_command(module: str, *options: str) -> list[str]:
    return [
        *("-m", *module.split(), "--algo", "barrierppo", "--env", ENV_ID, "-n", ONE_ROLLOUT),
        *("--seed", "0", "--device", "cpu", *options),
    ]


@pytest.fixture(scope="module")
def trained(wheel_environment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the literal training command was run, and what the command printed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    return folder, succeeded(wheel_environment.run(*train_command("rl_zoo3.train"), cwd=folder))


def test_everything_comes_from_the_wheel(wheel_environment, tmp_path: Path) -> None:
    script = "import sb3_barriernet as p, _sb3_barriernet_zoo as hook; print(p.__file__, hook.__file__)"
    places = succeeded(wheel_environment.run("-c", script, cwd=tmp_path)).split()
    assert all(Path(place).is_relative_to(wheel_environment.site_packages) for place in places)
    assert wheel_environment.files() >= STARTUP_FILES


def test_literal_training_command(trained, wheel_environment) -> None:
    folder, printed = trained
    config = wheel_environment.site_packages / "sb3_barriernet" / "hyperparams" / "barrierppo.yml"
    assert f"Loading hyperparameters from: {config}" in printed
    assert (folder / "logs" / "barrierppo" / f"{ENV_ID}_1" / f"{ENV_ID}.zip").is_file()


def test_literal_enjoy_command(trained, wheel_environment) -> None:
    folder, _ = trained
    agent = ["--algo", "barrierppo", "--env", ENV_ID, "-f", "logs", "--device", "cpu"]
    command = ["-m", "rl_zoo3.enjoy", *agent, "-n", EPISODE, "--no-render"]
    assert "Mean reward" in succeeded(wheel_environment.run(*command, cwd=folder))


def test_training_continues_from_a_saved_agent(trained, wheel_environment) -> None:
    folder, _ = trained
    runs = folder / "logs" / "barrierppo"
    saved = runs / f"{ENV_ID}_1" / f"{ENV_ID}.zip"
    command = train_command("rl_zoo3.train", "-i", str(saved), "-f", "continued")
    assert "Loading pretrained agent" in succeeded(wheel_environment.run(*command, cwd=folder))
    continued = folder / "continued" / "barrierppo" / f"{ENV_ID}_1" / f"{ENV_ID}.zip"
    before, after = (json.loads(zipfile.ZipFile(file).read("data")) for file in (saved, continued))
    # The Zoo counts the steps of the new run; the record counts those of the agent.
    assert after["num_timesteps"] == before["num_timesteps"]
    assert after["training_record"]["steps"] == 2 * before["training_record"]["steps"] > 0


def test_opted_out_zoo_knows_nothing_but_the_explicit_door_opens(wheel_environment, tmp_path: Path) -> None:
    refused = wheel_environment.run(*train_command("rl_zoo3.train"), cwd=tmp_path, SB3_BARRIERNET_ZOO="0")
    assert refused.returncode == 2
    assert "invalid choice: 'barrierppo'" in refused.stderr
    command = train_command("sb3_barriernet.zoo train")
    succeeded(wheel_environment.run(*command, cwd=tmp_path, SB3_BARRIERNET_ZOO="0"))
    assert (tmp_path / "logs" / "barrierppo" / f"{ENV_ID}_1" / f"{ENV_ID}.zip").is_file()


def test_children_know_the_algorithm_whatever_their_start_method(wheel_environment, tmp_path: Path) -> None:
    (tmp_path / "children.py").write_text(ALGORITHMS_OF_A_CHILD, encoding="utf-8")
    answers = succeeded(wheel_environment.run("children.py", cwd=tmp_path)).split()
    assert "spawn" in answers
    assert set(answers[1::2]) == {"True"}


def test_uninstalling_leaves_nothing(fresh_environment, wheel: Path, tmp_path: Path) -> None:
    before = fresh_environment.files()
    fresh_environment.install(str(wheel))
    known = "import rl_zoo3; assert 'barrierppo' in rl_zoo3.ALGOS"
    succeeded(fresh_environment.run("-c", known, cwd=tmp_path))
    fresh_environment.pip("uninstall", "--yes", "sb3-barriernet")
    assert fresh_environment.files() == before
    finders = "import sys; print([type(finder).__name__ for finder in sys.meta_path])"
    assert "ZooFinder" not in succeeded(fresh_environment.run("-c", finders, cwd=tmp_path))


def test_editable_install_has_the_hook_and_the_repository_yaml(fresh_environment, tmp_path: Path) -> None:
    repository = Path(__file__).resolve().parents[2]
    fresh_environment.install("--editable", str(repository))
    assert fresh_environment.files() >= STARTUP_FILES
    script = """
import rl_zoo3, sb3_barriernet
from sb3_barriernet.zoo.packaged_config import packaged_config
assert "barrierppo" in rl_zoo3.ALGOS
print(packaged_config("barrierppo"), sb3_barriernet.__file__, sep="\\n")
"""
    config, package = succeeded(fresh_environment.run("-c", script, cwd=tmp_path)).splitlines()
    assert Path(config) == repository / "hyperparams" / "barrierppo.yml"
    assert Path(package) == repository / "sb3_barriernet" / "__init__.py"
