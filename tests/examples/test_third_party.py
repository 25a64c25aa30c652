"""Environments that nobody here wrote: safe while attacked and while learning, unsafe without the filter."""

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import pytest

from sb3_barriernet import BarrierPPO, ViolationCounter, assert_invariant
from sb3_barriernet.evaluation.attacks import ATTACKS, BangBang, LookAhead, Ramming
from sb3_barriernet.evaluation.invariance import attack_barrier

EXAMPLES = Path(__file__).parents[2] / "examples"


class Effort(NamedTuple):
    """How long to try, by what a step costs."""

    attack: int
    look_ahead: int
    train: int
    unfiltered: int
    slow_attack: int


EFFORT = {
    "reacher": Effort(400, 40, 512, 200, 100_000),
    "swimmer": Effort(400, 40, 512, 200, 100_000),
    "parking": Effort(60, 10, 192, 60, 5_000),
}
NAMES = pytest.mark.parametrize("name", EFFORT)


def example(name: str) -> dict:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


@NAMES
def test_no_attack_gets_through(name):
    parts, effort = example(name), EFFORT[name]
    env = parts["make_safe"](parts["make_env"]())
    report = assert_invariant(env, parts["clearance"], steps=effort.attack, attacks=[BangBang, Ramming])
    assert all(record.corrected > effort.attack / 2 for record in report.records)
    assert_invariant(env, parts["clearance"], steps=effort.look_ahead, attacks=[LookAhead])


@NAMES
def test_learning_is_safe(name):
    parts, effort = example(name), EFFORT[name]
    env = ViolationCounter(parts["make_safe"](parts["make_env"]()), parts["clearance"])
    model = BarrierPPO("MultiInputPolicy", env, n_steps=effort.train, batch_size=32, n_epochs=2, seed=0)
    model.learn(effort.train, log_interval=100)
    assert env.steps == effort.train
    assert env.violations == 0
    assert model.logger.name_to_value["rollout/infeasible_rate"] == 0.0
    assert model.logger.name_to_value["rollout/intervention_rate"] > 0.0


@NAMES
def test_without_the_filter_a_held_action_does_violate(name):
    parts = example(name)
    env = ViolationCounter(parts["make_env"](), parts["clearance"])
    env.reset(seed=0)
    for _ in range(EFFORT[name].unfiltered):
        _, _, terminated, truncated, _ = env.step(np.array([1.0, 0.2], dtype=np.float32))
        if terminated or truncated:
            env.reset()
    assert env.violations > 0


@NAMES
def test_it_fits_on_a_page(name):
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.slow
@NAMES
def test_the_example_as_its_reader_runs_it(name):
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "2048"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=True)
    counts = dict(re.findall(r"^(\w+): (\d+) violations", result.stdout, re.MULTILINE))
    assert int(counts["BarrierPPO"]) == 0
    assert int(counts["PPO"]) > 0


@pytest.mark.slow
@NAMES
def test_long_attacks(name):
    parts = example(name)
    env: gym.Env = parts["make_safe"](parts["make_env"]())
    report = attack_barrier(env, parts["clearance"], steps=EFFORT[name].slow_attack, attacks=ATTACKS[:3])
    assert report.violations == 0
    assert report.infeasible == 0
