"""Jobs in processes of their own, on this machine or on many: one that dies takes nothing along."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.context import ForkServerContext, SpawnContext

from sb3_barriernet.errors import ConfigurationError, MissingPackageError
from sb3_barriernet.zoo.study import Job
from sb3_barriernet.zoo.study_job import run_job, write_results

PRELOADED = ["rl_zoo3.train", "sb3_barriernet.zoo.study_job"]
"""Imported once by the process from which the workers are forked; that alone takes as long as 50,000 training steps."""

SCHEDULER_TIMEOUT = 10.0
"""How long a Dask scheduler may take to answer, s."""


def run_locally(jobs: Sequence[Job], workers: int, attempts: int = 2) -> Iterator[tuple[Job, str | None]]:
    """Run jobs in processes of this machine, and yield each with what went wrong, if anything did.

    :param jobs: what to run
    :param workers: processes at a time
    :param attempts: how often a job is begun whose process was killed
    """
    context = _context()
    pool = ThreadPoolExecutor(workers)
    try:
        futures = {pool.submit(_in_a_process, context, job, attempts): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for process in multiprocessing.active_children():  # none, unless the caller was interrupted
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _context() -> ForkServerContext | SpawnContext:
    """Where there is a fork, workers are forked from a process that has imported everything."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _in_a_process(context: ForkServerContext | SpawnContext, job: Job, attempts: int) -> str | None:
    log = job.run.folder / f"{job.run.env_id}.log"
    for _ in range(attempts):
        process = context.Process(target=_logged, args=(job, str(log)), name=job.name)
        process.start()
        process.join()
        assert process.exitcode is not None
        if process.exitcode == 0:
            return None
        if process.exitcode > 0:  # it failed by itself, and would again
            return f"failed, see {log}"
    return f"was killed {attempts} times, see {log}"


def _logged(job: Job, log: str) -> None:
    """The job's own process, from its first line on."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    sys.stdout = sys.stderr = open(log, "w", encoding="utf-8", buffering=1)  # noqa: SIM115, open to the very end
    run_job(job)


def run_on_dask(jobs: Sequence[Job], address: str) -> Iterator[tuple[Job, str | None]]:
    """Run jobs on the workers of a Dask cluster, and yield each with what went wrong, if anything did.

    Workers train in a folder of the same name, on a disk of their own or a shared one; results come back and are
    written here. The job of a worker that dies is begun again by another, as often as the scheduler allows. Workers
    must have one thread: ``dask worker ADDRESS --nthreads 1``.

    :param address: of the scheduler, for example ``tcp://10.0.0.1:8786``
    :raises MissingPackageError: if Dask is not installed
    :raises ConfigurationError: if no scheduler answers
    """
    try:
        from distributed import Client
        from distributed import as_completed as completed
    except ImportError as error:
        raise MissingPackageError(
            "Running a study on many machines needs Dask. Install it with: pip install 'sb3-barriernet[distributed]'"
        ) from error
    try:
        client = Client(address, timeout=SCHEDULER_TIMEOUT)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"Found no Dask scheduler at {address!r}: {error} Start one with `dask scheduler` and give its address, "
            "for example tcp://10.0.0.1:8786."
        ) from error
    with client:
        futures = {client.submit(run_job, job, key=f"{job.name} in {job.folder}", pure=False): job for job in jobs}
        for future in completed(list(futures)):
            job, failure = futures[future], future.exception()
            if failure is None:
                write_results(job, future.result())
            yield job, None if failure is None else f"failed: {failure!r}"
