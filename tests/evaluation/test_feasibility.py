"""The doctor's findings on row sets whose trouble is known."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from sb3_barriernet.errors import MissingRowsError
from sb3_barriernet.evaluation.feasibility import diagnose, diagnose_env
from sb3_barriernet.rows import padding_rows
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
