"""The margins of the MuJoCo examples: how much their rows promise too much, and what leaks without a margin.

    python benchmarks/example_margins.py

Seed 0 throughout; the numbers of docs/third-party-environments.md.
"""

import importlib
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch as th

from sb3_barriernet.evaluation.attacks import BangBang, Ramming, Uniform
from sb3_barriernet.evaluation.invariance import attack_barrier
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.rows import BARRIER_KEY

ROUND_OFF = 1e-6
STATES = 600
HELD = 10  # steps


def excess(example: ModuleType) -> np.ndarray:
    """At states of a run under held extremes: the most that the rows promise too much at a corner of the box."""
    env = example.make_safe(example.make_env())
    low, high = env.action_space.low.astype(np.float64), env.action_space.high.astype(np.float64)
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    row_filter, rng = RowFilter(env.action_space), np.random.default_rng(0)
    found, done = [], True
    for step in range(HELD * STATES):
        if done:
            observation, _ = env.reset(seed=0 if step == 0 else None)
        if step % HELD == 0:
            nominal = th.as_tensor(corners[rng.integers(len(corners))][None], dtype=th.float32)
            found.append(env.get_wrapper_attr("barrier").excess(*env.get_wrapper_attr("read_state")(), corners).max())
        action = row_filter(th.as_tensor(observation[BARRIER_KEY][None]), nominal).action[0].numpy()
        observation, _, terminated, truncated, _ = env.step(action)
        done = terminated or truncated
    return np.array(found)


def leaks(example: ModuleType, steps: int = 3_000) -> str:
    """What three attacks achieve when the margin covers round-off alone."""
    example.MARGIN = ROUND_OFF
    env = example.make_safe(example.make_env())
    report = attack_barrier(env, example.clearance, steps=steps, attacks=[Uniform, BangBang, Ramming])
    return f"{report.violations} violations in {3 * steps} steps, by at most {-report.worst.worst_clearance:.1g}"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    for name in ("reacher", "swimmer"):
        example = importlib.import_module(f"examples.{name}")
        beyond = excess(example)
        print(f"{name}: margin {example.MARGIN}; rows promise {np.median(beyond):.2g} too much (median of {STATES} "
              f"states), {beyond.max():.2g} at most")  # fmt: skip
        print(f"{name}: with a margin of {ROUND_OFF}, {leaks(example)}")
