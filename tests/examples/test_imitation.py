"""The imitation tasks: experts are safe, whoever ends in the layer is safe, and gradients come through it."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch as th

from examples.imitation.change_of_mind import both_gains_change, last_gain_changes
from examples.imitation.learning import controller, demonstrate, imitate
from examples.imitation.measures import make_test, measure, open_loop_error
from examples.imitation.merging import Merging
from examples.imitation.networks import BarrierNetwork, PlainNetwork, PublishedNetwork, published_row
from examples.imitation.report import task_table
from examples.imitation.robot_2d import UNSEEN_RADII, Robot2D, Robot2DAsPublished
from examples.imitation.robot_3d import Robot3D
from examples.imitation.study import Study
from examples.imitation.task import drive
from sb3_barriernet import Status

ROOT = Path(__file__).parents[2]
TASKS = [Robot2D(), Robot3D(), Merging()]
ALL = [*TASKS, *map(Robot2D, UNSEEN_RADII)]
named = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
every = pytest.mark.parametrize("task", ALL, ids=lambda task: f"{task.name} {getattr(task, 'radius', '')}")


def some_starts(task, num=20):
    return np.concatenate([task.published_start[None], task.starts(num, np.random.default_rng(7))])


def untrained(task, seed, loudness=1.0):
    """A network whose last layers shout ``loudness`` times as loud as those of a new one."""
    th.manual_seed(seed)
    network = BarrierNetwork(task, some_starts(task))
    with th.no_grad():
        for branch in (network.nominal, network.gain):
            branch[-1].weight.mul_(loudness)
            branch[-1].bias.mul_(loudness)
    return network


def steps_of_the_equations(task, x, u):
    """The three simulators, written once more."""
    if isinstance(task, Robot2D):
        px, py, theta, v, d = x
        faster = min(max(v + 0.1 * u[1], 0.0), 5.0)
        return [px + 0.1 * v * np.cos(theta), py + 0.1 * v * np.sin(theta), theta + 0.1 * u[0], faster, d]
    if isinstance(task, Robot3D):
        return [*(x[:3] + 0.1 * x[3:]), *(x[3:] + 0.1 * u)]
    lead, v_lead, px, v = x
    return [lead + 0.1 * v_lead, v_lead + 0.1 * 0.25 * (30.0 - v_lead), px + 0.1 * v, v + 0.1 * u[0]]


def clearance_of_the_equations(task, x):
    if isinstance(task, Robot2D):
        return np.hypot(x[0] - 40.0, x[1] - 15.0) - task.radius
    if isinstance(task, Robot3D):
        return ((x[0] - 10.0) ** 4 + (x[1] - 10.0) ** 4 + (x[2] - 9.0) ** 4) ** 0.25 - 7.0
    return x[0] - x[2] - 1.8 * x[3]


@every
def test_starts_are_inside_the_safe_set(task):
    starts = task.starts(500, np.random.default_rng(0))
    assert task.barrier.start_values(starts).min() > 0.0


@every
def test_simulator_and_clearance_are_what_the_equations_say(task):
    states, actions = drive(task, task.expert, some_starts(task, 1))
    for t, b in itertools.product((0, 50, 100), (0, 1)):
        expected = steps_of_the_equations(task, states[t, b], actions[t, b])
        np.testing.assert_allclose(states[t + 1, b], expected, rtol=1e-12)
        expected = clearance_of_the_equations(task, states[t, b])
        assert task.clearance(states[t])[b] == pytest.approx(expected, abs=1e-12)


@every
def test_the_expert_is_safe_and_smooth_and_gets_past(task):
    states, actions = drive(task, task.expert, some_starts(task))
    assert task.clearance(states).min() >= 0.0
    assert (np.abs(np.diff(actions, axis=0)).max(axis=(0, 1)) < 0.15 * (task.high - task.low)).all()
    if isinstance(task, Robot2D):
        assert states[-1, :, 0].min() > 40.0 + task.radius
    elif isinstance(task, Robot3D):
        assert np.linalg.norm(states[-1, :, :3] - [16.0, 20.0, 21.0], axis=-1).max() < 2.0
    else:
        assert states[-1, :, 3].min() > 29.0


@named
def test_without_its_rows_the_expert_would_violate(task):
    wish = drive(task, lambda states, rows: task.intention(states), task.published_start[None])
    assert task.clearance(wish.states).min() < 0.0


@every
@pytest.mark.parametrize("loudness", [1.0, 100.0])
def test_a_network_that_has_learned_nothing_is_safe(task, loudness):
    for seed in range(3):
        network = untrained(task, seed, loudness)
        states, actions = drive(task, controller(network), some_starts(task))
        assert task.clearance(states).min() >= 0.0
        assert (np.abs(actions) <= np.maximum(task.high, -task.low)).all()
        visited = th.from_numpy(states[:-1].reshape(-1, states.shape[-1]))
        status = network.project(visited, th.from_numpy(task.rows(visited.numpy()))).status
        assert (status < Status.INFEASIBLE).all()


@every
def test_a_network_that_rams_with_new_gains_at_every_step_is_safe(task):
    """Full speed ahead at whatever is in the way."""
    rng = np.random.default_rng(3)
    network = untrained(task, 0)

    def ram(states, rows):
        u_nom = th.from_numpy(towards_the_obstacle(task, states))
        log_kappa = th.from_numpy(rng.uniform(-8.0, 8.0, size=(len(states), 1)))
        return network.layer(u_nom, th.from_numpy(rows), log_kappa).action.detach().numpy()

    clearance = task.clearance(drive(task, ram, some_starts(task)).states)
    assert 0.0 <= clearance.min() < 1.0


def towards_the_obstacle(task, x):
    if isinstance(task, Robot2D):
        way = [40.0, 15.0] - x[:, :2]
        wrapped = (np.arctan2(way[:, 1], way[:, 0]) - x[:, 2] + np.pi) % (2.0 * np.pi) - np.pi
        return np.stack([5.0 * wrapped, np.full(len(x), 2.5)], axis=-1)
    if isinstance(task, Robot3D):
        return 0.5 * ([10.0, 10.0, 9.0] - x[:, :3])
    return np.full((len(x), 1), 3.0)


@named
def test_gradients_reach_every_weight_through_the_projection(task):
    shown = demonstrate(task, some_starts(task))
    network = untrained(task, seed=0, loudness=30.0)
    states, actions, rows = (th.from_numpy(part) for part in (*shown, task.rows(shown.states)))
    assert (network.project(states, rows).status == Status.ACTIVE).float().mean() > 0.05
    (network(states, rows) - actions).square().mean().backward()
    assert all((weight.grad != 0.0).any() for weight in network.parameters())


def test_the_paper_s_row_is_the_second_derivative_along_the_flow():
    """Against finite differences of ``b`` under a held action, with both gains at zero, then one at a time."""
    task, rng = Robot2DAsPublished(8.0), np.random.default_rng(0)
    x, u = rng.uniform([20.0, 0.0, -3.0, 0.5, 0.0], [60.0, 30.0, 3.0, 4.0, 0.0], size=(50, 5)), rng.normal(size=(50, 2))

    def b(t):
        theta, v = x[:, 2] + t * u[:, 0] / 2.0, x[:, 3] + t * u[:, 1] / 2.0  # the midpoint rule, exact to t^3
        return (x[:, 0] + t * v * np.cos(theta) - 40.0) ** 2 + (x[:, 1] + t * v * np.sin(theta) - 15.0) ** 2 - 64.0

    h = 1e-3
    slope, curvature = (b(h) - b(-h)) / (2.0 * h), (b(h) - 2.0 * b(0.0) + b(-h)) / h**2
    p = rng.uniform(0.0, 4.0, size=(50, 2))
    A, c = published_row(th.from_numpy(task.rows(x)), th.from_numpy(p))
    found = ((A.numpy() @ u[..., None])[..., 0] + c.numpy())[:, 0]
    np.testing.assert_allclose(found, curvature + p.sum(axis=1) * slope + p.prod(axis=1) * b(0.0), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("radius", [6.0, 10.0])
def test_only_the_last_gain_may_change(radius):
    assert last_gain_changes(radius) > 0.0
    assert both_gains_change(radius) < -1.0
    assert both_gains_change(radius, careful=1.0) > -0.5


def test_sizes_are_alike():
    task = TASKS[0]
    sizes = []
    for kind in (BarrierNetwork, PlainNetwork, PublishedNetwork):
        network = kind(task, some_starts(task))
        sizes.append(sum(weight.numel() for weight in network.parameters()))
    assert max(sizes) < 1.01 * min(sizes)


def test_learning_approaches_the_expert_and_measures_say_so():
    task = Merging()
    shown = demonstrate(task, task.starts(20, np.random.default_rng(0)))
    test = make_test(task, task, num=5, seed=1)
    assert measure(test.expert, test)["mean_action_error"] == 0.0
    assert open_loop_error(task.expert, task, test.expert) == 0.0
    errors = []
    for steps in (0, 500):
        th.manual_seed(0)
        network = BarrierNetwork(task, shown.states)
        imitate(network, task, shown, steps=steps, seed=0)
        measures = measure(drive(task, controller(network), test.starts), test)
        assert measures["violating_drives"] == measures["broken_rows"] == 0.0
        assert measures["least_clearance"] >= 0.0
        errors.append(open_loop_error(controller(network), task, test.expert))
    assert errors[1] < 0.2 * errors[0]


def test_a_study_compares_all_methods_and_its_table_says_what_it_found():
    study = Study(seeds=(0,), demonstrations=10, effort=0.05, test_starts=3)
    records = [outcome.record for outcome in study.run(Merging())]
    assert [record["method"] for record in records] == ["expert", "layer", "plain", "filtered"]
    assert all(record["violating_drives"] == 0.0 for record in records if record["method"] != "plain")
    table = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in task_table("merging", records).splitlines()}
    assert table["barrier layer"][0].strip() == f"{records[1]['published_measure']:.4f}"
    assert table["plain network"][6].strip() == f"{records[2]['broken_rows']:,}"
    assert table["published BarrierNet"][0].strip() == "1.8081"


@pytest.mark.slow
def test_the_command_trains_measures_and_reports(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "imitation.py"), "--seeds", "0", "--demonstrations", "40"]
    command += ["--effort", "0.3", "--test-starts", "10", "--out", str(tmp_path)]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=900)
    records = json.loads((tmp_path / "results.json").read_text())["records"]
    assert len(records) == 5 * 5 + 2 * 4
    safe = [record for record in records if record["method"] in ("expert", "layer", "filtered")]
    assert all(record["least_clearance"] >= 0.0 and record["broken_rows"] == 0 for record in safe)
    plain = [record for record in records if record["method"] == "plain" and (record["radius"] or 0.0) > 8.0]
    assert all(record["least_clearance"] < 0.0 for record in plain)
    report = (tmp_path / "report.md").read_text()
    assert "| barrier layer | clearance [m] |" in report
    assert (tmp_path / "unseen_radii.png").stat().st_size > 10_000
