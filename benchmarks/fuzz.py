"""Malformed inputs at every door of the package, and how many of them pass in silence.

    python benchmarks/fuzz.py --scale 1.0 --out benchmarks/results/fuzz.json

Every input is malformed by construction. It passes in silence unless it is refused by an exception, or flagged by its
status; a flagged action has to be finite, and its neighbours in the batch have to keep their bits.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
import yaml
from gymnasium import spaces

from sb3_barriernet import BarrierPPO, FilteredEnv, PursuitEvasionBarrier, SafetyFilter, Status, project
from sb3_barriernet.errors import BarrierNetError, UnsafeActionWarning
from sb3_barriernet.projection.filter_info import STATUS
from sb3_barriernet.rows import BARRIER_KEY, RowsSpace, check_spaces
from sb3_barriernet.zoo.study import read_study

Rng = np.random.Generator
Door = Callable[[Rng, int], Sequence[bool]]
"""Given how many malformed inputs to try, whether each of them was refused or flagged."""

POISON = np.array([np.nan, np.inf, -np.inf])
BATCH = 500
STUDY = {
    "seeds": [0],
    "eval_episodes": 2,
    "environments": {"PursuitEvasion-v0": {"timesteps": 2048, "gym_packages": [], "eval_episodes": 3}},
    "methods": {"ours": {"algo": "barrierppo", "params": {"gamma": 0.9}, "distill": 10, "deploy": {}, "filter": False}},
}


def projection(rng: Rng, n: int) -> list[bool]:
    """NaN or infinity in one number of a nominal action, a row or a right-hand side, every other sample."""
    good: list[bool] = []
    while len(good) < n:
        dim, rows = int(rng.integers(1, 6)), int(rng.integers(1, 14))
        parts = [rng.normal(size=(2 * BATCH, *shape)) for shape in ((dim,), (rows, dim), (rows,))]
        box = -np.ones(dim), np.ones(dim)
        before = project(*map(th.as_tensor, parts), *map(th.as_tensor, box))
        bad = np.arange(0, 2 * BATCH, 2)
        for i in bad:
            _poison(parts[rng.integers(3)][i], rng)
        after = project(*map(th.as_tensor, parts), *map(th.as_tensor, box))
        flagged = (after.status == Status.INVALID) & th.isfinite(after.action).all(1)
        neighbours = (after.action == before.action).all(1) & (after.status == before.status)
        good += (flagged[bad] & neighbours[bad + 1]).tolist()
    return good


def predict(rng: Rng, n: int) -> list[bool]:
    """NaN or infinity in one number of an observation or its rows, every other sample."""
    model, observation = _agent(2 * BATCH)
    good: list[bool] = []
    while len(good) < n:
        spoiled = {key: value.copy() for key, value in observation.items()}
        bad = np.arange(0, 2 * BATCH, 2)
        for i in bad:
            _poison(spoiled[[*spoiled][rng.integers(2)]][i], rng)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            action, _ = model.predict(spoiled, deterministic=True)
        told = any(issubclass(warning.category, UnsafeActionWarning) for warning in caught)
        assert model.policy.projection is not None
        flagged = (model.policy.projection.status == Status.INVALID).numpy() & np.isfinite(action).all(1)
        good += (flagged[bad] & told).tolist()
    return good


def observations(rng: Rng, n: int) -> list[bool]:
    """Rows and observations of a wrong shape, type or key."""
    model, observation = _agent(2)
    agents = [model, SafetyFilter(model)]
    return [_refused(agents[rng.integers(2)].predict, _misshapen(observation, rng)) for _ in range(n)]


def _misshapen(observation: dict[str, np.ndarray], rng: Rng) -> dict[str, Any]:
    rows, seen = observation[BARRIER_KEY], observation["observation"]
    shape = tuple(size + int(change) for size, change in zip(rows.shape[1:], rng.integers(1, 4, 2), strict=True))
    choices: list[dict[str, Any]] = [
        {BARRIER_KEY: rng.normal(size=(2, *shape))},
        {BARRIER_KEY: rng.normal(size=(2, rows.shape[1], shape[1]))},
        {BARRIER_KEY: rows[:, : int(rng.integers(0, rows.shape[1]))]},
        {BARRIER_KEY: rows.reshape(2, -1)},
        {BARRIER_KEY: rows.swapaxes(1, 2)},
        {BARRIER_KEY: rows.astype(rng.choice([np.float32, np.float16, np.int64, np.complex128]))},
        {BARRIER_KEY: rows.astype(str)},
        {BARRIER_KEY: rows[:1]},
        {BARRIER_KEY: None},
        {"observation": seen[:, : int(rng.integers(0, seen.shape[1]))]},
        {"observation": np.tile(seen, int(rng.integers(2, 4)))},
    ]
    changed = {**observation, **choices[rng.integers(len(choices))]}
    if rng.random() < 0.1:
        del changed[[*changed][rng.integers(2)]]
    return changed


class _Malformed:
    """A barrier that returns malformed rows from its second call on."""

    action_dim, num_rows = 2, 5

    def __init__(self, rng: Rng):
        self.rng, self.calls = rng, 0

    def rows(self, *state: Any) -> Any:
        self.calls += 1
        rows = np.zeros((self.num_rows, self.action_dim + 2))
        rows[:, self.action_dim] = 1.0
        if self.calls == 1:
            return rows
        kind = self.rng.integers(4)
        if kind == 0:
            _poison(rows, self.rng)
            return rows
        if kind == 1:
            return rows[: int(self.rng.integers(0, self.num_rows))]
        return rows[None] if kind == 2 else np.pad(rows, ((0, 0), (0, int(self.rng.integers(1, 3)))))

    def start_values(self, *state: Any) -> np.ndarray:
        return np.ones(1)


def environments(rng: Rng, n: int) -> list[bool]:
    """Rows that become malformed in mid-episode."""
    env = PursuitEvasionBarrier(gym.make("PursuitEvasion-v0", disable_env_checker=True))
    env.barrier = _Malformed(rng)
    env.observation_space = spaces.Dict(
        {**env.observation_space.spaces, BARRIER_KEY: RowsSpace(env.barrier.num_rows, env.action_space)}
    )
    env.reset(seed=0)
    return [_refused(env.step, env.action_space.sample()) for _ in range(n)]


def actions(rng: Rng, n: int) -> list[bool]:
    """Actions that are no numbers, or too many, in an environment with and without a filter."""
    bare = gym.make("PursuitEvasion-v0", disable_env_checker=True)
    filtered = FilteredEnv(PursuitEvasionBarrier(gym.make("PursuitEvasion-v0", disable_env_checker=True)))
    for env in (bare, filtered):
        env.reset(seed=0)
    good = []
    for i in range(n):
        action = rng.normal(size=2).astype(np.float32)
        _poison(action, rng)
        wrong = rng.normal(size=(int(rng.choice([0, 1, 3, 4])),)).astype(np.float32)
        if i % 3 == 0:
            good.append(_refused(bare.step, action))
        elif i % 3 == 1:
            good.append(_refused([bare, filtered][rng.integers(2)].step, wrong))
        else:
            *_, ended, truncated, info = filtered.step(action)
            good.append(info[STATUS] == Status.INVALID and bool(np.isfinite(info["safe_action"]).all()))
            if ended or truncated:
                filtered.reset()
    return good


def row_spaces(rng: Rng, n: int) -> list[bool]:
    """Spaces that no filter can work with."""
    return [_refused(check_spaces, *_bad_spaces(rng)) for _ in range(n)]


def _bad_spaces(rng: Rng) -> tuple[spaces.Space, spaces.Space]:
    dim, rows = int(rng.integers(1, 5)), int(rng.integers(1, 9))
    box = spaces.Box(-1.0, 1.0, (dim,))
    task = {"observation": spaces.Box(-1.0, 1.0, (3,))}
    wide = dim + 2 + int(rng.choice([-2, -1, 1, 2, 3]))
    high = np.ones(dim, dtype=np.float32)
    high[rng.integers(dim)] = rng.choice([np.inf, -1.0])
    choices: list[tuple[spaces.Space, spaces.Space]] = [
        (spaces.Dict(task), box),
        (task["observation"], box),
        (spaces.Dict({**task, BARRIER_KEY: spaces.Box(-np.inf, np.inf, (rows, wide), dtype=np.float64)}), box),
        (spaces.Dict({**task, BARRIER_KEY: spaces.Box(-np.inf, np.inf, (rows, dim + 2), dtype=np.float32)}), box),
        (spaces.Dict({**task, BARRIER_KEY: spaces.Box(-np.inf, np.inf, (rows * (dim + 2),), dtype=np.float64)}), box),
        (spaces.Dict({**task, BARRIER_KEY: RowsSpace(rows, spaces.Box(-2.0, 1.0, (dim,)))}), box),
        (spaces.Dict({**task, BARRIER_KEY: RowsSpace(rows, box)}), spaces.Box(-np.ones(dim, dtype=np.float32), high)),
        (spaces.Dict({**task, BARRIER_KEY: RowsSpace(rows, box)}), spaces.Discrete(dim)),
        (spaces.Dict({**task, BARRIER_KEY: RowsSpace(rows, box)}), spaces.Box(-1.0, 1.0, (dim, 2))),
    ]
    return choices[rng.integers(len(choices))]


def keywords(rng: Rng, n: int) -> list[bool]:
    """Settings that cannot work, as they come from a YAML block."""
    env = PursuitEvasionBarrier(gym.make("PursuitEvasion-v0", disable_env_checker=True))
    bad_numbers = [-1.0, np.nan, -np.inf, "much", "lin_", "ramp_x", "lin_-1", [1.0], {}]
    choices: dict[str, list[Any]] = {
        "action_std": [0.0, -1.0, np.nan, np.inf, [0.1], [0.1, 0.2, 0.3], [[0.1, 0.1]], [0.1, -0.1]],
        "row_encoding": ["list", 3, ""],
        "projection_weight": [[1.0], [1.0, 0.0], [1.0, np.nan], [[1.0, 2.0], [2.0, 1.0]], 1.0],
        "projection_backend": ["active-set", "qp", ""],
        "backup_action": [[2.0, 0.0], [0.0], [np.nan, 0.0], [0.0, 0.0, 0.0]],
        "correction_coef": bad_numbers,
        "correction_loss_coef": bad_numbers,
        "correction_cost": ["cubic", "", 2],
        "gain_range": [(1.0, 0.5), (0.0, 1.0), (0.1, np.inf), (np.nan, 1.0), 1.0, (0.1, 1.0, 2.0), (0.1, 1e6)],
        "gain_std": [0.0, -1.0, np.nan, [0.1, 0.2]],
        "gain_groups": [[0], [0, 2], [-1] * 12, "ab"],
        "use_sde": [True],
    }

    def attempt() -> bool:
        name = rng.choice([*choices])
        value = choices[name][rng.integers(len(choices[name]))]
        gains = dict(learn_gains=name.startswith("gain_"))
        return _refused(
            BarrierPPO, "MlpPolicy", env, policy_kwargs=dict(net_arch=[4]), n_steps=8, batch_size=8, device="cpu",
            **gains, **{name: value},
        )  # fmt: skip

    return [attempt() for _ in range(n)]


def studies(rng: Rng, n: int) -> list[bool]:
    """YAML files of studies in which one value has a wrong kind, or a name is misspelt."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yml"

        def attempt() -> bool:
            path.write_text(_bad_study(rng))
            return _refused(read_study, path)

        return [attempt() for _ in range(n)]


def _bad_study(rng: Rng) -> str:
    study = json.loads(json.dumps(STUDY))
    if rng.random() < 0.1:
        text = yaml.safe_dump(study)
        return text[: int(rng.integers(1, text.index("methods:")))]  # cut off
    parent, keys = study, []
    while isinstance(parent, dict) and parent and (not keys or rng.random() < 0.7) and "gamma" not in parent:
        keys.append(rng.choice([*parent]))
        node, parent = parent, parent[keys[-1]]
    key = keys[-1]
    if rng.random() < 0.3 and node is not study["methods"]:  # methods may have any name
        node[key + "s_"] = node.pop(key)
    else:
        wrong = [-1, 1.5, "text", [{}], {"unknown": 1}, [[]]]
        node[key] = next(value for value in rng.permutation(np.array(wrong, dtype=object)) if not _fits(key, value))
    return yaml.safe_dump(study)


def _fits(key: str, value: Any) -> bool:
    """Whether a value would be a right one, after all."""
    return isinstance(value, dict) and key in {"params", "deploy"}


def checkpoints(rng: Rng, n: int) -> list[bool]:
    """Files of models that were cut off, or in which a stretch of what was saved has other bytes."""
    model, _ = _agent(1)
    file = io.BytesIO()
    model.save(file)
    whole = file.getvalue()

    def attempt() -> bool:
        content = bytearray(whole)
        if rng.random() < 0.5:
            del content[int(rng.integers(0, len(whole))) :]
        else:
            place = int(rng.integers(0, len(whole) - 64))
            content[place : place + 64] = rng.bytes(64)
        return _refused(BarrierPPO.load, io.BytesIO(content), device="cpu")

    return [attempt() for _ in range(n)]


DOORS: dict[Door, int] = {
    projection: 60_000,
    predict: 30_000,
    observations: 3_000,
    environments: 10_000,
    actions: 6_000,
    row_spaces: 5_000,
    keywords: 300,
    studies: 500,
    checkpoints: 2_000,
}
"""How many inputs are tried at each door."""


def _poison(values: np.ndarray, rng: Rng) -> None:
    values.reshape(-1)[rng.integers(values.size)] = POISON[rng.integers(3)]


def _refused(function: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    try:
        function(*args, **kwargs)
    except Exception as error:  # any refusal counts; which ones had advice is counted, too
        REASONS[type(error).__name__] = REASONS.get(type(error).__name__, 0) + 1
        if isinstance(error, BarrierNetError):
            REASONS["with advice"] = REASONS.get("with advice", 0) + 1
        return True
    return False


REASONS: dict[str, int] = {}
"""How often each kind of exception refused something."""


def _agent(batch: int) -> tuple[BarrierPPO, dict[str, np.ndarray]]:
    """A small policy, and a batch of observations that are as they should be."""
    env = PursuitEvasionBarrier(gym.make("PursuitEvasion-v0", disable_env_checker=True))
    model = BarrierPPO("MlpPolicy", env, policy_kwargs=dict(net_arch=[8]), seed=0, device="cpu")
    observation, _ = env.reset(seed=0)
    return model, {key: np.repeat(value[None], batch, axis=0) for key, value in observation.items()}


def measure(seed: int, scale: float) -> dict[str, Any]:
    doors = {}
    for door, count in DOORS.items():
        REASONS.clear()
        start = time.process_time()
        good = door(np.random.default_rng(seed), max(int(scale * count), 10))
        doors[door.__name__] = {
            "what": (door.__doc__ or "").rstrip("."),
            "malformed": len(good),
            "silent": len(good) - sum(good),
            "refused_by": dict(REASONS),
            "cpu_s": round(time.process_time() - start, 2),
        }
        print(door.__name__, doors[door.__name__], flush=True)
    return {
        "malformed": sum(entry["malformed"] for entry in doors.values()),
        "silent": sum(entry["silent"] for entry in doors.values()),
        "doors": doors,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the inputs to try at each door")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    th.set_num_threads(1)
    result = {
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}, torch {th.__version__}, 1 thread",
        **measure(args.seed, args.scale),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
