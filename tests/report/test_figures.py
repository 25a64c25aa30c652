"""Figures of a comparison: drawn where there is something to draw."""

import numpy as np

from sb3_barriernet.evaluation.learning_curve import LearningCurve
from sb3_barriernet.report import write_report

RESULTS = {
    "env": "Other-v0",
    "runs": [],
    "hide_rows": False,
    "eval_episodes": 1,
    "eval_seed": 0,
    "command": "python x",
    "machine": "a machine",
    "versions": {},
}


def curve(episodes: int) -> LearningCurve:
    share = np.linspace(0.0, 1.0, episodes)
    return LearningCurve(1000 * np.arange(episodes), share, share, share, np.zeros(episodes))


def test_learning_curves_are_drawn_from_those_seeds_that_have_one(tmp_path):
    report = write_report(tmp_path, RESULTS, {"barrierppo": [curve(80), curve(0)], "ppo": [curve(0)]}, {})
    assert "![Learning curves](learning_curves.png)" in report.read_text()
    assert (tmp_path / "learning_curves.png").stat().st_size > 10_000


def test_a_figure_without_a_curve_is_left_out(tmp_path):
    report = write_report(tmp_path, RESULTS, {"barrierppo": [curve(0)], "ppo": []}, {})
    assert "learning_curves" not in report.read_text()
    assert not (tmp_path / "learning_curves.png").exists()
