"""Draw the picture of docs/make-your-environment-safe.md: one random and one trained pendulum, with and without rows.

python scripts/draw_pendulum.py --out docs/figures/pendulum.png
"""

from __future__ import annotations

import argparse
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch as th

from sb3_barriernet import BarrierPPO, ResetOptions
from sb3_barriernet.projection.row_filter import RowFilter

EXAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "pendulum.py"))
STEPS = 120
DT = EXAMPLE["DT"]

Policy = Callable[[Any], np.ndarray]


def angles(env: gym.Env, policy: Policy) -> np.ndarray:
    """Angle of the pole over one episode, rad."""
    observation, _ = env.reset(seed=4)
    trace = [env.unwrapped.state[0]]  # type: ignore[attr-defined]
    for _ in range(STEPS):
        observation, *_ = env.step(policy(observation))
        trace.append(env.unwrapped.state[0])  # type: ignore[attr-defined]
    return np.array(trace)


def noise(space: gym.Space) -> Policy:
    space.seed(1)
    return lambda observation: space.sample()


def filtered(policy: Policy, space: gym.spaces.Box) -> Policy:
    row_filter = RowFilter(space)
    return lambda obs: (
        row_filter(th.from_numpy(obs["barrier"][None]), th.from_numpy(policy(obs)[None])).action[0].numpy()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timesteps", type=int, default=20_000)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    unsafe = ResetOptions(gym.make("Pendulum-v1"), x_init=0.1, y_init=0.5)
    safe = EXAMPLE["make_safe"](ResetOptions(gym.make("Pendulum-v1"), x_init=0.1, y_init=0.5))
    model = BarrierPPO("MlpPolicy", safe, gamma=0.95, seed=0).learn(arguments.timesteps)
    traces = {
        "random torque": angles(unsafe, noise(unsafe.action_space)),
        "random torque, filtered": angles(safe, filtered(noise(safe.action_space), safe.action_space)),
        "BarrierPPO, trained": angles(safe, lambda obs: model.predict(obs, deterministic=True)[0]),
    }
    draw(traces, arguments.out)


def draw(traces: dict[str, np.ndarray], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    for (name, trace), colour in zip(traces.items(), ("#c44e52", "#dd8452", "#4c72b0"), strict=True):
        axes.plot(DT * np.arange(len(trace)), trace, color=colour, label=name)
    limit = EXAMPLE["LIMIT"]
    axes.axhspan(-limit, limit, color="#55a868", alpha=0.12, label="safe set")
    axes.set(xlabel="time [s]", ylabel="angle [rad]", ylim=(-0.6, 0.6), xlim=(0.0, DT * STEPS))
    axes.legend(loc="lower right", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
