"""Methods x seeds on one environment: train each, evaluate each on the same episodes, collect the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_barriernet.evaluation.agents import Predictor
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.safety_filter import SafetyFilter
from sb3_barriernet.zoo.measurement import EVALUATION_SEED, measure
from sb3_barriernet.zoo.results_folder import claim, write_json
from sb3_barriernet.zoo.runs import ZooRun

HIDDEN_ROWS = {
    "barrierppo": {"observe_rows": "False", "correction_coef": "0.0"},
    "ppo": {"policy_kwargs": "dict(observe_rows=False)"},
}
"""What hides the rows from a network; one that cannot see them is not charged for its corrections."""


@dataclass(frozen=True)
class Method:
    """A way to act: an algorithm of the Zoo and what stands between it and the environment.

    :param algo: trained by the Zoo under this name
    :param act: wraps the trained model into what acts
    """

    algo: str
    act: Callable[[BaseAlgorithm], Predictor]


METHODS: dict[str, Method] = {
    "barrierppo": Method("barrierppo", lambda model: model),
    "ppo": Method("ppo", lambda model: model),
    "ppo+filter": Method("ppo", SafetyFilter),
}

ALGOS = sorted({method.algo for method in METHODS.values()})
"""Algorithms that are trained."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, and where it is written.

    :param env_id: environment id
    :param methods: keys of :data:`METHODS`
    :param seeds: training seeds
    :param timesteps: training steps of every method; None takes those of the YAML
    :param eval_episodes: evaluation episodes of every run
    :param folder: everything is written below it
    :param hide_rows: whether the rows are hidden from every network
    :param config_folder: where ``<algo>.yml`` is read; by default the hyperparameters of this package
    :param gym_packages: modules that register the environment when they are imported
    """

    env_id: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    timesteps: int | None
    eval_episodes: int
    folder: Path
    hide_rows: bool = False
    config_folder: Path | None = None
    gym_packages: tuple[str, ...] = ()

    def zoo_run(self, method: str, seed: int) -> ZooRun:
        """The training run behind a method; two methods may share one."""
        return self._run_of(METHODS[method].algo, seed)

    def _run_of(self, algo: str, seed: int) -> ZooRun:
        overrides = HIDDEN_ROWS[algo] if self.hide_rows else {}
        folder = self.folder / "runs" / f"seed_{seed}"
        config = self.config_folder / f"{algo}.yml" if self.config_folder else None
        return ZooRun(algo, self.env_id, seed, folder, self.timesteps, overrides, config, self.gym_packages)

    def zoo_runs(self) -> list[ZooRun]:
        """Every training run once, seeds outermost."""
        runs = {(METHODS[m].algo, seed): self.zoo_run(m, seed) for seed in self.seeds for m in self.methods}
        return list(runs.values())

    def settings(self) -> dict[str, Any]:
        """What all runs in one folder must share: what is trained, how long, with which hyperparameters."""
        return {
            "env_id": self.env_id,
            "timesteps": self.timesteps,
            "hide_rows": self.hide_rows,
            "hyperparameters": {algo: self._run_of(algo, 0).hyperparameters for algo in ALGOS},
        }

    def claim_folder(self) -> None:
        """Refuse a folder whose runs were trained under other settings, before anything starts.

        :raises ConfigurationError: if another comparison lives there
        """
        claim(self.folder / "comparison.json", self.settings(), f"another comparison in {self.folder}")

    def train(self, *, workers: int = 1, progress: bool = True) -> Iterator[ZooRun]:
        """Train what is not finished yet, and yield each run when it is; a failure cancels what has not begun."""
        pool = ThreadPoolExecutor(workers)
        try:
            show = progress and workers == 1
            futures = {pool.submit(run.train, progress=show): run for run in self.zoo_runs()}
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        finally:
            pool.shutdown(cancel_futures=True)

    def evaluate(self, method: str, seed: int, on_episode: Callable[[int], Any] | None = None) -> dict[str, Any]:
        """Metrics of one run; read back if they were computed before on the same trained model."""
        cache = self.zoo_run(method, seed).path / f"evaluation-{method}-{self.eval_episodes}.json"
        if cache.exists():
            return json.loads(cache.read_text())
        metrics = self._evaluate(method, seed, on_episode)
        write_json(cache, metrics)
        return metrics

    def _evaluate(self, method: str, seed: int, on_episode: Callable[[int], Any] | None) -> dict[str, Any]:
        run = self.zoo_run(method, seed)
        model = run.load()
        agent = METHODS[method].act(model)
        metrics = measure(run, model, agent, self.eval_episodes, on_episode=on_episode)
        return {"method": method, "seed": seed, **metrics}


def collect(comparison: Comparison, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of ``results.json``."""
    return {
        "env": comparison.env_id,
        "hide_rows": comparison.hide_rows,
        "eval_episodes": comparison.eval_episodes,
        "eval_seed": EVALUATION_SEED,
        "runs": runs,
        **provenance(),
    }
