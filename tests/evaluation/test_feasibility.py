"""The doctor's findings on row sets whose trouble is known."""

import json
import runpy
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sb3_barriernet.envs.robot_row import RobotRow
from sb3_barriernet.errors import MissingRowsError
from sb3_barriernet.evaluation.feasibility import diagnose, diagnose_env
from sb3_barriernet.rows import padding_rows, split_rows
from tests.toys import DriftingPoint, limited_point

BOX = spaces.Box(-1.0, 1.0, (2,), np.float32)


def test_conflicts_name_the_rows_that_quarrel_and_no_others():
    rows = np.stack([padding_rows(4, 2)] * 3)
    rows[:, 0] = [0.0, 1.0, 0.5, 0.0]  # harmless
    rows[1, 1], rows[1, 3] = [1.0, 0.0, -0.6, 0.0], [-1.0, 0.0, 0.4, 0.0]  # u0 >= 0.6 and u0 <= 0.4
    rows[2, 2] = [1.0, 1.0, -2.5, 0.0]  # beyond the box by itself
    report = diagnose(rows, BOX, names=["floor", "push", "far", "pull"])
    np.testing.assert_array_equal(report.infeasible, [False, True, True])
    assert report.conflicts == {(1, 3): 1, (2,): 1}
    assert "conflict of push and pull: 1 states" in str(report)


def test_shares_are_the_volumes_of_the_forbidden_parts():
    rows = np.array([[[0.0, 1.0, 0.5, 0.0], [1.0, 0.0, 0.0, 0.5]]])  # u1 >= -0.5, u0 >= -0.5
    report = diagnose(rows, BOX)
    np.testing.assert_allclose(report.forbidden, 0.25, atol=0.08)
    np.testing.assert_allclose(report.forbidden_together, 1.0 - 0.75**2, atol=0.08)


def test_a_row_between_the_robots_forbids_the_capture():
    """What the doctor is for: near the evader, a row against its worst-case speed leaves the pursuer nothing.

    Pursuer and evader on a line, both up to 1 m/s: ``u + 1 <= alpha (distance - 0.3)``, the pursuer cannot reverse.
    """
    distance = np.linspace(0.35, 4.0, 200)
    rows = np.zeros((200, 1, 3))
    rows[:, 0] = np.stack([-np.ones(200), -np.ones(200), 1.0 * (distance - 0.3)], axis=-1)
    report = diagnose(rows, spaces.Box(0.0, 1.0, (1,), np.float32), states=distance[:, None])
    near = distance < 1.3
    assert report.infeasible[near].all()
    assert not report.infeasible[~near].any()
    assert (report.forbidden_together[distance < 2.2] > 0.0).all()


def test_the_doctor_shows_in_the_game_itself_that_a_robot_row_forbids_the_capture():
    """Random play near the evader, as in section 7 of the tutorial; judged by where the evader was."""
    env = RobotRow(gym.make("PursuitEvasion-v0", initial_distance=(0.6, 3.5), max_steps=20))
    report = diagnose_env(env, steps=4000, names=["robot row"])
    assert set(report.conflicts) == {(0,)}
    assert "conflict of robot row" in str(report)
    ahead, left = report.states.T
    distance, bearing = np.hypot(ahead, left), np.arctan2(left, ahead)
    in_front = np.abs(bearing) < np.pi / 4
    about_to_capture = in_front & (distance < 0.9)
    assert about_to_capture.sum() > 50
    assert report.infeasible[about_to_capture].all()
    assert not report.infeasible[(distance > 1.5) | (np.abs(bearing) > 0.75 * np.pi)].any()
    # Full speed ahead costs 1 m/s of distance and the evader may take another: 2 m of clearance pay for it.
    straight = np.abs(bearing) < 0.1
    A, c = split_rows(env.barrier.rows(report.states)[:, 0])
    allowed = A @ [1.0, 0.0] + c >= 0.0
    assert not allowed[straight & (distance < 2.4)].any()
    assert allowed[distance > 2.45].all()


def test_an_environment_is_examined_where_random_actions_lead():
    report = diagnose_env(limited_point(0.3), steps=300)
    assert report.infeasible_rate == 0.0
    np.testing.assert_allclose(report.forbidden[:, 1], 0.35, atol=0.1)
    assert report.states.shape == (300, 2)
    assert np.ptp(report.states, axis=0).min() > 0.2
    with pytest.raises(MissingRowsError):
        diagnose_env(DriftingPoint())


def test_the_command_line_draws(tmp_path, monkeypatch, capsys):
    script = Path(__file__).parents[2] / "scripts" / "feasibility.py"
    picture = tmp_path / "map.png"
    wrapper = "sb3_barriernet.envs.PursuitEvasionBarrier"
    arguments = ["--env", "PursuitEvasionClutter-v0", "--wrapper", wrapper, "--steps", "300", "--out", str(picture)]
    monkeypatch.setattr(sys, "argv", ["feasibility.py", *arguments])
    runpy.run_path(str(script), run_name="__main__")
    assert "300 states, 0 % infeasible" in capsys.readouterr().out
    assert picture.stat().st_size > 5000


def test_the_command_line_passes_keywords_names_and_labels_and_finds_what_lies_here(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text("from sb3_barriernet.envs.robot_row import RobotRow as Mine\n")
    monkeypatch.chdir(tmp_path)
    script = Path(__file__).parents[2] / "scripts" / "feasibility.py"
    game = json.dumps({"initial_distance": [0.6, 3.5], "max_steps": 20})
    arguments = ["--env", "PursuitEvasion-v0", "--env-kwargs", game, "--wrapper", "mine.Mine", "--steps", "1000"]
    arguments += ["--wrapper-kwargs", '{"alpha": 2.0}', "--names", "between us", "--labels", "ahead [m]", "left [m]"]
    monkeypatch.setattr(sys, "argv", ["feasibility.py", *arguments, "--out", "map.png"])
    runpy.run_path(str(script), run_name="__main__")
    assert "conflict of between us" in capsys.readouterr().out
    assert (tmp_path / "map.png").stat().st_size > 5000
