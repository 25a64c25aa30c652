"""The harness finds what is broken and passes what is not."""

import copy

import gymnasium as gym
import numpy as np
import pytest
import sympy as sp
from gymnasium.utils import EzPickle

from sb3_barriernet import BarrierObservation, OneStepBarrier, OneStepMap, ResetOptions, assert_invariant
from sb3_barriernet.errors import MissingRowsError
from sb3_barriernet.evaluation.attacks import ATTACKS, Arena, BangBang, LookAhead, Ramming, Uniform, copy_environment
from sb3_barriernet.evaluation.invariance import attack_barrier
from sb3_barriernet.projection.row_filter import RowFilter

LIMIT = 0.3


def pendulum(lead_time: float = 0.25, gravity: float = 15.0) -> BarrierObservation:
    """Gymnasium's pendulum behind a barrier that can be mistaken in two ways."""
    theta, omega, torque = sp.symbols("theta omega torque", real=True)
    faster = omega + (gravity * sp.sin(theta) + 3 * torque) * 0.05
    step = OneStepMap([theta, omega], [torque], [theta + faster * 0.05, faster])
    lead = theta + lead_time * omega
    env = ResetOptions(gym.make("Pendulum-v1"), x_init=0.1, y_init=0.5)
    return BarrierObservation(env, OneStepBarrier(step, [LIMIT - lead, LIMIT + lead]), lambda env: (env.state,))


def clearance(env: gym.Env) -> float:
    return LIMIT - abs(env.state[0])


def test_a_right_barrier_passes_all_attacks():
    report = assert_invariant(pendulum(), clearance, steps=400)
    assert [r.attack for r in report.records] == ["uniform", "bang_bang", "ramming", "look_ahead"]
    assert all(r.steps == 400 and r.corrected > 40 for r in report.records)
    assert 0.0 <= report.worst.worst_clearance < 1e-3  # the attacks do lean on the limit


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_breaks_a_barrier_of_a_wrong_model(attack):
    """A pendulum twice as light as the real one."""
    with pytest.raises(AssertionError, match=r"The barrier was broken: \d+ violations") as error:
        assert_invariant(pendulum(gravity=7.0), clearance, steps=1500, attacks=[attack])
    text = str(error.value)
    assert "a model that is not the simulator's step" in text
    assert "worst trajectory" in text
    assert "clearance after -" in text.splitlines()[-1]


def test_rows_that_contradict_the_motor_are_infeasible():
    """Too little lead: at the limit the torque no longer suffices."""
    report = attack_barrier(pendulum(lead_time=0.12), clearance, steps=2000, attacks=[BangBang])
    assert report.infeasible > 0
    with pytest.raises(AssertionError, match=r"[1-9]\d* infeasible steps.* look further ahead"):
        assert_invariant(pendulum(lead_time=0.12), clearance, steps=2000, attacks=[BangBang])


def test_reports_repeat_by_seed():
    reports = [attack_barrier(pendulum(), clearance, steps=50, attacks=[Uniform, Ramming], seed=s) for s in (1, 1, 2)]
    assert str(reports[0]) == str(reports[1])
    assert str(reports[0]) != str(reports[2])


def test_looking_ahead_leaves_the_environment_alone():
    env = pendulum()
    env.reset(seed=0)
    before = env.unwrapped.state.copy()
    rows = env.barrier.rows(before)[None]
    arena = Arena([env], RowFilter(env.action_space), clearance, np.random.default_rng(0), rows)
    LookAhead()(arena)
    np.testing.assert_array_equal(env.unwrapped.state, before)


def test_environments_without_rows_are_refused():
    with pytest.raises(MissingRowsError):
        attack_barrier(gym.make("Pendulum-v1"), clearance)


class Pickled(gym.Env, EzPickle):
    """Counts its steps, and pickles itself by its constructor's arguments, as MuJoCo's tasks do."""

    action_space = gym.spaces.Box(-1.0, 1.0, (1,))
    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,))

    def __init__(self):
        EzPickle.__init__(self)
        self.count = 0

    def step(self, action):
        self.count += 1
        return np.zeros(1, dtype=np.float32), 0.0, False, False, {}


@pytest.mark.parametrize("make", [Pickled, lambda: gym.wrappers.TimeLimit(Pickled(), 10)])
def test_copies_are_in_the_same_state_and_apart(make):
    env = make()
    env.unwrapped.count = 3
    twin = copy_environment(env, {})
    assert copy.deepcopy(env).unwrapped.count == 0  # why a copy of our own
    assert twin.unwrapped.count == 3
    twin.unwrapped.step(np.zeros(1))
    assert (twin.unwrapped.count, env.unwrapped.count) == (4, 3)
    assert type(twin) is type(env)


def test_what_is_shared_is_not_copied():
    env = pendulum()
    twin = copy_environment(env, {id(env.barrier): env.barrier})
    assert twin.barrier is env.barrier
    assert twin.unwrapped is not env.unwrapped
