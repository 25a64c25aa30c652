"""Plain memory that compiled code works on."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

LARGE = 1 << 16
"""Bytes that take longer to set to 0 than an array takes to make."""


def allocate(size: int, zeros: int = 0) -> Any:
    """At least ``size`` bytes, of which the first ``zeros`` are 0; ``ctypes.addressof`` tells where.

    Small ones take a tenth of the time that an array takes.
    """
    if size < LARGE:
        return _block((size | 1).bit_length())()
    memory = (ctypes.c_char * size).from_buffer(np.empty(size, np.uint8).data)
    ctypes.memset(memory, 0, zeros)
    return memory


@cache
def _block(bits: int) -> Any:
    return ctypes.c_char * (1 << bits)
