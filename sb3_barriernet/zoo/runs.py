"""One training run by the RL Zoo's own command, and what it leaves behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import load_results
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv


@dataclass(frozen=True)
class ZooRun:
    """A run of the Zoo's ``train``.

    :param algo: name of the algorithm in the Zoo
    :param env_id: environment id
    :param seed: seed of the run
    :param folder: log folder; no other run of the same algorithm and environment may write there
    :param timesteps: environment steps; by default those of the YAML
    :param overrides: hyperparameters that replace those of the YAML, values as Python expressions
    """

    algo: str
    env_id: str
    seed: int
    folder: Path
    timesteps: int | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Folder of the experiment: model, monitor files, configuration."""
        return self.folder / self.algo / f"{self.env_id}_1"

    @property
    def is_finished(self) -> bool:
        """Whether the final model was written completely."""
        model = self.path / f"{self.env_id}.zip"
        return zipfile.is_zipfile(model)

    def command(self, *, progress: bool) -> list[str]:
        """The command line, without evaluation during training, so that wall clocks compare."""
        command = [
            sys.executable,
            "-m",
            "sb3_barriernet.zoo",
            "train",
            "--algo",
            self.algo,
            "--env",
            self.env_id,
        ]
        command += ["--seed", str(self.seed), "--log-folder", str(self.folder), "--eval-freq", "-1"]
        command += ["--num-threads", "1", "--verbose", "0", "--log-interval", "-2"]
        if self.timesteps is not None:
            command += ["--n-timesteps", str(self.timesteps)]
        if progress:
            command += ["--progress"]
        if self.overrides:
            command += ["-params", *(f"{name}:{value}" for name, value in self.overrides.items())]
        return command

    def train(self, *, progress: bool = False) -> None:
        """Train unless finished before; what an interrupted attempt left is removed first.

        :raises subprocess.CalledProcessError: if training fails
        """
        if self.is_finished:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        subprocess.run(self.command(progress=progress), check=True, stdout=None if progress else subprocess.DEVNULL)

    def load(self) -> BaseAlgorithm:
        """The trained model, on the CPU."""
        from rl_zoo3 import ALGOS

        return ALGOS[self.algo].load(self.path / f"{self.env_id}.zip", device="cpu")

    def make_env(self, num_envs: int, seed: int, **env_kwargs: object) -> VecEnv:
        """The environment as it was in training, wrappers included, rewards not normalised."""
        from rl_zoo3 import create_test_env, get_saved_hyperparams

        hyperparams, stats_path = get_saved_hyperparams(str(self.path / self.env_id), test_mode=True)
        kwargs = {**hyperparams.pop("env_kwargs", {}), **env_kwargs}
        return create_test_env(
            self.env_id,
            n_envs=num_envs,
            stats_path=stats_path,
            seed=seed,
            should_render=False,
            hyperparams=hyperparams,
            env_kwargs=kwargs,
            vec_env_cls=DummyVecEnv,
        )

    def episodes(self) -> pd.DataFrame:
        """Training episodes in the order they ended: return ``r``, length ``l``, time ``t``, Monitor's keywords."""
        return load_results(str(self.path))
