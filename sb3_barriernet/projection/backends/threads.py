"""Large batches in several threads. The kernels release the GIL, so plain threads do."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

CHUNK = 16384
"""Samples a thread must have to be worth waking up: about a millisecond of screening."""

_pools: dict[int, ThreadPoolExecutor] = {}

if hasattr(os, "register_at_fork"):
    # Threads do not survive a fork; the child starts its own pool when it needs one.
    os.register_at_fork(after_in_child=_pools.clear)


def in_chunks(kernel: Callable[..., int], before: tuple[Any, ...], batch: int, after: tuple[Any, ...]) -> int:
    """``kernel(*before, start, stop, *after)`` over the batch, in up to ``torch.get_num_threads()`` threads.

    :return: sum of what the kernel returns, or the first negative of them
    """
    if batch < 2 * CHUNK:
        return kernel(*before, 0, batch, *after)
    threads = min(torch.get_num_threads(), batch // CHUNK)
    if threads == 1:
        return kernel(*before, 0, batch, *after)
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="projection")
    edges = [batch * i // threads for i in range(threads + 1)]
    jobs = [_pools[threads].submit(kernel, *before, start, stop, *after) for start, stop in itertools.pairwise(edges)]
    codes = [job.result() for job in jobs]
    return min(codes) if min(codes) < 0 else sum(codes)
