"""One job of a study: train, distill, measure, and write down each result when it is whole."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sb3_barriernet.barrier_ppo import BarrierPPO, distill
from sb3_barriernet.evaluation import TrainingRecorder
from sb3_barriernet.evaluation.agents import Predictor
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.safety_filter import SafetyFilter
from sb3_barriernet.zoo.measurement import measure
from sb3_barriernet.zoo.results_folder import claim, write_json
from sb3_barriernet.zoo.study import Job, StudyMethod


def run_job(job: Job) -> list[dict[str, Any]]:
    """Train unless that is done, and measure every method that has no result yet.

    A job may be killed at any moment and run again: what is written is whole, and an attempt that is still alive
    somewhere is waited for, never joined.

    :return: results of all methods of the job
    """
    with _alone(job):
        if not job.is_finished:
            claim_folder(job)
            job.run.train_here()
        return [_result(job, name, method) for name, method in job.methods.items()]


def write_results(job: Job, results: list[dict[str, Any]]) -> None:
    """Write down what another machine has found, unless it has done so itself on a shared disk."""
    for method, result in zip(job.methods, results, strict=True):
        if not job.result_file(method).exists():
            write_json(job.result_file(method), result)


def claim_folder(job: Job) -> None:
    """Refuse a folder in which a method of the same name has been defined otherwise.

    :raises ConfigurationError: if another study lives there
    """
    for method in job.methods:
        file = job.result_file(method).with_suffix(".definition.json")
        claim(file, job.definition(method), f"another study in {job.folder}: {method!r} on {job.run.env_id}")


@contextmanager
def _alone(job: Job) -> Iterator[None]:
    """Hold the training's lock; the system lets go of it when the process ends, however it ends."""
    job.run.folder.mkdir(parents=True, exist_ok=True)
    with (job.run.folder / f"{job.run.env_id}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _result(job: Job, name: str, method: StudyMethod) -> dict[str, Any]:
    file = job.result_file(name)
    if not file.exists():
        model = job.run.load()
        if method.distill is not None:
            assert isinstance(model, BarrierPPO)
            env = job.run.make_env(model.n_envs, job.run.seed)
            model = distill(model, env, method.distill, callback=TrainingRecorder())
            model.save(file.with_suffix(".zip"))
        agent: Predictor = SafetyFilter(model) if method.filter else model
        metrics = measure(job.run, model, agent, job.eval_episodes, deployed=method.deploy)
        origin = {"env": job.run.env_id, "method": name, "seed": job.run.seed}
        write_json(file, {**origin, **metrics, "provenance": provenance()})
    return json.loads(file.read_text())
