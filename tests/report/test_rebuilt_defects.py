"""The rebuilt defects are defects, and those that they are said to be."""

import importlib.util
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierPPO, PursuitEvasionBarrier
from sb3_barriernet.envs.pursuit_settings import PursuitSettings
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.systems.unicycle import Unicycle
from studies.ablations import (
    SEPARATION,
    ClampedPolicy,
    LearnableStdPolicy,
    RobotRow,
    WithoutMargin,
    WithRobotRow,
)

RNG = np.random.default_rng(0)
BOX = spaces.Box(np.array([0.0, -2.84], dtype=np.float32), np.array([1.0, 2.84], dtype=np.float32))
POSE = np.array([0.5, -0.3, 2.0])
ROOT = Path(__file__).parents[2]


def test_the_solver_is_right_until_an_unused_row_is_added():
    pytest.importorskip("qpth")
    rows = th.as_tensor(RNG.normal(size=(64, 6, 4)))
    rows[..., 2], rows[..., 3] = 0.0, 0.5 + rows[..., 3].abs()  # zero is safe everywhere
    nominal = th.as_tensor(RNG.uniform(BOX.low, BOX.high, size=(64, 2)), dtype=th.float32)
    exact = RowFilter(BOX)(rows, nominal).action
    errors = {
        name: (RowFilter(BOX, backend=name)(rows, nominal).action - exact).norm(dim=1)
        for name in ("unpadded", "padded_1", "padded_1e6")
    }
    assert errors["unpadded"].max() < 1e-3
    assert (errors["padded_1"] > 1e-2).any()
    assert (errors["padded_1e6"] > 1e-2).any()


def model(policy) -> BarrierPPO:
    env = make_vec_env("PursuitEvasion-v0", 4, seed=0, wrapper_class=PursuitEvasionBarrier)
    return BarrierPPO(policy, env, n_steps=64, batch_size=64, n_epochs=2, action_std=[2.0, 4.0], seed=0, device="cpu")


def test_clamped_samples_are_weighed_as_if_they_had_been_proposed():
    algorithm = model(ClampedPolicy)
    observation, _ = algorithm.policy.obs_to_tensor(algorithm.get_env().reset())
    decisions, _, log_prob = algorithm.policy(observation)
    assert ((decisions == th.as_tensor(BOX.low)) | (decisions == th.as_tensor(BOX.high))).any()
    assert BOX.contains(decisions.detach().numpy().min(axis=0))
    _, again, _ = algorithm.policy.evaluate_actions(observation, decisions)
    assert th.allclose(log_prob, again)


@pytest.mark.parametrize(("policy", "learns"), [("MlpPolicy", False), (LearnableStdPolicy, True)])
def test_only_the_defect_learns_its_std(policy, learns):
    algorithm = model(policy)
    before = algorithm.policy.action_std.detach().clone()
    algorithm.learn(256)
    assert th.equal(algorithm.policy.action_std, before) != learns


@pytest.mark.parametrize("evader_speed", [0.0, 1.0])
def test_the_robot_row_is_the_rate_of_its_barrier_when_the_evader_comes_straight_at_it(evader_speed):
    row = RobotRow(Unicycle(), 1.0, evader_speed)
    evader, action, dt = np.array([2.0, 1.0, -0.4]), np.array([0.7, -1.3]), 1e-6
    gap = row.unicycle.virtual_point(POSE) - row.unicycle.virtual_point(evader)
    moved = evader.copy()
    moved[:2] += dt * evader_speed * gap / np.linalg.norm(gap)

    def h(pose, other):
        apart = row.unicycle.virtual_point(pose) - row.unicycle.virtual_point(other)
        return apart @ apart - SEPARATION**2

    rate = (h(Unicycle(dt=dt).step(POSE, action), moved) - h(POSE, evader)) / dt
    (a_v, a_omega, drift, restoring) = row.rows(POSE, evader)[0]
    assert a_v * action[0] + a_omega * action[1] + drift == pytest.approx(rate, abs=1e-4)
    assert restoring == pytest.approx(h(POSE, evader))


def test_at_worst_case_speed_no_action_may_come_nearer_than_two_metres():
    straight = np.array([0.0, 0.0, 0.0])
    for distance, permitted in ((2.0, False), (2.2, True)):
        evader = np.array([distance + 0.1, 0.0, np.pi / 2])  # its virtual point is beside it
        evader[1] -= 0.1
        a_v, _, drift, restoring = RobotRow(Unicycle(), 1.0, 1.0).rows(straight, evader)[0]
        assert (a_v * 0.0 + drift + restoring >= 0.0) == permitted


def test_the_stacked_rows_are_those_of_the_task_and_one():
    env, own = (kind(gym.make("PursuitEvasion-v0"), alpha=1.0) for kind in (WithRobotRow, PursuitEvasionBarrier))
    rows, reference = env.reset(seed=3)[0]["barrier"], own.reset(seed=3)[0]["barrier"]
    assert len(rows) == len(reference) + 1
    assert (rows[:-1] == reference).all()


def test_without_a_margin_turning_costs_nothing_and_obstacles_are_narrower():
    env, own = (kind(gym.make("PursuitEvasion-v0")) for kind in (WithoutMargin, PursuitEvasionBarrier))
    rows, reference = env.reset(seed=3)[0]["barrier"], own.reset(seed=3)[0]["barrier"]
    assert (rows[0::2] == rows[1::2]).all()
    assert rows[:, 1] == pytest.approx(np.repeat((reference[0::2, 1] + reference[1::2, 1]) / 2.0, 2))
    assert (rows[:8, 3] == reference[:8, 3]).all()  # walls are where they were
    assert (rows[8:, 3] > reference[8:, 3]).all()


def script():
    spec = importlib.util.spec_from_file_location("ablations_script", ROOT / "scripts" / "ablations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_earlier_metric_calls_a_robot_that_faces_a_wall_a_violation():
    metric, settings = script().earlier_metric, PursuitSettings()
    far = np.array([[0.0, 0.0, 0.0]])
    nothing = np.array([[[5.0, -5.0, 0.3]]])

    def judged(pursuer, evader=far, swapped=True):
        return bool(metric(np.array([pursuer]), evader, nothing, settings, swapped)[0])

    assert judged([9.2, 3.0, 0.0])  # 0.65 m of clearance, facing the wall
    assert not judged([9.2, 3.0, 0.0], swapped=False)
    assert not judged([9.2, 3.0, np.pi])  # facing away
    assert judged([9.8, 3.0, 0.0], swapped=False)  # touching it, nearly
    assert judged([5.0, -4.7, -np.pi / 2], swapped=False)  # its point in an obstacle
    assert judged([2.0, 0.0, np.pi])  # two metres from the evader, face to face
    assert not judged([2.0, 0.0, np.pi], swapped=False)
