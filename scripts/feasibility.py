"""Do an environment's rows leave an action, which of them quarrel, and what does each forbid?

    python scripts/feasibility.py --env PursuitEvasionClutter-v0 \
        --wrapper sb3_barriernet.envs.PursuitEvasionBarrier --axes 0 1 --out feasibility.png

Modules of the working directory can be named too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import gymnasium as gym

import sb3_barriernet  # noqa: F401  (registers the tasks)
from sb3_barriernet.evaluation.feasibility import diagnose_env
from sb3_barriernet.report.feasibility_map import draw_feasibility_map


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", required=True, help="environment id")
    parser.add_argument("--env-kwargs", type=json.loads, default={}, help="its keywords, as JSON")
    parser.add_argument("--wrapper", help="package.module.Name of what publishes the rows, if the id does not")
    parser.add_argument("--wrapper-kwargs", type=json.loads, default={}, help="its keywords, as JSON")
    parser.add_argument("--steps", type=int, default=2000, help="states to examine")
    parser.add_argument("--axes", type=int, nargs=2, default=(0, 1), help="two coordinates of the state to draw")
    parser.add_argument("--labels", nargs=2, help="what they are, with their units")
    parser.add_argument("--names", nargs="+", help="what the rows are called, in their order")
    parser.add_argument("--out", type=Path, help="picture to write")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def make_env(arguments: argparse.Namespace) -> gym.Env:
    env = gym.make(arguments.env, **arguments.env_kwargs)
    if not arguments.wrapper:
        return env
    module, name = arguments.wrapper.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)(env, **arguments.wrapper_kwargs)


def main() -> None:
    arguments = parse_arguments()
    sys.path.insert(0, "")
    report = diagnose_env(make_env(arguments), arguments.steps, names=arguments.names, seed=arguments.seed)
    print(report)
    if arguments.out:
        first, second = arguments.axes
        labels = arguments.labels or (f"state {first}", f"state {second}")
        draw_feasibility_map(report, (first, second), arguments.out, tuple(labels))
        print(f"Wrote {arguments.out}")


if __name__ == "__main__":
    main()
