"""A study on a cluster: the same numbers as on one machine, a worker lost half way or not."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.zoo import workers
from sb3_barriernet.zoo.study import Job, read_study
from sb3_barriernet.zoo.workers import run_locally, run_on_dask

distributed = pytest.importorskip("distributed")

STUDY = """
seeds: [0, 1]
eval_episodes: 2
environments:
  PursuitEvasionClutter-v0: {timesteps: 4096}
methods:
  ours: {algo: barrierppo}
  plain: {algo: ppo}
"""
OF_THE_MACHINE = {"provenance", "train_wall_s"}


def jobs(folder: Path) -> list[Job]:
    folder.mkdir()
    (folder / "study.yml").write_text(STUDY)
    return read_study(folder / "study.yml").jobs(folder)


def numbers(listed: list[Job]) -> list[dict]:
    results = [json.loads(job.result_file(method).read_text()) for job in listed for method in job.methods]
    return [{key: value for key, value in result.items() if key not in OF_THE_MACHINE} for result in results]


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_finds_the_same_as_one_machine(tmp_path):
    alone, clustered = jobs(tmp_path / "alone"), jobs(tmp_path / "clustered")
    assert [failure for _, failure in run_locally(alone, workers=2)] == [None] * 4

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        victim = next(iter(cluster.workers.values())).pid
        killer = threading.Thread(target=kill_when_busy, args=(victim, clustered), daemon=True)
        killer.start()
        outcomes = [failure for _, failure in run_on_dask(clustered, cluster.scheduler_address)]
        killer.join()
    assert outcomes == [None] * 4
    assert numbers(clustered) == numbers(alone)


def kill_when_busy(pid: int, listed: list[Job]) -> None:
    """Kill a worker as soon as anything is being trained; there are as many jobs running as workers."""
    while not any(job.run.path.exists() for job in listed):
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)


def test_a_scheduler_that_does_not_answer_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "SCHEDULER_TIMEOUT", 0.5)
    with pytest.raises(ConfigurationError, match=r"no Dask scheduler at 'tcp://127.0.0.1:9'.*dask scheduler"):
        list(run_on_dask(jobs(tmp_path / "study"), "tcp://127.0.0.1:9"))
