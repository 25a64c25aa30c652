"""Refuses environments whose rows would not reach the projection as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stable_baselines3.common.vec_env import VecEnv, VecNormalize, unwrap_vec_normalize

from sb3_barriernet.errors import ActionSpaceError, NormalizedRowsError, RowShapeError
from sb3_barriernet.rows import BARRIER_KEY, check_spaces


def check_env(env: VecEnv) -> None:
    """Refuse a vectorised environment that a barrier policy cannot be trained on.

    :raises ActionSpaceError: unless actions are a bounded one-dimensional ``Box``
    :raises MissingRowsError: if observations carry no rows
    :raises RowShapeError: if the rows do not fit the actions
    :raises NormalizedRowsError: if ``VecNormalize`` rescales the rows
    """
    check_spaces(env.observation_space, env.action_space)
    vec_normalize = unwrap_vec_normalize(env)
    if vec_normalize is not None and _normalizes_rows(vec_normalize):
        task_keys = [key for key in env.observation_space.spaces if key != BARRIER_KEY]  # type: ignore[attr-defined]
        raise NormalizedRowsError(
            f"Found VecNormalize over {BARRIER_KEY!r}: normalised rows describe another barrier. "
            f"Write `VecNormalize(env, norm_obs_keys={task_keys})`, in the Zoo's YAML "
            f"`normalize: {{norm_obs_keys: {task_keys}}}`."
        )


@contextmanager
def explained_mismatch() -> Iterator[None]:
    """Adds what to do about it to SB3's refusal of an environment with other spaces than a model's.

    :raises RowShapeError: in place of SB3's ``ValueError`` about observations
    :raises ActionSpaceError: in place of that about actions
    """
    try:
        yield
    except ValueError as error:
        if str(error).startswith("Action spaces do not match"):
            raise ActionSpaceError(
                f"{error}. A policy commands the actuators that it was trained on, in their units and within their "
                "limits. Give it such an environment, or train another policy."
            ) from error
        if not str(error).startswith("Observation spaces do not match"):
            raise
        raise RowShapeError(
            f"{error}. A trained policy takes as many rows as it was trained on. Give the barrier the same fixed "
            "maximum and pad what is missing, for example `StackedBarrier([barrier], num_rows=K)`."
        ) from error


def _normalizes_rows(vec_normalize: VecNormalize) -> bool:
    keys = vec_normalize.norm_obs_keys
    return vec_normalize.norm_obs and (keys is None or BARRIER_KEY in keys)
