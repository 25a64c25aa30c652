"""The wrapper that publishes barrier rows in the observation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_barriernet.barriers.gains import max_kappa
from sb3_barriernet.barriers.protocol import Barrier
from sb3_barriernet.envs.action_map import ActionMap
from sb3_barriernet.errors import (
    ActionSpaceError,
    ConfigurationError,
    InvalidRowsError,
    RowShapeError,
    UnsafeStartError,
)
from sb3_barriernet.rows import BARRIER_KEY, RowsSpace, check_action_space

OBSERVATION_KEY = "observation"
"""Key of the task's own observation when it was not a dictionary already."""

StateReader = Callable[[Any], tuple[Any, ...]]

FLOAT32_ROUND_OFF = 1e-6
"""Relative; action spaces are float32, barriers are not."""


class BarrierObservation(gym.Wrapper):
    """Adds barrier rows to the observation, computed where the true state is.

    Because the rows travel with the observation, ``predict``, ``evaluate_policy``, callbacks,
    saved models and subprocess workers all filter actions alike, with no further argument.

    A dictionary observation gains the key ``"barrier"``; any other becomes
    ``{"observation": ..., "barrier": ...}``.

    :param env: environment with a bounded ``Box`` action space of shape ``(M,)``
    :param barrier: maps the state to rows of shape ``(K, M + 2)``
    :param state: reads the arguments of ``barrier.rows`` from the *unwrapped* environment
    :raises ActionSpaceError: if the actions cannot be filtered, or reach further than the barrier was built for
    :raises ConfigurationError: if a wrapper below would change the safe action
    :raises RowShapeError: if barrier and actions disagree
    """

    def __init__(self, env: gym.Env, barrier: Barrier, state: StateReader):
        super().__init__(env)
        check_action_space(env.action_space)
        _refuse_action_wrappers(env)
        self.barrier = barrier
        self.state = state
        assert isinstance(env.action_space, spaces.Box)
        if barrier.action_dim != env.action_space.shape[0]:
            raise RowShapeError(
                f"Found a barrier over {barrier.action_dim} actions and the action space {env.action_space}; "
                "expected the same number. Build the barrier for this environment's actuators."
            )
        _check_reach(barrier, env.action_space)
        rows = RowsSpace(barrier.num_rows, env.action_space, max_kappa(barrier))
        self.observation_space = _with_rows(env.observation_space, rows)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        state = self.read_state()
        _check_arguments(self.barrier, state)
        rows = self.rows_at(state)
        _check_start(self.barrier.start_values(*state))
        return self.join(observation, rows), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        rows = self.rows_at(self.read_state())
        return self.join(observation, rows), reward, terminated, truncated, info

    def join(self, observation: Any, rows: np.ndarray) -> dict[str, Any]:
        """The dictionary observation made of the task's observation and its rows."""
        if isinstance(observation, dict):
            return {**observation, BARRIER_KEY: rows}
        return {OBSERVATION_KEY: observation, BARRIER_KEY: rows}

    def read_state(self) -> tuple[Any, ...]:
        """What the barrier's rows depend on, at present.

        :raises ConfigurationError: if the state reader does not return a tuple
        """
        state = self.state(self.env.unwrapped)
        if not isinstance(state, tuple):
            raise ConfigurationError(
                f"Found that the state reader returns {state!r}; expected a tuple, one entry for each argument of "
                "`barrier.rows`. Write `lambda env: (env.state,)`, with the comma."
            )
        return state

    def rows_at(self, state: tuple[Any, ...]) -> np.ndarray:
        """Rows ``(K, M + 2)`` at a state, finite, of the right shape, in memory of their own.

        :raises RowShapeError: if barrier and state do not fit, or rows are rounded
        :raises InvalidRowsError: for NaN or infinity
        """
        rows = np.asarray(self.barrier.rows(*state))
        _check_rows(rows, self.observation_space[BARRIER_KEY].shape)  # type: ignore[index]
        return np.array(rows, dtype=np.float64)


def _with_rows(space: spaces.Space, rows: RowsSpace) -> spaces.Dict:
    if not isinstance(space, spaces.Dict):
        return spaces.Dict({OBSERVATION_KEY: space, BARRIER_KEY: rows})
    if BARRIER_KEY in space.spaces:
        raise ConfigurationError(
            f"Found the observation key {BARRIER_KEY!r} already; the environment is wrapped twice. "
            "Wrap it once, with a barrier that holds all rows."
        )
    return spaces.Dict({**space.spaces, BARRIER_KEY: rows})


def _refuse_action_wrappers(env: gym.Env) -> None:
    layer = env
    while isinstance(layer, gym.Wrapper):
        changes_space = layer.action_space != layer.env.action_space and not isinstance(layer, ActionMap)
        if isinstance(layer, gym.ActionWrapper) or changes_space:
            raise ConfigurationError(
                f"Found the action wrapper {type(layer).__name__} below the barrier; it would change the safe action "
                "on its way to the system. Leave it out, or use `ActionMap` and state the barrier in its actions."
            )
        layer = layer.env


def _check_reach(barrier: Barrier, space: spaces.Box) -> None:
    """Margins and bounds of a barrier hold for the actions that it was built for, and no others."""
    box = getattr(barrier, "action_box", None)
    if box is None:
        return
    low, high = box
    slack = FLOAT32_ROUND_OFF * (1.0 + np.abs(low) + np.abs(high))
    if (space.low < low - slack).any() or (space.high > high + slack).any():
        raise ActionSpaceError(
            f"Found a barrier built for actions from {low} to {high} and the action space {space}, which reaches "
            "further: the margins would not hold. State the limits of this environment's actuators in the system."
        )


def _check_arguments(barrier: Barrier, state: tuple[Any, ...]) -> None:
    """Refuse a state that was unpacked, which Python would only call too many arguments."""
    takes = inspect.signature(barrier.rows)
    try:
        takes.bind(*state)
    except TypeError as error:
        raise ConfigurationError(
            f"Found a state reader that returns {len(state)} entries and a barrier with "
            f"`rows({', '.join(takes.parameters)})`; expected one entry for each argument. A state of several numbers "
            "is one entry, an array: `lambda env: (env.state,)`."
        ) from error


def _check_rows(rows: np.ndarray, shape: tuple[int, ...]) -> None:
    if rows.dtype in (np.float32, np.float16):
        raise RowShapeError(
            f"The barrier returned rows of dtype {rows.dtype}; expected float64, because a rounded row no longer "
            "certifies the action. Bring the state to float64 before the rows are computed."
        )
    if rows.shape != shape:
        raise RowShapeError(
            f"The barrier returned rows of shape {rows.shape}; expected {shape}. Pad unused rows with "
            "`padding_rows` so that every state has the same number, and read one state, not a batch."
        )
    if not np.isfinite(rows).all():
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist()
        raise InvalidRowsError(
            f"The barrier returned NaN or infinity in rows {bad}: {rows[bad[0]]}. Check the state it was given and "
            "the barrier's gradient there (a distance has none at its own centre)."
        )


def _check_start(values: np.ndarray) -> None:
    if not np.min(values) >= 0.0:
        worst = int(np.argmin(values))
        raise UnsafeStartError(
            f"The episode starts outside the safe set: barrier value {worst} is {values[worst]:.6g}, expected >= 0. "
            "A barrier keeps a safe set, it does not enter one: let `reset` sample starts with all values >= 0. If "
            "this start is safe, h has the wrong sign."
        )
