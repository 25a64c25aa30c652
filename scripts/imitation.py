"""BarrierNet's three imitation tasks: train every network, measure, report.

    python scripts/imitation.py --out docs/results/imitation

Writes report.md, results.json and unseen_radii.png. Six minutes on one core; examples/imitation/ is what it runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch as th
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))

from examples.imitation.change_of_mind import both_gains_change, last_gain_changes
from examples.imitation.figure import plot_unseen_radii
from examples.imitation.merging import Merging
from examples.imitation.report import report_text
from examples.imitation.robot_2d import TRAINED_RADIUS, UNSEEN_RADII, Robot2D
from examples.imitation.robot_3d import Robot3D
from examples.imitation.study import Outcome, Study
from examples.imitation.task import ImitationTask
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.zoo.results_folder import write_json


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--demonstrations", type=int, default=100, help="drives that are shown, a task")
    parser.add_argument("--effort", type=float, default=1.0, help="share of the gradient steps that is taken")
    parser.add_argument("--test-starts", type=int, default=50, help="beside the published one")
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    return parser.parse_args()


def collect(study: Study, tasks: Sequence[ImitationTask], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The content of ``results.json``, but for where it comes from."""
    variance = {
        record["task"]: float(driven.actions[:, 0].var(axis=0).mean())
        for record, driven in outcomes
        if record["method"] == "expert" and record["radius"] in (None, TRAINED_RADIUS)
    }
    change_of_mind = [
        {
            "radius": radius,
            "last": last_gain_changes(radius),
            "both": both_gains_change(radius),
            "constant": both_gains_change(radius, careful=1.0),
        }
        for radius in (TRAINED_RADIUS, *UNSEEN_RADII)
    ]
    return {
        "study": asdict(study),
        "learning_steps": {task.name: task.learning_steps for task in tasks},
        "records": [outcome.record for outcome in outcomes],
        "expert_variance": variance,
        "change_of_mind": change_of_mind,
    }


def main() -> None:
    args = parse_arguments()
    th.set_num_threads(1)
    study = Study(tuple(args.seeds), args.demonstrations, args.effort, args.test_starts)
    tasks = (Robot2D(), Robot3D(), Merging())
    begin = time.perf_counter()
    outcomes = [outcome for task in tasks for outcome in tqdm(study.run(task), desc=task.name)]
    duration = {"wall_s": time.perf_counter() - begin}
    results = collect(study, tasks, outcomes) | duration | provenance()
    write_json(args.out / "results.json", results)
    plot_unseen_radii(outcomes, study.seeds[0], args.out / "unseen_radii.png")
    (args.out / "report.md").write_text(report_text(results), encoding="utf-8")
    print(f"Wrote {args.out / 'report.md'}")


if __name__ == "__main__":
    main()
