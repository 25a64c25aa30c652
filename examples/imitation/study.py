"""All networks, seeds and tests of a task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch as th
from torch import nn

from examples.imitation.learning import Demonstrations, controller, demonstrate, imitate
from examples.imitation.measures import Test, make_test, measure, open_loop_error
from examples.imitation.networks import BarrierNetwork, PlainNetwork, PublishedNetwork
from examples.imitation.robot_2d import UNSEEN_RADII, Robot2D, Robot2DAsPublished
from examples.imitation.task import Controller, Drive, ImitationTask, drive

TEST_SEED = 1000
"""Of the starts of every test; those of demonstrations come from the training seed."""


class Outcome(NamedTuple):
    """What one method did in one test."""

    record: dict[str, Any]
    """Task, radius, method, seed (None for an expert) and measures."""
    driven: Drive


class Method(NamedTuple):
    """A way to drive."""

    act: Controller
    train_s: float = 0.0
    seen: Callable[[ImitationTask], ImitationTask] = lambda task: task
    """The task with the rows that ``act`` takes."""


@dataclass(frozen=True)
class Study:
    """How much is shown, learned and tested."""

    seeds: tuple[int, ...]
    demonstrations: int
    """Drives that are shown."""
    effort: float
    """Share of the task's gradient steps that is taken."""
    test_starts: int

    def run(self, task: ImitationTask) -> Iterator[Outcome]:
        """The expert, then every network of every seed, each in every test."""
        tests = self._tests(task)
        for test in tests:
            yield _outcome("expert", Method(test.task.expert), None, test)
        for seed in self.seeds:
            for name, method in self._methods(task, seed):
                for test in tests:
                    yield _outcome(name, method, seed, test)

    def _tests(self, task: ImitationTask) -> list[Test]:
        """As it was shown, then with radii that were never seen."""
        grown = [Robot2D(radius) for radius in UNSEEN_RADII] if isinstance(task, Robot2D) else []
        return [make_test(each, task, self.test_starts, TEST_SEED) for each in (task, *grown)]

    def _methods(self, task: ImitationTask, seed: int) -> Iterator[tuple[str, Method]]:
        """Everything that learns from the same demonstrations."""
        shown = demonstrate(task, task.starts(self.demonstrations, np.random.default_rng(seed)))
        yield "layer", self._learned(BarrierNetwork, task, shown, seed)
        plain = self._learned(PlainNetwork, task, shown, seed)
        yield "plain", plain
        yield "filtered", plain._replace(act=lambda states, rows: task.filtered(plain.act(states, rows), rows))
        if isinstance(task, Robot2D):
            paper = self._learned(PublishedNetwork, Robot2DAsPublished(), shown, seed)
            # Every task that this network is tested on is a Robot2D, which has a radius.
            yield "paper", paper._replace(seen=lambda task: Robot2DAsPublished(task.radius))

    def _learned(self, kind: type[nn.Module], task: ImitationTask, shown: Demonstrations, seed: int) -> Method:
        begin = time.perf_counter()
        th.manual_seed(seed)
        network = kind(task, shown.states)
        imitate(network, task, shown, steps=round(self.effort * task.learning_steps), seed=seed)
        return Method(controller(network), time.perf_counter() - begin)


def _outcome(name: str, method: Method, seed: int | None, test: Test) -> Outcome:
    task = method.seen(test.task)
    driven = drive(task, method.act, test.starts)
    record = {
        "task": test.task.name,
        "radius": getattr(test.task, "radius", None),
        "method": name,
        "seed": seed,
        **measure(driven, test),
        "open_loop_error": open_loop_error(method.act, task, test.expert),
        "train_s": method.train_s,
    }
    return Outcome(record, driven)
