"""Attacks on many copies: the same as on one, found out when the barrier is wrong, and the script that counts them."""

import json
import runpy
import sys
from pathlib import Path

import gymnasium as gym
import pytest

from sb3_barriernet import BarrierObservation
from sb3_barriernet.envs.violation_counter import ViolationCounter
from sb3_barriernet.errors import ConfigurationError, MissingRowsError
from sb3_barriernet.evaluation.attacks import BangBang, Ramming, Uniform
from sb3_barriernet.evaluation.invariance import attack_barrier
from sb3_barriernet.evaluation.massed_attack import attack_copies
from tests.evaluation.test_invariance import clearance, pendulum
from tests.toys import limited_point

SCRIPT = Path(__file__).parents[2] / "scripts" / "attack.py"


def judged(**mistakes: float) -> BarrierObservation:
    """The pendulum with the truth in ``info``, below its barrier."""
    env = pendulum(**mistakes)
    return BarrierObservation(ViolationCounter(env.env, clearance), env.barrier, env.state)


@pytest.mark.parametrize("attack", [Uniform, BangBang, Ramming])
@pytest.mark.parametrize("gravity", [15.0, 7.0])
def test_one_copy_sees_what_the_harness_for_one_environment_sees(attack, gravity):
    (expected,) = attack_barrier(pendulum(gravity=gravity), clearance, steps=700, attacks=[attack], seed=3).records
    record, _ = attack_copies([judged(gravity=gravity)], attack(), steps=700, seed=3)
    for name in ("attack", "steps", "violations", "infeasible", "corrected"):
        assert getattr(record, name) == getattr(expected, name), name
    assert record.worst_clearance == pytest.approx(expected.worst_clearance, abs=1e-9)
    assert (record.violations > 0) == (gravity == 7.0)


def test_copies_share_the_steps_and_are_all_attacked():
    alone, _ = attack_copies([judged(gravity=7.0)], Ramming(), steps=100)
    record, seconds = attack_copies([judged(gravity=7.0) for _ in range(10)], Ramming(), steps=1000)
    assert record.steps == 1000
    assert record.violations >= 5 * alone.violations > 0
    assert min(seconds.env, seconds.rows, seconds.projection) > 0.0


def test_what_cannot_be_judged_or_filtered_is_refused():
    with pytest.raises(ConfigurationError, match=r"expected 'violation' and 'clearance'.*ViolationCounter"):
        attack_copies([pendulum()], Uniform(), steps=10)
    with pytest.raises(ConfigurationError, match="vectorised over leading dimensions"):
        attack_copies([limited_point(0.3)], Uniform(), steps=10)
    with pytest.raises(ConfigurationError, match="expected environments of equal settings"):
        attack_copies([judged(), judged(lead_time=0.3)], Uniform(), steps=10)
    with pytest.raises(MissingRowsError, match="BarrierObservation"):
        attack_copies([gym.make("Pendulum-v1")], Uniform(), steps=10)


def test_the_script_counts_writes_and_repeats_nothing(tmp_path, monkeypatch):
    arguments = ["--only", "PursuitEvasionClutter-v0", "SafePendulum-v0", "--steps", "400", "--copies", "8"]
    monkeypatch.setattr(sys, "argv", ["attack.py", *arguments, "--out", str(tmp_path)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    results = json.loads((tmp_path / "attacks.json").read_text())["environments"]
    assert list(results) == ["PursuitEvasionClutter-v0", "SafePendulum-v0"]
    for result in results.values():
        assert [record["attack"] for record in result["attacks"]] == ["uniform", "bang_bang", "ramming"]
        assert all(r["steps"] == 400 and r["violations"] == r["infeasible"] == 0 for r in result["attacks"])
        assert max(r["corrected"] for r in result["attacks"]) > 40
        assert min(result["cost"].values()) > 0.0
    page = (tmp_path / "attacks.md").read_text()
    assert "| SafePendulum-v0 | ramming | 400 | 0 | 0 |" in page
    assert "8 copies, seed 0" in page

    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert json.loads((tmp_path / "attacks.json").read_text())["environments"] == results
