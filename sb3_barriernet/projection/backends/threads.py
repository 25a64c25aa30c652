"""Large batches in several threads. The kernels release the GIL, so plain threads do."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from sb3_barriernet.projection.kernels.native import Kernel
from sb3_barriernet.projection.memory import allocate

CHUNK = 16384
"""Samples a thread must have to be worth waking up: about a millisecond of screening."""

_pools: dict[int, ThreadPoolExecutor] = {}

if hasattr(os, "register_at_fork"):
    # Threads do not survive a fork; the child starts its own pool when it needs one.
    os.register_at_fork(after_in_child=_pools.clear)


def in_chunks(kernel: Kernel, pack: Callable[..., bytes], arguments: tuple[Any, ...], batch: int, scratch: int) -> int:
    """Run the kernel over the batch, in up to ``torch.get_num_threads()`` threads.

    :param arguments: all that the kernel is told but the range of samples and its scratch memory
    :param scratch: how many numbers of it each thread gets
    :return: sum of what the kernel returns, or the first negative of them
    """

    def run(start: int, stop: int) -> int:
        memory = allocate(8 * scratch)
        return kernel(pack(start, stop, ctypes.addressof(memory), *arguments))

    if batch < 2 * CHUNK:
        return run(0, batch)
    threads = min(torch.get_num_threads(), batch // CHUNK)
    if threads == 1:
        return run(0, batch)
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="projection")
    edges = [batch * i // threads for i in range(threads + 1)]
    codes = list(_pools[threads].map(run, edges[:-1], edges[1:]))
    return min(codes) if min(codes) < 0 else sum(codes)
