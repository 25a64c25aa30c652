"""Train by the RL Zoo's command, distill, and say what is left when the filter is taken away.

    python scripts/distill.py --env PursuitEvasionClutter-v0 --seed 0 --timesteps 800000 --out results/distilled

Writes the student, ``student.zip``, and ``distillation.json``. A teacher that is finished is not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sb3_barriernet import BarrierPPO, distill
from sb3_barriernet.evaluation import TrainingRecorder
from sb3_barriernet.zoo.measurement import measure
from sb3_barriernet.zoo.results_folder import write_json
from sb3_barriernet.zoo.runs import ZooRun


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", required=True, help="environment id")
    parser.add_argument("--seed", type=int, default=0, help="seed of the teacher's training")
    parser.add_argument("--timesteps", type=int, default=800_000, help="practice of the student")
    parser.add_argument("--train-timesteps", type=int, help="training of the teacher (default: those of the YAML)")
    parser.add_argument("--margin", type=float, default=0.1, help="in half ranges of the action box")
    parser.add_argument("--eval-episodes", type=int, default=1000)
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    run = ZooRun("barrierppo", args.env, args.seed, args.out / "runs" / f"seed_{args.seed}", args.train_timesteps)
    run.train(progress=True)
    teacher = run.load()
    assert isinstance(teacher, BarrierPPO)
    student = distill(
        teacher,
        run.make_env(teacher.n_envs, args.seed),
        args.timesteps,
        margin=args.margin,
        callback=TrainingRecorder(),
        progress_bar=True,
    )
    student.save(args.out / "student.zip")
    results = {
        "teacher": measure(run, teacher, teacher, args.eval_episodes),
        # What it says of training is of the student's whole life: the teacher's, then its own practice.
        "student": measure(run, student, student, args.eval_episodes),
    }
    write_json(args.out / "distillation.json", results)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
