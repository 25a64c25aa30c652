"""Do an environment's rows leave an action, which of them quarrel, and what does each forbid?

    python scripts/feasibility.py --env PursuitEvasionClutter-v0 \
        --wrapper sb3_barriernet.envs.PursuitEvasionBarrier --axes 0 1 --out feasibility.png
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import gymnasium as gym

import sb3_barriernet  # noqa: F401  (registers the tasks)
from sb3_barriernet.evaluation.feasibility import diagnose_env
from sb3_barriernet.report.feasibility_map import draw_feasibility_map


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", required=True, help="environment id")
    parser.add_argument("--wrapper", help="package.module.Name of what publishes the rows, if the id does not")
    parser.add_argument("--steps", type=int, default=2000, help="states to examine")
    parser.add_argument("--axes", type=int, nargs=2, default=(0, 1), help="two coordinates of the state to draw")
    parser.add_argument("--out", type=Path, help="picture to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    env = gym.make(arguments.env)
    if arguments.wrapper:
        module, name = arguments.wrapper.rsplit(".", 1)
        env = getattr(importlib.import_module(module), name)(env)
    report = diagnose_env(env, arguments.steps, seed=arguments.seed)
    print(report)
    if arguments.out:
        first, second = arguments.axes
        draw_feasibility_map(report, (first, second), arguments.out, (f"state {first}", f"state {second}"))
        print(f"Wrote {arguments.out}")


if __name__ == "__main__":
    main()
