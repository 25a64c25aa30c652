"""Plain memory that compiled code works on."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

LARGE = 1 << 16
"""Bytes that take longer to set to 0, as ctypes does, than an array takes to make."""


def allocate(size: int) -> Any:
    """At least ``size`` bytes that hold anything; ``ctypes.addressof`` tells where. In a tenth of the time of an array
    if they are few."""
    if size < LARGE:
        return _blocks[size.bit_length()]()
    return (ctypes.c_char * size).from_buffer(np.empty(size, np.uint8).data)


class _Blocks(dict[int, Any]):
    """Types of a power of two bytes, by its exponent, made when they are asked for: all at once would delay imports."""

    def __missing__(self, bits: int) -> Any:
        block = self[bits] = ctypes.c_char * (1 << bits)
        return block


_blocks = _Blocks()
