"""Large batches in several threads. The kernels release the GIL, so plain threads do."""

from __future__ import annotations

import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch

from sb3_barriernet.projection.kernels.layout import pack_range
from sb3_barriernet.projection.kernels.native import Kernel
from sb3_barriernet.projection.memory import allocate

CHUNK = 16384
"""Samples a thread must have to be worth waking up: about a millisecond of screening."""

_pools: dict[int, ThreadPoolExecutor] = {}

if hasattr(os, "register_at_fork"):
    # Threads do not survive a fork; the child starts its own pool when it needs one.
    os.register_at_fork(after_in_child=_pools.clear)


def in_chunks(kernel: Kernel, given: bytes, batch: int, scratch: int) -> int:
    """Run the kernel over the batch, in up to ``torch.get_num_threads()`` threads.

    :param given: all that the kernel is told but the range of samples and its scratch memory
    :param scratch: how many numbers of it each thread gets
    :return: sum of what the kernel returns, or the first negative of them
    """
    if batch < 2 * CHUNK or (threads := min(torch.get_num_threads(), batch // CHUNK)) == 1:
        return _run(kernel, given, scratch, 0, batch)
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="projection")
    edges = [batch * i // threads for i in range(threads + 1)]
    codes = list(_pools[threads].map(partial(_run, kernel, given, scratch), edges[:-1], edges[1:]))
    return min(codes) if min(codes) < 0 else sum(codes)


def _run(kernel: Kernel, given: bytes, scratch: int, start: int, stop: int) -> int:
    if scratch > _scratch.size:
        _scratch.grow(scratch)
    return kernel(pack_range(start, stop, _scratch.address) + given)


class _Scratch(threading.local):
    """Working memory of a thread, as large as the most that it has asked for. Kernels read there what they wrote."""

    def __init__(self) -> None:
        self.size = 0
        self.address = 0

    def grow(self, size: int) -> None:
        """Make room for ``size`` numbers."""
        self.memory = allocate(8 * size)
        self.size, self.address = size, ctypes.addressof(self.memory)


_scratch = _Scratch()
