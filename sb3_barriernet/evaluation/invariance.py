"""A test harness that tries to break any barrier."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import gymnasium as gym
import numpy as np

from sb3_barriernet.envs.violation_counter import measured
from sb3_barriernet.errors import MissingRowsError
from sb3_barriernet.evaluation.attacks import ATTACKS, Arena, Attack, Clearance
from sb3_barriernet.projection import Status
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.rows import BARRIER_KEY, check_spaces

SHOWN_STEPS = 12


class Moment(NamedTuple):
    """One step of an attack."""

    state: tuple[np.ndarray, ...]
    """What the barrier's state reader gave before the step."""
    nominal: np.ndarray
    safe: np.ndarray
    clearance: float
    """After the step."""

    def __str__(self) -> str:
        state = " ".join(map(_short, self.state))
        return (
            f"  state {state}  nominal {_short(self.nominal)}  safe {_short(self.safe)}  "
            f"clearance after {self.clearance:.6g}"
        )


@dataclass
class AttackRecord:
    """What one attack achieved."""

    attack: str
    steps: int = 0
    violations: int = 0
    """Steps after which the clearance was negative."""
    infeasible: int = 0
    """Steps at which no action satisfied every row."""
    corrected: int = 0
    """Steps at which a row changed the action. An attack that is never corrected has tested nothing."""
    worst_clearance: float = np.inf
    worst_trajectory: list[Moment] = field(default_factory=list)
    """The last steps up to the worst moment."""


@dataclass(frozen=True)
class InvarianceReport:
    """The records of all attacks; printing it shows the worst trajectory."""

    records: tuple[AttackRecord, ...]

    @property
    def violations(self) -> int:
        return sum(record.violations for record in self.records)

    @property
    def infeasible(self) -> int:
        return sum(record.infeasible for record in self.records)

    @property
    def worst(self) -> AttackRecord:
        """The record with the smallest clearance."""
        return min(self.records, key=lambda record: record.worst_clearance)

    def __str__(self) -> str:
        lines = [f"{'attack':<12}{'steps':>9}{'violations':>12}{'infeasible':>12}{'corrected':>11}  worst clearance"]
        lines += [
            f"{r.attack:<12}{r.steps:>9}{r.violations:>12}{r.infeasible:>12}{r.corrected:>11}  {r.worst_clearance:.6g}"
            for r in self.records
        ]
        lines.append(f"worst trajectory ({self.worst.attack}), its last {SHOWN_STEPS} steps:")
        lines += map(str, self.worst.worst_trajectory)
        return "\n".join(lines)


def attack_barrier(
    env: gym.Env,
    clearance: Clearance,
    *,
    steps: int = 10_000,
    attacks: Iterable[type[Attack]] = ATTACKS,
    seed: int = 0,
    backend: str | None = None,
) -> InvarianceReport:
    """Let attackers loose on a filtered environment and record what they achieve.

    :param env: environment that publishes rows (:class:`~sb3_barriernet.BarrierObservation`), not rendered, because
        the attack that looks ahead copies it
    :param clearance: reads the truth from the *unwrapped* environment: how far its state is from a violation,
        negative in one. Write it from the task's geometry; a metric that reuses the barrier judges nothing.
    :param steps: for each attack
    :param seed: of the episodes and the attackers
    :param backend: of the projection
    :raises MissingRowsError: if the environment publishes no rows
    :raises ConfigurationError: if the clearance is not one number
    """
    check_spaces(env.observation_space, env.action_space)
    if not env.has_wrapper_attr("barrier"):
        raise MissingRowsError(
            "Found rows in the observation but no `BarrierObservation` among the wrappers; expected the wrapper "
            "itself, whose state reader says where the worst trajectory went. "
            "Wrap `BarrierObservation(env, barrier, state)`."
        )
    row_filter = RowFilter(env.action_space, backend=backend)  # type: ignore[arg-type]
    records = []
    for kind in attacks:
        arena = Arena([env], row_filter, clearance, np.random.default_rng(seed), np.empty(0))
        records.append(_run(kind(), arena, clearance, steps, seed))
    return InvarianceReport(tuple(records))


def assert_invariant(
    env: gym.Env,
    clearance: Clearance,
    *,
    steps: int = 10_000,
    attacks: Iterable[type[Attack]] = ATTACKS,
    seed: int = 0,
    backend: str | None = None,
    allow_infeasible: bool = False,
) -> InvarianceReport:
    """:func:`attack_barrier`, and fail with the worst trajectory if anything got through.

    :param allow_infeasible: accept steps whose rows contradict each other, as long as no violation follows
    :return: the report of an unbroken barrier
    :raises AssertionError: if there was a violation, or an infeasible step
    """
    report = attack_barrier(env, clearance, steps=steps, attacks=attacks, seed=seed, backend=backend)
    broken = report.violations > 0 or (report.infeasible > 0 and not allow_infeasible)
    if broken:
        raise AssertionError(
            f"The barrier was broken: {report.violations} violations, {report.infeasible} infeasible steps. Rows that "
            "cannot hold ask more than the actuators can do: look further ahead, or lower gamma or alpha. Violations "
            "while all rows hold come from a model that is not the simulator's step: compare dt, the order of its "
            f"updates, its clips.\n{report}"
        )
    return report


def _run(attack: Attack, arena: Arena, measure: Clearance, steps: int, seed: int) -> AttackRecord:
    record = AttackRecord(attack.name)
    episode: deque[Moment] = deque(maxlen=SHOWN_STEPS)
    (env,) = arena.envs
    done = True
    while record.steps < steps:
        if done:
            arena.rows = env.reset(seed=seed if record.steps == 0 else None)[0][BARRIER_KEY][None]
            attack.restart(0)
            episode.clear()
        state = _copy_state(env)
        nominal = attack(arena)
        projection = arena.project(nominal, arena.rows)
        safe = projection.action[0].numpy()
        observation, _, terminated, truncated, _ = env.step(safe)
        arena.rows = observation[BARRIER_KEY][None]
        clearance = measured(measure, env)
        episode.append(Moment(state, nominal[0], safe, clearance))
        _count(record, int(projection.status[0]), clearance, episode)
        # Beyond a violation nothing is promised any more.
        done = terminated or truncated or clearance < 0.0
    return record


def _count(record: AttackRecord, status: int, clearance: float, episode: Iterable[Moment]) -> None:
    record.steps += 1
    record.violations += not clearance >= 0.0
    record.infeasible += status >= Status.INFEASIBLE
    record.corrected += status == Status.ACTIVE
    if clearance < record.worst_clearance:
        record.worst_clearance = clearance
        record.worst_trajectory = list(episode)


def _copy_state(env: gym.Env) -> tuple[np.ndarray, ...]:
    read = env.get_wrapper_attr("state")
    return tuple(np.array(part) for part in read(env.unwrapped))


def _short(values: np.ndarray) -> str:
    return np.array2string(np.asarray(values), precision=4, suppress_small=True, threshold=8)
