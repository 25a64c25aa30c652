"""Slow and obvious: the projection by enumeration of active sets, the least violation by a linear programme."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from scipy.optimize import linprog

Arrays = tuple[np.ndarray, ...]


def constraints(A: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> Arrays:
    """Rows and finite bounds as ``normals @ u + shifts >= 0``."""
    eye = np.eye(len(low))
    normals = np.vstack([A, eye[np.isfinite(low)], -eye[np.isfinite(high)]])
    return normals, np.concatenate([c, -low[np.isfinite(low)], high[np.isfinite(high)]])


def enumerate_projection(
    u: np.ndarray, A: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray, W: np.ndarray
) -> np.ndarray | None:
    """Best feasible point among the projections onto every subset of at most M faces; None if there is none."""
    normals, shifts = constraints(A, c, low, high)
    best, action = np.inf, None
    for size in range(len(u) + 1):
        for subset in itertools.combinations(range(len(normals)), size):
            N = normals[list(subset)].reshape(size, len(u))
            system = np.block([[W, -N.T], [N, np.zeros((size, size))]])
            right = np.concatenate([W @ u, -shifts[list(subset)]])
            if size and np.linalg.matrix_rank(N) < size:
                continue
            point = np.linalg.solve(system, right)[: len(u)]
            cost = (point - u) @ W @ (point - u)
            if cost < best and (normals @ point + shifts >= -1e-9).all():
                best, action = cost, point
    return action


def least_violation(
    A: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray, W: np.ndarray
) -> tuple[float, np.ndarray]:
    """Least worst violation of the rows that have coefficients, over their norms in the metric of ``W``; and norms."""
    norms = np.sqrt(np.einsum("ki,ij,kj->k", A, np.linalg.inv(W), A))
    some = norms > 0.0
    table = np.column_stack([-A[some], -norms[some]])
    bounds = [*zip(low, high, strict=True), (0.0, None)]
    return linprog([0.0] * len(low) + [1.0], table, c[some], bounds=bounds, method="highs").fun, norms


def random_batch(seed: int, batch: int, rows: int, dim: int, shift: float = 0.8) -> tuple[torch.Tensor, ...]:
    """Nominal actions, rows, low, high: about half of the samples need a correction."""
    generator = torch.Generator().manual_seed(seed)
    u = 1.5 * torch.randn(batch, dim, generator=generator, dtype=torch.float64)
    A = torch.randn(batch, rows, dim, generator=generator, dtype=torch.float64)
    c = torch.randn(batch, rows, generator=generator, dtype=torch.float64) + shift
    bound = 0.5 + torch.rand(dim, generator=generator, dtype=torch.float64)
    return u, A, c, -bound, 1.2 * bound


def random_weight(seed: int, dim: int, kind: str, batch: int = 0) -> torch.Tensor | None:
    """A weight of the kind ``identity``, ``diagonal``, ``full`` or ``batch``."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "identity":
        return None
    if kind == "diagonal":
        return 0.1 + 5.0 * torch.rand(dim, generator=generator, dtype=torch.float64)
    shape = (batch, dim, dim) if kind == "batch" else (dim, dim)
    root = torch.randn(shape, generator=generator, dtype=torch.float64)
    return root @ root.transpose(-1, -2) + 0.3 * torch.eye(dim, dtype=torch.float64)


def matrix(weight: torch.Tensor | None, sample: int, dim: int) -> np.ndarray:
    """The weight of one sample as a matrix."""
    if weight is None:
        return np.eye(dim)
    if weight.ndim == 1:
        return np.diag(weight.numpy())
    return (weight if weight.ndim == 2 else weight[sample]).numpy()
