"""Policies that try to break a barrier."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th

from sb3_barriernet.projection import Projection
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.rows import BARRIER_KEY, split_rows

Clearance = Callable[[gym.Env], float]

LOOK_AHEAD_STEPS = 10
MAX_CANDIDATES = 8
HOLD_STEPS = (3, 40)


@dataclass
class Arena:
    """What an attacker may look at: environments side by side, their rows, and the filter that stands in the way.

    :param envs: ``B`` copies of one environment that publishes rows
    :param clearance: for attacks that try things out; None if only the others are let loose
    :param rows: of every environment at its present state, ``(B, K, M + 2)``
    """

    envs: Sequence[gym.Env]
    row_filter: RowFilter
    clearance: Clearance | None
    rng: np.random.Generator
    rows: np.ndarray

    @property
    def low(self) -> np.ndarray:
        return self.row_filter.low.numpy()

    @property
    def high(self) -> np.ndarray:
        return self.row_filter.high.numpy()

    @property
    def shape(self) -> tuple[int, int]:
        """``(B, M)``, of the actions."""
        return len(self.envs), len(self.low)

    def project(self, nominal: np.ndarray, rows: np.ndarray) -> Projection:
        """The filter's answer to nominal actions ``(B, M)``, in float32 as policies have them."""
        with th.no_grad():
            return self.row_filter(th.as_tensor(rows), th.as_tensor(nominal.astype(np.float32)))


class Attack:
    """Proposes the next nominal actions ``(B, M)``; :meth:`restart` is called where an episode starts."""

    name = "attack"

    def __call__(self, arena: Arena) -> np.ndarray:
        raise NotImplementedError

    def restart(self, i: int) -> None:
        """Forget the episode of environment ``i``."""


class Uniform(Attack):
    """Uniform noise over the action box."""

    name = "uniform"

    def __call__(self, arena: Arena) -> np.ndarray:
        return arena.rng.uniform(arena.low, arena.high, size=arena.shape)


class _Held(Attack):
    """Decides now and then, for each environment by itself, and holds the decision."""

    def __init__(self) -> None:
        self.left = np.zeros(0, dtype=int)
        self.actions = np.zeros((0, 0))

    def __call__(self, arena: Arena) -> np.ndarray:
        if self.actions.shape != arena.shape:
            self.left, self.actions = np.zeros(arena.shape[0], dtype=int), np.zeros(arena.shape)
        for i in np.flatnonzero(self.left == 0).tolist():
            self.actions[i], self.left[i] = self.decide(arena, i)
        self.left -= 1
        return self.actions.copy()

    def decide(self, arena: Arena, i: int) -> tuple[np.ndarray, int]:
        """An action ``(M,)`` for environment ``i`` and for how many steps to hold it."""
        raise NotImplementedError

    def restart(self, i: int) -> None:
        self.left[i : i + 1] = 0


class BangBang(_Held):
    """A random corner of the action box, held for a random while."""

    name = "bang_bang"

    def decide(self, arena: Arena, i: int) -> tuple[np.ndarray, int]:
        corner = np.where(arena.rng.random(len(arena.low)) < 0.5, arena.low, arena.high)
        return corner, int(arena.rng.integers(*HOLD_STEPS))


class Ramming(Attack):
    """Descends the barrier: full actuation against the gradient of the row that is nearest to its limit."""

    name = "ramming"

    def __call__(self, arena: Arena) -> np.ndarray:
        A, c = split_rows(arena.rows)
        reach = np.abs(A) @ (0.5 * (arena.high - arena.low))
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(reach > 0.0, (A @ (0.5 * (arena.high + arena.low)) + c) / reach, np.inf)
        nearest = np.take_along_axis(A, room.argmin(axis=1)[:, None, None], axis=1)[:, 0]
        return np.where(nearest > 0.0, arena.low, arena.high)


class LookAhead(_Held):
    """Tries corners and random actions on copies of the environment, and takes what comes nearest to a violation.

    It knows nothing of the barrier but the filter in its way, so a wrong row gradient cannot mislead it.
    """

    name = "look_ahead"

    def decide(self, arena: Arena, i: int) -> tuple[np.ndarray, int]:
        candidates = self._candidates(arena)
        reached = [self._try(arena, i, candidate) for candidate in candidates]
        return candidates[int(np.argmin(reached))], LOOK_AHEAD_STEPS

    def _candidates(self, arena: Arena) -> list[np.ndarray]:
        corners = itertools.product(*zip(arena.low, arena.high, strict=True))
        chosen = [np.array(corner) for corner in itertools.islice(corners, MAX_CANDIDATES)]
        return [*chosen, *arena.rng.uniform(arena.low, arena.high, size=(MAX_CANDIDATES // 4, len(arena.low)))]

    def _try(self, arena: Arena, i: int, nominal: np.ndarray) -> float:
        assert arena.clearance is not None
        barrier = arena.envs[i].get_wrapper_attr("barrier")
        env = copy_environment(arena.envs[i], {id(barrier): barrier})
        rows, reached = arena.rows[i], np.inf
        for _ in range(LOOK_AHEAD_STEPS):
            action = arena.project(nominal[None], rows[None]).action[0].numpy()
            observation, _, terminated, truncated, _ = env.step(action)
            rows, reached = observation[BARRIER_KEY], min(reached, arena.clearance(env.unwrapped))
            if terminated or truncated:
                break
        return reached


def copy_environment(env: gym.Env, shared: dict[int, Any]) -> gym.Env:
    """A copy in the same state.

    ``copy.deepcopy`` makes a *new* environment of one that pickles itself by its constructor's arguments, as all of
    Gymnasium's MuJoCo tasks do (``EzPickle``). So layers are copied by their attributes, unless they say how.

    :param shared: the memo of ``deepcopy``: what the copy keeps instead of copying, by ``id``
    """
    if isinstance(env, gym.Wrapper):
        copy_environment(env.env, shared)
    if hasattr(type(env), "__deepcopy__"):
        return copy.deepcopy(env, shared)
    twin = shared[id(env)] = object.__new__(type(env))
    vars(twin).update(copy.deepcopy(vars(env), shared))
    return twin


ATTACKS: tuple[type[Attack], ...] = (Uniform, BangBang, Ramming, LookAhead)
"""Every attack, the costly one last."""
