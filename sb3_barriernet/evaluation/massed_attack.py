"""Attacks on many copies of an environment side by side, for millions of steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.errors import ConfigurationError, MissingRowsError
from sb3_barriernet.evaluation.attacks import Arena, Attack
from sb3_barriernet.evaluation.invariance import AttackRecord
from sb3_barriernet.projection import Status
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.rows import BARRIER_KEY


@dataclass
class StepSeconds:
    """Where the time of an attack went, s."""

    env: float = 0.0
    """In the environments' own steps, without rows and without resets."""
    rows: float = 0.0
    """In reading states and computing the rows of all copies at once."""
    projection: float = 0.0


def attack_copies(
    envs: Sequence[gym.Env], attack: Attack, *, steps: int, seed: int = 0, backend: str | None = None
) -> tuple[AttackRecord, StepSeconds]:
    """Let one attacker loose on copies of a filtered environment until they have made ``steps`` steps together.

    The judge is the environment's own ``info["violation"]`` and ``info["clearance"]``
    (:class:`~sb3_barriernet.envs.violation_counter.ViolationCounter` adds them). After a violation an episode is over,
    because nothing is promised beyond it.

    :param envs: copies that publish rows, of equal settings
    :param attack: any but the one that looks ahead, which needs a clearance that it can ask
    :param seed: of the attacker and, with the number of the copy, of its episodes
    :param backend: of the projection
    :raises MissingRowsError: if an environment publishes no rows
    :raises ConfigurationError: if it does not report the truth
    """
    copies = _Copies(envs, seed)
    space = envs[0].action_space
    assert isinstance(space, spaces.Box)  # `BarrierObservation` has checked it
    row_filter = RowFilter(space, backend=backend)
    arena = Arena(envs, row_filter, None, np.random.default_rng(seed), copies.rows)
    record, seconds = AttackRecord(attack.name), StepSeconds()
    arena.project(np.tile(arena.low, (len(envs), 1)), copies.rows)  # compiled before the clock runs
    while record.steps < steps:
        nominal = attack(arena)
        started = time.perf_counter()
        projection = arena.project(nominal, copies.rows)
        actions, status = projection.action.numpy(), projection.status.numpy()
        projected = time.perf_counter()
        infos, done = copies.step(actions)
        stepped = time.perf_counter()
        copies.compute_rows()
        seconds.projection += projected - started
        seconds.env += stepped - projected
        seconds.rows += time.perf_counter() - stepped
        violation = _count(record, status, infos)
        for i in np.flatnonzero(done | violation).tolist():
            copies.restart(i)
            attack.restart(i)
        arena.rows = copies.rows
    return record, seconds


class _Copies:
    """Steps what lies below the barriers, one after the other, and computes the rows of all in one call."""

    def __init__(self, envs: Sequence[gym.Env], seed: int):
        self.layers = [_barrier_layer(env) for env in envs]
        self.rows = np.stack([layer.reset(seed=seed + i)[0][BARRIER_KEY] for i, layer in enumerate(self.layers)])
        self._check_that_they_are_copies()

    def step(self, actions: np.ndarray) -> tuple[list[dict[str, Any]], np.ndarray]:
        """What the environments report, and which episodes are over ``(B,)``."""
        results = [layer.env.step(action) for layer, action in zip(self.layers, actions, strict=True)]
        done = np.array([terminated or truncated for *_, terminated, truncated, _ in results])
        return [info for *_, info in results], done

    def compute_rows(self) -> None:
        states = [layer.read_state() for layer in self.layers]
        rows = self.layers[0].barrier.rows(*(np.stack(parts) for parts in zip(*states, strict=True)))
        if not np.isfinite(rows).all():
            for layer, state in zip(self.layers, states, strict=True):
                layer.rows_at(state)  # the one with the bad rows raises, and says what is wrong
        self.rows = rows

    def restart(self, i: int) -> None:
        self.rows[i] = self.layers[i].reset()[0][BARRIER_KEY]

    def _check_that_they_are_copies(self) -> None:
        """The first barrier answers for all: it must say what each would say by itself."""
        alone = self.rows
        self.compute_rows()
        if self.rows.shape != alone.shape or not np.allclose(self.rows, alone, rtol=1e-9, atol=1e-9):
            raise ConfigurationError(
                f"Found other rows, of shape {self.rows.shape}, for all {len(alone)} copies at once than for each by "
                f"itself, of shape {alone.shape}; expected environments of equal settings, and a barrier that is "
                "vectorised over leading dimensions and depends on its arguments alone."
            )


def _barrier_layer(env: gym.Env) -> BarrierObservation:
    layer = env
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, BarrierObservation):
            return layer
        layer = layer.env
    raise MissingRowsError(
        f"Found no `BarrierObservation` among the wrappers of {env}; expected the one that publishes the rows. "
        "Wrap `BarrierObservation(env, barrier, state)`."
    )


def _count(record: AttackRecord, status: np.ndarray, infos: Sequence[dict[str, Any]]) -> np.ndarray:
    """Add one step of all copies to the record; which of them were violations, ``(B,)``."""
    if "violation" not in infos[0] or "clearance" not in infos[0]:
        raise ConfigurationError(
            f"Found the info keys {sorted(infos[0])}; expected 'violation' and 'clearance', by which attacks are "
            "judged. Wrap the environment in `ViolationCounter(env, clearance)`, below the barrier."
        )
    violation = np.array([info["violation"] for info in infos])
    record.steps += len(infos)
    record.violations += int(violation.sum())
    record.infeasible += int((status >= Status.INFEASIBLE).sum())
    record.corrected += int((status == Status.ACTIVE).sum())
    record.worst_clearance = min(record.worst_clearance, *(float(info["clearance"]) for info in infos))
    return violation
