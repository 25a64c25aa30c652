"""Scratch memory of the general solver, one a thread."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sb3_barriernet.projection.kernels.compiling import kernel


class Workspace(NamedTuple):
    """Everything lives in scaled actions ``v = L' u`` with ``W = L L'``, where the projection is Euclidean.

    Constraint ``i`` reads ``normals[i] . v >= offsets[i] - slack * lifts[i]``: rows first, then lower bounds,
    then upper bounds. All normals but those of rows without coefficients are unit vectors.
    """

    normals: Any
    """(C, M) with C = K + 2 M"""
    offsets: Any
    """(C,)"""
    sizes: Any
    """(C,) magnitude of the terms that cancel in a constraint: what its rounding errors are relative to"""
    lifts: Any
    """(C,) 1 for rows, 0 for the box, which is never relaxed"""
    norms: Any
    """(C,) length of the normal before it was normalised; 0 where a constraint plays no part"""
    start: Any
    """(M,) nominal action, scaled"""
    v: Any
    """(M,) current action, scaled"""
    basis: Any
    """(M, M) orthonormal basis of the active normals, one a row"""
    triangle: Any
    """(M, M) upper triangular: active normal j = sum_i triangle[i, j] basis[i]"""
    multipliers: Any
    """(M + 1,) of the active constraints, at least 0"""
    along: Any
    """(M + 1,) the incoming normal as a combination of active normals"""
    away: Any
    """(M,) part of the incoming normal that no active normal explains"""
    certificate: Any
    """(M + 1,) combination of constraints that no action satisfies"""
    factor: Any
    """(M, M) lower triangular L with W = L L'"""
    active: Any
    """(M + 1,) indices of the active constraints"""
    is_active: Any
    """(C,)"""
    culprits: Any
    """(M + 1,) indices of the constraints of the certificate"""


@kernel
def make_workspace(rows, dim):  # type: ignore[no-untyped-def]
    """A workspace for ``rows`` rows over ``dim`` actions."""
    count = rows + 2 * dim
    return Workspace(
        np.empty((count, dim)),
        np.empty(count),
        np.empty(count),
        np.empty(count),
        np.empty(count),
        np.empty(dim),
        np.empty(dim),
        np.empty((dim, dim)),
        np.empty((dim, dim)),
        np.empty(dim + 1),
        np.empty(dim + 1),
        np.empty(dim),
        np.empty(dim + 1),
        np.empty((dim, dim)),
        np.empty(dim + 1, np.int64),
        np.empty(count, np.bool_),
        np.empty(dim + 1, np.int64),
    )
