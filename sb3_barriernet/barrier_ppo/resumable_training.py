"""A training that goes on where it was killed."""

from __future__ import annotations

import inspect
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import cloudpickle
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.save_util import is_json_serializable, load_from_zip_file

from sb3_barriernet.atomic_file import replacing
from sb3_barriernet.barrier_ppo.model_file import check_archive
from sb3_barriernet.barrier_ppo.training_state import (
    environment_states,
    random_states,
    set_environment_states,
    set_random_states,
)
from sb3_barriernet.errors import CheckpointError, ConfigurationError, DivergedError

STATE_ENTRY = "training_state.pkl"
"""Name, inside a model's zip, of what SB3 does not save."""

PROGRESS = (
    "num_timesteps",
    "_n_updates",
    "_episode_num",
    "_last_obs",
    "_last_original_obs",
    "_last_episode_starts",
    "ep_info_buffer",
    "ep_success_buffer",
)
"""Attributes of a model that change while it learns, beside its parameters."""

MAY_DIFFER = {"verbose", "tensorboard_log", "device"}
"""Settings without influence on what is learned."""


class ResumableTraining(BaseCallback):
    """Writes down a training so that it can be killed at any moment; where that was done, goes on from there.

    ::

        model = BarrierPPO("MlpPolicy", env, seed=0)
        model.learn(1_000_000, callback=ResumableTraining("training"))

    Run the same script again after a kill, and the training ends with the weights, bit by bit, that it would have had
    (on a CPU): beside model and optimizer, the file holds random states, running statistics, and the environments in
    mid-episode. It takes the place of its predecessor when it is complete, never before. In the Zoo's YAML::

        callback:
          - sb3_barriernet.barrier_ppo.ResumableTraining:
              path: training.zip

    and ``--seed``, since another seed is another training. The file is a model's zip too, which ``load`` opens.

    Environments are put back in place if they can be pickled. Where they cannot, as in the worker processes of a
    ``SubprocVecEnv``, a warning says so, and a resumed training begins new episodes. Callbacks begin anew, too.

    :param path: file to go on from, if it exists, and to write to; ``.zip`` is added if there is no suffix
    :param save_freq: rollouts from one file to the next; a kill costs as many at most
    :param verbose: 1 to say where a training goes on
    :raises ConfigurationError: when training starts, if the algorithm keeps state that its saved models lack, or if
        the file was made under other settings
    :raises CheckpointError: when training starts, if the file is damaged or holds no training
    :raises DivergedError: when it would have to save weights that are not finite
    """

    def __init__(self, path: str | Path, save_freq: int = 1, verbose: int = 1):
        super().__init__(verbose)
        if save_freq < 1:
            raise ConfigurationError(f"Found save_freq={save_freq}; expected a number of rollouts, 1 or more.")
        path = Path(path)
        self.path = path if path.suffix else path.with_suffix(".zip")
        self.save_freq = save_freq

    def _init_callback(self) -> None:
        # Before any callback's training starts, because some read from the model how far it has come.
        self.rollouts = 0
        _refuse_unsaved_state(self.model)
        if self.path.exists():
            self._resume()

    def _on_rollout_start(self) -> None:
        # Between an update and a rollout is where nothing is on its way.
        if self.rollouts % self.save_freq == 0:
            self._save()
        self.rollouts += 1

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        # What is complete is not repeated, and a model that learns on goes on from here.
        self._save()

    def _save(self) -> None:
        _refuse_diverged(self.model, self.path)
        env = self.training_env
        state = {"random": random_states(), "environment": environment_states(env)}
        with replacing(self.path) as file:
            self.model.save(file)
            with zipfile.ZipFile(file, "a") as archive:
                archive.writestr(STATE_ENTRY, cloudpickle.dumps(state))

    def _resume(self) -> None:
        check_archive(self.path)
        state = self._read_state()
        data, parameters, _ = load_from_zip_file(self.path, device=self.model.device)
        assert data is not None
        _refuse_other_settings(self.model, data, self.path)
        self.model.set_parameters(parameters, device=self.model.device)
        _set_progress(self.model, data)
        same_episodes = set_environment_states(self.training_env, state["environment"])
        set_random_states(state["random"])
        if not same_episodes:
            _begin_episodes(self.model)
        if self.verbose:
            episodes = "same" if same_episodes else "new"
            print(f"Going on from {self.path}: step {self.model.num_timesteps}, {episodes} episodes")

    def _read_state(self) -> dict[str, Any]:
        with zipfile.ZipFile(self.path) as archive:
            if STATE_ENTRY not in archive.namelist():
                raise CheckpointError(
                    f"Found a model without the state of its training in {self.path}; expected a file that "
                    "ResumableTraining wrote. Choose another path, or go on from the model alone: "
                    "`BarrierPPO.load(path, env).learn(..., reset_num_timesteps=False)`."
                )
            return pickle.loads(archive.read(STATE_ENTRY))


def _set_progress(model: BaseAlgorithm, data: dict[str, Any]) -> None:
    """Bring a model that was just made to where the saved one was."""
    kept_by_callbacks = data.keys() - vars(model).keys()
    vars(model).update({name: data[name] for name in (*PROGRESS, *kept_by_callbacks)})
    model._num_timesteps_at_start = model.num_timesteps
    model._update_current_progress_remaining(model.num_timesteps, model._total_timesteps)


def _begin_episodes(model: BaseAlgorithm) -> None:
    """New episodes, other than those at the start of the training."""
    env = model.get_env()
    assert env is not None
    env.seed()
    model._last_obs = env.reset()  # type: ignore[assignment]  # SB3 leaves tuples out
    model._last_episode_starts[:] = True  # type: ignore[index]  # optional until training starts
    vec_normalize = model.get_vec_normalize_env()
    if vec_normalize is not None:
        model._last_original_obs = vec_normalize.get_original_obs()


def _refuse_unsaved_state(model: BaseAlgorithm) -> None:
    unsaved = set(model._excluded_save_params()) - set(BaseAlgorithm._excluded_save_params(model))
    off_policy = not isinstance(model, OnPolicyAlgorithm)
    if unsaved or off_policy:
        what = "its replay buffer is" if off_policy else f"{sorted(unsaved)} are"
        raise ConfigurationError(
            f"Found a {type(model).__name__}, whose saved models are not all of it: {what} left out. "
            "ResumableTraining is for BarrierPPO and PPO; use SB3's CheckpointCallback here."
        )
    if model.use_sde:
        raise ConfigurationError(
            "Found use_sde=True; SB3 draws that noise before callbacks see the rollout, so that a resumed training "
            "would be another. Leave use_sde out, or use SB3's CheckpointCallback here."
        )


def _refuse_other_settings(model: BaseAlgorithm, data: dict[str, Any], path: Path) -> None:
    names = {*inspect.signature(type(model)).parameters, "n_envs", "observation_space"} - MAY_DIFFER
    found = {name: (_shown(data[name]), _shown(getattr(model, name))) for name in sorted(names & data.keys())}
    # Functions without a representation of their own are shown by their address, which tells nothing.
    other = {name: pair for name, pair in found.items() if pair[0] != pair[1] and " at 0x" not in "".join(pair)}
    if other:
        differences = ", ".join(f"{name}={theirs} there and {mine} here" for name, (theirs, mine) in other.items())
        raise ConfigurationError(
            f"{path} holds another training: found {differences}. Resume with the settings that it was begun with, or "
            "give this training another path."
        )


def _shown(setting: Any) -> str:
    """As the file has it, where a tuple became a list."""
    return repr(json.loads(json.dumps(setting)) if is_json_serializable(setting) else setting)


def _refuse_diverged(model: BaseAlgorithm, path: Path) -> None:
    if all(bool(th.isfinite(parameter).all()) for parameter in model.policy.parameters()):
        return
    raise DivergedError(
        f"Found NaN or infinity among the weights after {model.num_timesteps} steps; they are not saved. {path} is as "
        "it was before: go on from there with a lower learning rate or smaller rewards."
    )
