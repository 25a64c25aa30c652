"""Orthonormal basis of the active normals: Gram-Schmidt, done twice, which is as good as Householder."""

from __future__ import annotations

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel

INDEPENDENT = 1e-12
"""A unit normal that lies this close to the span of the active ones counts as part of it."""


@kernel
def split_normal(work, count, index):  # type: ignore[no-untyped-def]
    """Split a normal into the span of the ``count`` active normals and the rest.

    Writes the rest to ``work.away``, the coordinates in the basis to ``work.along``; returns the length of
    the rest.
    """
    dim = work.v.shape[0]
    for j in range(dim):
        work.away[j] = work.normals[index, j]
    for i in range(count):
        work.along[i] = 0.0
    for _ in range(2):
        for i in range(count):
            dot = 0.0
            for j in range(dim):
                dot += work.basis[i, j] * work.away[j]
            work.along[i] += dot
            for j in range(dim):
                work.away[j] -= dot * work.basis[i, j]
    square = 0.0
    for j in range(dim):
        square += work.away[j] * work.away[j]
    return np.sqrt(square)


@kernel
def append_split(work, count, length):  # type: ignore[no-untyped-def]
    """Add the normal that :func:`split_normal` has just split."""
    for i in range(count):
        work.triangle[i, count] = work.along[i]
    work.triangle[count, count] = length
    for j in range(work.v.shape[0]):
        work.basis[count, j] = work.away[j] / length


@kernel
def rebuild(work, first, count):  # type: ignore[no-untyped-def]
    """Renew the basis from active normal ``first`` on."""
    for i in range(first, count):
        append_split(work, i, split_normal(work, i, work.active[i]))


@kernel
def combine(work, count):  # type: ignore[no-untyped-def]
    """Turn coordinates in the basis (``work.along``) into coefficients of the active normals."""
    for i in range(count - 1, -1, -1):
        value = work.along[i]
        for j in range(i + 1, count):
            value -= work.triangle[i, j] * work.along[j]
        work.along[i] = value / work.triangle[i, i]
