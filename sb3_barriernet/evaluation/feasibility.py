"""The feasibility doctor: do the rows leave an action, which of them quarrel, and what does each forbid?

A row set that is infeasible somewhere, or that forbids what the task asks for, shows here in a minute and after
hours of training otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces

from sb3_barriernet.projection import Status, project
from sb3_barriernet.rows import BARRIER_KEY, check_spaces, split_rows

NUM_TRIED_ACTIONS = 256
MAX_EXPLAINED = 200
ROUND_OFF = 1e-9


@dataclass(frozen=True)
class FeasibilityReport:
    """What the doctor found over ``B`` states and ``K`` rows."""

    states: np.ndarray
    """``(B, N)``, as the barrier's state reader gives its first argument; empty if there is none."""
    infeasible: np.ndarray
    """``(B,)``: no action in the box satisfies every row."""
    forbidden: np.ndarray
    """``(B, K)``: share of the action box that each row forbids by itself."""
    forbidden_together: np.ndarray
    """``(B,)``: share of the action box that all rows forbid together."""
    conflicts: dict[tuple[int, ...], int]
    """Sets of rows that contradict each other within the box, none of them superfluous, and how often."""
    names: tuple[str, ...]

    @property
    def infeasible_rate(self) -> float:
        return float(self.infeasible.mean())

    def __str__(self) -> str:
        lines = [
            f"{len(self.infeasible)} states, {100 * self.infeasible_rate:.3g} % infeasible; the rows together forbid "
            f"{100 * self.forbidden_together.mean():.3g} % of the actions on average",
            f"{'row':<16}{'binds in':>10}{'forbids there':>15}{'forbids all':>13}",
        ]
        for name, share in zip(self.names, self.forbidden.T, strict=True):
            binds = share > 0.0
            there = share[binds].mean() if binds.any() else 0.0
            lines.append(f"{name:<16}{binds.mean():>10.1%}{there:>15.1%}{(share == 1.0).mean():>13.2%}")
        for rows, count in sorted(self.conflicts.items(), key=lambda item: -item[1]):
            lines.append(f"conflict of {' and '.join(self.names[row] for row in rows)}: {count} states")
        explained, infeasible = sum(self.conflicts.values()), int(self.infeasible.sum())
        if explained < infeasible:
            lines.append(f"({explained} of the {infeasible} infeasible states were explained)")
        return "\n".join(lines)


def diagnose(
    rows: np.ndarray,
    action_space: spaces.Box,
    *,
    states: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> FeasibilityReport:
    """Examine rows ``(B, K, M + 2)`` against an action box.

    The shares are measured with the same :data:`NUM_TRIED_ACTIONS` random actions everywhere; conflicts are
    explained for the first :data:`MAX_EXPLAINED` infeasible states.

    :param states: ``(B, N)``, to know where
    :param names: of the ``K`` rows, by default their numbers
    """
    low, high = action_space.low.astype(np.float64), action_space.high.astype(np.float64)
    A, c = split_rows(rows)
    tried = np.random.default_rng(seed).uniform(low, high, size=(NUM_TRIED_ACTIONS, len(low)))
    broken = np.einsum("bkm,tm->bkt", A, tried) + c[..., None] < 0.0
    infeasible = _infeasible(A, c, low, high)
    conflicts = Counter(_conflict(A[i], c[i], low, high) for i in np.flatnonzero(infeasible)[:MAX_EXPLAINED])
    return FeasibilityReport(
        states=np.empty((len(rows), 0)) if states is None else states,
        infeasible=infeasible,
        forbidden=broken.mean(axis=-1),
        forbidden_together=broken.any(axis=1).mean(axis=-1),
        conflicts=dict(conflicts),
        names=tuple(names or (f"row {k}" for k in range(rows.shape[1]))),
    )


def diagnose_env(
    env: gym.Env, steps: int = 2000, *, names: Sequence[str] | None = None, seed: int = 0
) -> FeasibilityReport:
    """:func:`diagnose` over the states that random, unfiltered actions reach; past a violation an episode goes on.

    :param env: environment that publishes rows (:class:`~sb3_barriernet.BarrierObservation`)
    :raises MissingRowsError: if it does not
    """
    check_spaces(env.observation_space, env.action_space)
    env.action_space.seed(seed)
    rows, states = [], []
    done, action = True, env.action_space.sample()
    for step in range(steps):
        if done:
            observation, _ = env.reset(seed=seed if step == 0 else None)
        rows.append(observation[BARRIER_KEY])
        states.append(_first_state(env))
        if env.np_random.random() < 0.1:  # held now and then, which goes further than noise
            action = env.action_space.sample()
        observation, _, terminated, truncated, _ = env.step(action)
        done = terminated or truncated
    box = env.action_space
    return diagnose(np.array(rows), box, states=np.array(states), names=names, seed=seed)  # type: ignore[arg-type]


def _first_state(env: gym.Env) -> np.ndarray:
    if not env.has_wrapper_attr("state"):
        return np.empty(0)
    return np.array(env.get_wrapper_attr("state")(env.unwrapped)[0], dtype=np.float64).ravel()


def _infeasible(A: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    nominal = np.tile(0.5 * (low + high), (len(A), 1))
    tensors = (th.from_numpy(np.ascontiguousarray(part)) for part in (nominal, A, c, low, high))
    result = project(*tensors)
    return ((result.status == Status.INFEASIBLE) & (result.slack > ROUND_OFF)).numpy()


def _conflict(A: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[int, ...]:
    """Rows that contradict each other, by leaving out what is not needed for it, one after the other."""
    kept = list(range(len(A)))
    for row in range(len(A)):
        rest = [k for k in kept if k != row]
        if rest and _infeasible(A[None, rest], c[None, rest], low, high)[0]:
            kept = rest
    return tuple(kept)
