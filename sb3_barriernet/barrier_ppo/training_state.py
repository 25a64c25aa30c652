"""What a training depends on beside its model: random generators, and environments in mid-episode."""

from __future__ import annotations

import copyreg
import io
import pickle
import random
import warnings
from collections.abc import Iterator
from typing import Any

import cloudpickle
import gymnasium as gym
import numpy as np
import torch as th
from gymnasium.utils import EzPickle
from stable_baselines3.common.monitor import Monitor, ResultsWriter
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

OPEN_FILE = "open file"
"""Stands for what writes a Monitor's file: it belongs to the process and is not pickled."""


def random_states() -> dict[str, Any]:
    """States of the global generators, which SB3 seeds and draws from."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": th.get_rng_state(),
        "cuda": th.cuda.get_rng_state_all(),
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Let the global generators go on where :func:`random_states` found them."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    th.set_rng_state(states["torch"])
    for device, state in zip(range(th.cuda.device_count()), states["cuda"], strict=False):
        th.cuda.set_rng_state(state, device)


def environment_states(env: VecEnv) -> list[bytes | None]:
    """Attributes of every layer of a vectorised environment, outermost first, pickled.

    None, after a warning, for a layer that cannot be pickled: worker processes, a window, a simulator's handle.
    """
    layers = _layers(env)
    return [_pickled(layer, layers) for layer in layers]


def set_environment_states(env: VecEnv, states: list[bytes | None]) -> bool:
    """Put every layer back, in place, so that it stays the object that others hold.

    :param env: built as the one that the states are of
    :return: whether the games go on in mid-episode; False if the innermost layer was not pickled
    """
    layers = _layers(env)
    writers = [monitor.results_writer for monitor in _monitors(layers)]
    for layer, state in zip(layers, states, strict=True):
        if state is not None:
            vars(layer).update(_Unpickler(state, layers).load())
    for monitor, writer in zip(_monitors(layers), writers, strict=True):
        monitor.results_writer = writer
    return states[-1] is not None


def _pickled(layer: VecEnv, layers: list[VecEnv]) -> bytes | None:
    attributes = {name: value for name, value in vars(layer).items() if name != "class_attributes"}
    file = io.BytesIO()
    try:
        _Pickler(file, layers).dump(attributes)
    except Exception as error:  # whatever a foreign object raises when it does not want to be pickled
        warnings.warn(
            f"{type(layer).__name__} cannot be pickled ({type(error).__name__}: {error}), so a training that is "
            "resumed begins new episodes there: it goes on, but not as if it had never been interrupted. For that, "
            "use a DummyVecEnv of environments without windows, in the Zoo `vec_env_class: dummy`.",
            UserWarning,
            stacklevel=2,
        )
        return None
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):
    """Pickles what belongs to a layer; other layers and open files it only names.

    Environments that are ``EzPickle`` would be pickled as their constructor's arguments, and begin anew.
    """

    def __init__(self, file: io.BytesIO, layers: list[VecEnv]):
        super().__init__(file)
        self.places = {id(layer): place for place, layer in enumerate(layers)}

    def persistent_id(self, obj: Any) -> int | str | None:
        return OPEN_FILE if isinstance(obj, ResultsWriter) else self.places.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, EzPickle) and type(obj).__getstate__ is EzPickle.__getstate__:
            return copyreg.__newobj__, (type(obj),), vars(obj), None, None, _set_attributes  # type: ignore[attr-defined]  # typeshed lacks it
        return super().reducer_override(obj)


class _Unpickler(pickle.Unpickler):
    def __init__(self, state: bytes, layers: list[VecEnv]):
        super().__init__(io.BytesIO(state))
        self.layers = layers

    def persistent_load(self, place: int | str) -> VecEnv | None:
        return self.layers[place] if isinstance(place, int) else None


def _set_attributes(obj: Any, attributes: dict[str, Any]) -> None:
    vars(obj).update(attributes)


def _layers(env: VecEnv) -> list[VecEnv]:
    """A vectorised environment and what it wraps, outermost first."""
    layers = [env]
    while isinstance(layers[-1], VecEnvWrapper):
        layers.append(layers[-1].venv)
    return layers


def _monitors(layers: list[VecEnv]) -> list[Any]:
    """Everything that may write a file of episodes, always in the same order."""
    return [layer for layer in layers if hasattr(layer, "results_writer")] + [
        wrapper for env in getattr(layers[-1], "envs", []) for wrapper in _wrappers(env) if isinstance(wrapper, Monitor)
    ]


def _wrappers(env: gym.Env) -> Iterator[gym.Wrapper]:
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env
