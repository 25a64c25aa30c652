"""Policies that try to break a barrier."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
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
    """What an attacker may look at: the environment itself, its rows, and the filter that stands in the way."""

    env: gym.Env
    row_filter: RowFilter
    clearance: Clearance
    rng: np.random.Generator
    rows: np.ndarray

    @property
    def low(self) -> np.ndarray:
        return self.row_filter.low.numpy()

    @property
    def high(self) -> np.ndarray:
        return self.row_filter.high.numpy()

    def project(self, nominal: np.ndarray, rows: np.ndarray) -> Projection:
        """The filter's answer to one nominal action, in float32 as policies have it."""
        proposal = th.as_tensor(nominal[None].astype(np.float32))
        with th.no_grad():
            return self.row_filter(th.as_tensor(rows[None]), proposal)


class Attack:
    """Proposes the next nominal action ``(M,)``; :meth:`restart` is called when an episode starts."""

    name = "attack"

    def __call__(self, arena: Arena) -> np.ndarray:
        raise NotImplementedError

    def restart(self) -> None:
        """Forget the episode."""


class Uniform(Attack):
    """Uniform noise over the action box."""

    name = "uniform"

    def __call__(self, arena: Arena) -> np.ndarray:
        return arena.rng.uniform(arena.low, arena.high)


class _Held(Attack):
    """Decides now and then and holds the decision."""

    def __init__(self) -> None:
        self.left = 0
        self.action = np.zeros(0)

    def __call__(self, arena: Arena) -> np.ndarray:
        if self.left == 0:
            self.action, self.left = self.decide(arena)
        self.left -= 1
        return self.action

    def decide(self, arena: Arena) -> tuple[np.ndarray, int]:
        """An action and for how many steps to hold it."""
        raise NotImplementedError

    def restart(self) -> None:
        self.left = 0


class BangBang(_Held):
    """A random corner of the action box, held for a random while."""

    name = "bang_bang"

    def decide(self, arena: Arena) -> tuple[np.ndarray, int]:
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
        return np.where(A[int(np.argmin(room))] > 0.0, arena.low, arena.high)


class LookAhead(_Held):
    """Tries corners and random actions on copies of the environment, and takes what comes nearest to a violation.

    It knows nothing of the barrier but the filter in its way, so a wrong row gradient cannot mislead it.
    """

    name = "look_ahead"

    def decide(self, arena: Arena) -> tuple[np.ndarray, int]:
        candidates = self._candidates(arena)
        reached = [self._try(arena, candidate) for candidate in candidates]
        return candidates[int(np.argmin(reached))], LOOK_AHEAD_STEPS

    def _candidates(self, arena: Arena) -> list[np.ndarray]:
        corners = itertools.product(*zip(arena.low, arena.high, strict=True))
        chosen = [np.array(corner) for corner in itertools.islice(corners, MAX_CANDIDATES)]
        return [*chosen, *arena.rng.uniform(arena.low, arena.high, size=(MAX_CANDIDATES // 4, len(arena.low)))]

    def _try(self, arena: Arena, nominal: np.ndarray) -> float:
        barrier = arena.env.get_wrapper_attr("barrier")
        env = copy_environment(arena.env, {id(barrier): barrier})
        rows, reached = arena.rows, np.inf
        for _ in range(LOOK_AHEAD_STEPS):
            action = arena.project(nominal, rows).action[0].numpy()
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
