"""Refuses environments whose rows would not reach the projection as they are."""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv, VecNormalize, unwrap_vec_normalize

from sb3_barriernet.errors import NormalizedRowsError
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


def _normalizes_rows(vec_normalize: VecNormalize) -> bool:
    keys = vec_normalize.norm_obs_keys
    return vec_normalize.norm_obs and (keys is None or BARRIER_KEY in keys)
