"""Records -> figures and the decision report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sb3_barriernet.evaluation.learning_curve import LearningCurve
from sb3_barriernet.report.figures import plot_learning_curves, plot_trajectories
from sb3_barriernet.report.markdown import report_text
from sb3_barriernet.report.trajectories import Trajectory, save_animation

__all__ = ["write_report"]


def write_report(
    folder: Path,
    results: dict[str, Any],
    curves: Mapping[str, Sequence[LearningCurve]],
    trajectories: Mapping[str, Trajectory],
    *,
    fps: int = 20,
) -> Path:
    """Write ``report.md``, its figures and an animation.

    :param folder: existing output folder
    :param results: content of ``results.json``
    :param curves: learning curves of all seeds by algorithm; not drawn if ``Monitor`` logged no success, or too few
        episodes
    :param trajectories: the same episode by method; empty for environments without a drawing
    :param fps: frames per second of the environment
    :return: path of the report
    """
    figures = {}
    if any(len(curve.steps) for of_seeds in curves.values() for curve in of_seeds):
        figures["Learning curves"] = folder / "learning_curves.png"
        plot_learning_curves(curves, figures["Learning curves"])
    if trajectories:
        figures["The same episode under every method"] = folder / "trajectories.png"
        plot_trajectories(trajectories, folder / "trajectories.png")
        first = next(iter(trajectories.values()))
        if first.frames:
            figures["One episode"] = folder / "episode.gif"
            save_animation(first.frames, folder / "episode.gif", fps=fps)
    report = folder / "report.md"
    report.write_text(report_text(results, figures))
    return report
