"""The feasibility doctor's findings as a picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sb3_barriernet.evaluation.feasibility import FeasibilityReport

BINS = 24


def draw_feasibility_map(report: FeasibilityReport, axes: tuple[int, int], path: Path, labels: tuple[str, str]) -> None:
    """Heat maps over two state coordinates: share of actions forbidden, share of states infeasible.

    :param report: with states
    :param axes: indices of the two coordinates
    :param path: of the PNG to write
    :param labels: of the two coordinates, with their units
    """
    x, y = (report.states[:, axis] for axis in axes)
    figure, panels = plt.subplots(1, 2, figsize=(10.0, 4.2), layout="constrained", sharex=True, sharey=True)
    titles = ("actions forbidden", "states infeasible")
    for panel, values, title in zip(panels, (report.forbidden_together, report.infeasible), titles, strict=True):
        total, x_edges, y_edges = np.histogram2d(x, y, bins=BINS, weights=values.astype(float))
        count, *_ = np.histogram2d(x, y, bins=BINS)
        share = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        image = panel.pcolormesh(x_edges, y_edges, share.T, vmin=0.0, vmax=1.0, cmap="magma_r")
        panel.set(title=title, xlabel=labels[0])
    panels[0].set_ylabel(labels[1])
    figure.colorbar(image, ax=panels, label="share")
    figure.savefig(path, dpi=150)
    plt.close(figure)
