"""Kills a small training again and again, at random moments of rollout, update and save, and looks at what is left.

    python benchmarks/kills.py --kills 100 --out benchmarks/results/kills.json

After each SIGKILL the files must load, and a training resumed from a copy of the checkpoint must end with the
parameters, optimizer included, of one that was never interrupted. The killed training goes on from its own file and is
killed again, until it is done. Beside it, the same models are saved as SB3 saves them, in place.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from ctypes import c_char
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_barriernet import BarrierPPO, PursuitEvasionBarrier, ResumableTraining
from sb3_barriernet.envs import share_simulation
from sb3_barriernet.errors import CheckpointError

FORK = multiprocessing.get_context("fork")  # imports and compiled kernels are paid for once
PHASES = {b"r": "rollout", b"u": "update", b"s": "save"}
ROLLOUTS = 6
CHECKPOINT, MODEL, IN_PLACE = "training.zip", "model.zip", "in_place.zip"


MOMENT = FORK.Value(c_char, b"-", lock=False)
"""What the training process is doing, one of :data:`PHASES`; shared with the process that kills it."""


@contextlib.contextmanager
def doing(phase: bytes) -> Iterator[None]:
    before, MOMENT.value = MOMENT.value, phase
    yield
    MOMENT.value = before


class Watched(BarrierPPO):
    def train(self) -> None:
        with doing(b"u"):
            super().train()


class SaveModels(BaseCallback):
    """After every update the checkpoint, an ordinary model, and one as SB3 saves it."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        self.checkpoint = ResumableTraining(folder / CHECKPOINT, verbose=0)

    def _init_callback(self) -> None:
        self.checkpoint.init_callback(self.model)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        with doing(b"s"):
            self.checkpoint.on_rollout_start()
            self.model.save(self.folder / MODEL)
            PPO.save(self.model, self.folder / IN_PLACE)


def make_model() -> BarrierPPO:
    env = make_vec_env("PursuitEvasion-v0", 2, seed=0, wrapper_class=PursuitEvasionBarrier)
    env = VecNormalize(share_simulation(env), norm_obs=False)
    settings = dict(n_steps=16, batch_size=8, n_epochs=3, seed=0, device="cpu", policy_kwargs=dict(net_arch=[16]))
    return Watched("MlpPolicy", env, **settings)


def train(folder: Path) -> None:
    """What is killed: a training that goes on from its file, and leaves its numbers when it is done."""
    model = make_model()
    with doing(b"r"):
        model.learn(ROLLOUTS * model.n_steps * model.n_envs, SaveModels(folder))
    th.save(numbers(model), folder / "numbers.pt")


def numbers(model: BarrierPPO) -> dict[str, th.Tensor]:
    """All parameters and the whole optimizer, as tensors by name."""
    optimizer = model.policy.optimizer.state_dict()["state"]
    moments = {f"{index} {name}": value for index, state in optimizer.items() for name, value in state.items()}
    return {**model.policy.state_dict(), **moments}


def begin(folder: Path) -> Any:
    MOMENT.value = b"-"
    process = FORK.Process(target=train, args=(folder,))
    process.start()
    return process


def finished(folder: Path) -> dict[str, th.Tensor]:
    """Numbers of a training that nobody disturbs."""
    process = begin(folder)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"A training in {folder} ended with exit code {process.exitcode}.")
    return th.load(folder / "numbers.pt", weights_only=True)


def kill_in(wanted: bytes, process: Any, rng: np.random.Generator) -> str | None:
    """Kill a training in the wanted phase, or a little later, of any of its rollouts; None if it was done before."""
    while process.is_alive() and MOMENT.value == b"-":
        time.sleep(1e-3)
    time.sleep(rng.uniform(0.0, 0.4))
    while process.is_alive() and MOMENT.value != wanted:
        time.sleep(1e-4)
    time.sleep(rng.uniform(0.0, 0.02))
    moment = MOMENT.value
    process.kill()
    process.join()
    return PHASES.get(moment) if process.exitcode == -signal.SIGKILL else None


def loads(path: Path) -> bool:
    try:
        BarrierPPO.load(path, device="cpu")
    except (CheckpointError, FileNotFoundError):
        return False
    return True


def look(folder: Path, expected: dict[str, th.Tensor]) -> dict[str, bool]:
    """What a kill has left: whether it can be used, and whether a training that goes on from it ends as it should."""
    found = {name: loads(folder / file) for name, file in (("model", MODEL), ("in_place", IN_PLACE))}
    found["checkpoint"] = loads(folder / CHECKPOINT)
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(folder / CHECKPOINT, copy)
        ended = finished(Path(copy))
    found["same_end"] = all(th.equal(ended[name], value) for name, value in expected.items())
    return found


def measure(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    train(folder)  # in this process, which so compiles for all
    expected = finished_anew(folder)
    moments: Counter[str] = Counter()
    good: Counter[str] = Counter()
    while moments.total() < kills:
        moment = kill_in(rng.choice([*PHASES]), begin(folder), rng)
        if moment is None:
            clear(folder)
        elif (folder / IN_PLACE).exists():  # that is, after the first rollout has begun
            moments[moment] += 1
            good.update(name for name, fine in look(folder, expected).items() if fine)
            print(f"{moments.total()} kills, so far fine: {dict(good)}", flush=True)
    return {
        "kills": moments.total(),
        "moments": dict(moments),
        "corrupt_checkpoints": kills - good["checkpoint"],
        "corrupt_models": kills - good["model"],
        "corrupt_models_saved_in_place": kills - good["in_place"],
        "resumed_trainings_that_end_otherwise": kills - good["same_end"],
    }


def finished_anew(folder: Path) -> dict[str, th.Tensor]:
    clear(folder)
    result = finished(folder)
    clear(folder)
    return result


def clear(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    th.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(args.kills, args.seed, Path(folder))
    result = {
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}, torch {th.__version__}, 1 thread",
        **result,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
