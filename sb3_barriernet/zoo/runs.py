"""One training run by the RL Zoo's own command, and what it leaves behind."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import math
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation.learning_curve import MONITORED, LearningCurve, learning_curve, read_episodes
from sb3_barriernet.zoo.packaged_config import packaged_config
from sb3_barriernet.zoo.registration import register


@dataclass(frozen=True)
class ZooRun:
    """A run of the Zoo's ``train``.

    :param algo: name of the algorithm in the Zoo
    :param env_id: environment id
    :param seed: seed of the run
    :param folder: log folder; no other run of the same algorithm and environment may write there
    :param timesteps: environment steps; by default those of the YAML
    :param overrides: hyperparameters that replace those of the YAML, values as Python expressions
    :param config: YAML file; by default the one of this package
    :param gym_packages: modules that register the environment, or parts of the model, when they are imported
    """

    algo: str
    env_id: str
    seed: int
    folder: Path
    timesteps: int | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    config: Path | None = None
    gym_packages: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Folder of the experiment: model, monitor files, configuration."""
        return self.folder / self.algo / f"{self.env_id}_1"

    @property
    def model_file(self) -> Path:
        """The final model, written by the Zoo when training ends or is interrupted."""
        return self.path / f"{self.env_id}.zip"

    @property
    def is_finished(self) -> bool:
        """Whether the final model is whole and has been trained for as many steps as asked for.

        The Zoo saves an interrupted model too, so that a file exists says nothing.
        """
        if not zipfile.is_zipfile(self.model_file):
            return False
        with zipfile.ZipFile(self.model_file) as archive:
            trained = json.loads(archive.read("data"))
        rollout = trained["n_steps"] * trained["n_envs"]
        return trained["num_timesteps"] == rollout * math.ceil(self.wanted_timesteps / rollout)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The block of the YAML that this run starts from."""
        config = self.config or packaged_config(self.algo)
        blocks = yaml.safe_load(config.read_text(encoding="utf-8")) if config else {}
        if self.env_id not in blocks:
            raise ConfigurationError(
                f"Found no block for {self.env_id!r} in the {self.algo} hyperparameters of "
                f"{self.config or 'this package'}, which has {', '.join(blocks)}. "
                f"Add one to {self.config or f'hyperparams/{self.algo}.yml'}."
            )
        return blocks[self.env_id]

    @property
    def effective_hyperparameters(self) -> dict[str, Any]:
        """The block with what the overrides replace: whether a value comes from the YAML or not changes no training."""
        replaced = {name: ast.literal_eval(value) for name, value in self.overrides.items()}
        return {**self.hyperparameters, **replaced}

    @property
    def wanted_timesteps(self) -> int:
        """Environment steps asked for; training stops after the rollout that reaches them."""
        return int(self.timesteps if self.timesteps is not None else self.hyperparameters["n_timesteps"])

    def command(self, *, progress: bool) -> list[str]:
        """The command line, without evaluation during training, so that wall clocks compare."""
        command = [sys.executable, "-m", "sb3_barriernet.zoo", "train", "--algo", self.algo, "--env", self.env_id]
        command += ["--seed", str(self.seed), "--log-folder", str(self.folder), "--eval-freq", "-1"]
        command += ["--num-threads", "1", "--verbose", "0", "--log-interval", "-2"]
        if self.timesteps is not None:
            command += ["--n-timesteps", str(self.timesteps)]
        if self.config is not None:
            command += ["--conf-file", str(self.config)]
        if self.gym_packages:
            command += ["--gym-packages", *self.gym_packages]
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

    def train_here(self) -> None:
        """Like :meth:`train`, in this process: for one that does nothing else and has imported everything already."""
        if self.is_finished:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        register()
        from rl_zoo3.train import train

        _, _, _, script, *options = self.command(progress=False)
        sys.argv = [script, *options]
        train()

    def load(self) -> BaseAlgorithm:
        """The trained model, on the CPU."""
        register()
        from rl_zoo3 import ALGOS

        self._import_packages()
        return ALGOS[self.algo].load(self.model_file, device="cpu")

    def make_env(
        self, num_envs: int, seed: int, *, deployed: Mapping[str, Any] | None = None, **env_kwargs: object
    ) -> VecEnv:
        """The environment as it was in training, wrappers included, rewards not normalised.

        :param deployed: hyperparameters, such as ``env_wrapper``, that differ from training
        """
        from rl_zoo3 import create_test_env, get_saved_hyperparams

        self._import_packages()
        hyperparams, stats_path = get_saved_hyperparams(str(self.path / self.env_id), test_mode=True)
        hyperparams.update(deployed or {})
        kwargs = {**hyperparams.pop("env_kwargs", {}), **env_kwargs}
        with contextlib.redirect_stdout(io.StringIO()):  # it announces the statistics that it loads, every time
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

    def learning_curve(self) -> LearningCurve | None:
        """The learning curve of the training episodes; None if ``Monitor`` did not log their success."""
        episodes = read_episodes(self.path)
        return learning_curve(episodes) if MONITORED.issubset(episodes.columns) else None

    def _import_packages(self) -> None:
        """What they register may be the environment, or a part of the model."""
        for module in self.gym_packages:
            importlib.import_module(module)
