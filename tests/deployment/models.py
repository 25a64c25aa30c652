"""Models on spaces, files made of them, and observations that are hard to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import onnxruntime as ort
import torch as th
from gymnasium import spaces

from sb3_barriernet import BarrierPPO, project
from sb3_barriernet.projection import Projection
from sb3_barriernet.rows import BARRIER_KEY, RowsSpace, padding_rows, split_rows

SETTINGS: dict[str, Any] = dict(device="cpu", seed=0)


class Blank(gym.Env):
    """Spaces, and nothing in them."""

    def __init__(self, observation_space: spaces.Dict, action_space: spaces.Box):
        self.observation_space, self.action_space = observation_space, action_space


def blank(num_rows: int = 12, low: Any = (-1.0, -0.5), high: Any = (1.0, 2.0), **others: spaces.Space) -> Blank:
    """A box, ``num_rows`` rows and an observation of five numbers, or ``others``."""
    box = spaces.Box(np.float32(low), np.float32(high))
    task = others or {"observation": spaces.Box(-np.inf, np.inf, (5,), np.float32)}
    return Blank(spaces.Dict({**task, BARRIER_KEY: RowsSpace(num_rows, box, max_kappa=10.0)}), box)


def decisive(model: Any) -> Any:
    """The same model with a wide range of nominal actions, in the box and far beyond."""
    with th.no_grad():
        model.policy.action_net.weight.mul_(300.0)
    return model


def make_model(policy: str = "MlpPolicy", env: Blank | None = None, **settings: Any) -> BarrierPPO:
    return decisive(BarrierPPO(policy, env or blank(), n_steps=8, batch_size=8, **SETTINGS | settings))


def hard_observations(model: Any, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Easy, hard and contradicting rows, duplicates, padding and scales from 1e-6 to 1e6."""
    generator = np.random.default_rng(seed)
    space = model.observation_space
    observations = {
        key: np.stack([part.sample() for _ in range(count)])
        if isinstance(part, spaces.Discrete) or part.dtype == np.uint8
        else generator.normal(size=(count, *part.shape)).astype(part.dtype)
        for key, part in space.spaces.items()
    }
    rows = observations[BARRIER_KEY]
    num_rows, width = rows.shape[1:]
    rows[..., -2] += np.linspace(-0.5, 3.0, count)[:, None]
    rows[::3, num_rows // 2 :] = padding_rows(1, width - 2)
    rows[::5, 1] = rows[::5, 0]
    rows[::7] *= 10.0 ** generator.uniform(-6, 6, size=(len(rows[::7]), num_rows, 1))
    rows[::11, 0, :-2] = 0.0
    return observations


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options)


def run(file: ort.InferenceSession, observations: dict[str, np.ndarray], chunk: int = 500) -> dict[str, np.ndarray]:
    """Outputs by name; in chunks, because the slowest sample of a batch sets the pace."""
    names = [output.name for output in file.get_outputs()]
    count = len(observations[BARRIER_KEY])
    parts = [
        file.run(None, {key: value[start : start + chunk] for key, value in observations.items()})
        for start in range(0, count, chunk)
    ]
    return {name: np.concatenate(part) for name, part in zip(names, zip(*parts, strict=True), strict=True)}


def projected(model: Any, found: dict[str, np.ndarray], observations: dict[str, np.ndarray]) -> Projection:
    """What the compiled projection makes of the file's own nominal actions."""
    kappa = th.as_tensor(found["kappa"]) if "kappa" in found else 1.0
    A, c = split_rows(th.as_tensor(observations[BARRIER_KEY]), kappa)
    row_filter = getattr(model, "row_filter", None) or model.policy.row_filter
    return project(
        th.as_tensor(found["u_nom"]),
        A,
        c,
        row_filter.low,
        row_filter.high,
        weight=row_filter.weight,
        backup=row_filter.backup,
    )
