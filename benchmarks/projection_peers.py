"""The peers of ``benchmarks/projection.py``: each turns a batch into a function that solves it.

A peer that is not installed is left out. Solvers get the problem in the form they like best, made before the clock
starts. ``forward`` returns actions, ``backward`` also runs the gradients with respect to ``u``, ``A`` and ``c``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sb3_barriernet.projection import project

Solve = Callable[[], Tensor]


class Batch(NamedTuple):
    """Problems in float64: ``u (B, M)``, ``A (B, K, M)``, ``c (B, K)``, ``low (M,)``, ``high (M,)``."""

    u: Tensor
    A: Tensor
    c: Tensor
    low: Tensor
    high: Tensor


def with_box(A: Tensor, c: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and box as ``G u <= h``."""
    batch, _, dim = A.shape
    eye = torch.eye(dim, dtype=A.dtype).expand(batch, dim, dim)
    return torch.cat([-A, -eye, eye], 1), torch.cat([c, -low.expand(batch, dim), high.expand(batch, dim)], 1)


def _ours(batch: Batch, backend: str) -> Callable[..., Tensor]:
    return lambda u, A, c: project(u, A, c, batch.low, batch.high, backend=backend).action


def _qpth(batch: Batch) -> Callable[..., Tensor]:
    from qpth.qp import QPFunction

    eye, none = torch.eye(batch.u.shape[1], dtype=torch.float64), torch.zeros(0, dtype=torch.float64)

    def act(u: Tensor, A: Tensor, c: Tensor) -> Tensor:
        G, h = with_box(A, c, batch.low, batch.high)
        return QPFunction(verbose=-1)(eye.expand(len(u), *eye.shape), -u, G, h, none, none)

    return act


def _proxsuite(batch: Batch) -> Callable[..., Tensor]:
    from proxsuite.torch.qplayer import QPFunction

    eye = torch.eye(batch.u.shape[1], dtype=torch.float64)
    none = torch.zeros(0, batch.u.shape[1], dtype=torch.float64)

    def act(u: Tensor, A: Tensor, c: Tensor) -> Tensor:
        G, h = with_box(A, c, batch.low, batch.high)
        size = len(u)
        solver = QPFunction(omp_parallel=False)
        return solver(
            eye.expand(size, *eye.shape), -u, none.expand(size, *none.shape), torch.zeros(size, 0).double(),
            G, torch.full_like(h, -1e20), h,
        )[0]  # fmt: skip

    return act


def _cvxpylayers(batch: Batch, solver_args: dict[str, object]) -> Callable[..., Tensor]:
    import cvxpy as cp
    from cvxpylayers.torch import CvxpyLayer

    _, rows, dim = batch.A.shape
    u, A, c, action = cp.Parameter(dim), cp.Parameter((rows, dim)), cp.Parameter(rows), cp.Variable(dim)
    box = [action >= batch.low.numpy(), action <= batch.high.numpy()]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(action - u)), [A @ action + c >= 0, *box])
    layer = CvxpyLayer(problem, parameters=[u, A, c], variables=[action])
    return lambda u, A, c: layer(u, A, c, solver_args=dict(solver_args))[0]


def quadprog_loop(batch: Batch) -> Solve:
    """Sample by sample, arrays prepared."""
    import quadprog

    G, h = (part.numpy() for part in with_box(*batch[1:]))
    u, eye = batch.u.numpy(), np.eye(batch.u.shape[1])
    transposed = np.ascontiguousarray(-G.transpose(0, 2, 1))
    jobs = list(zip(u, transposed, -h, strict=True))
    return lambda: torch.from_numpy(np.array([quadprog.solve_qp(eye, *job)[0] for job in jobs]))


def daqp_loop(batch: Batch) -> Solve:
    """Sample by sample, arrays prepared; the box as simple bounds, which daqp exploits."""
    import daqp

    _, rows, dim = batch.A.shape
    eye, sense = np.eye(dim), np.zeros(rows + dim, dtype=np.int32)
    upper = np.concatenate([batch.high.numpy(), np.full(rows, 1e30)])
    lowers = np.hstack([np.tile(batch.low.numpy(), (len(batch.u), 1)), -batch.c.numpy()])
    jobs = list(zip(-batch.u.numpy(), batch.A.numpy(), lowers, strict=True))
    return lambda: torch.from_numpy(np.array([daqp.solve(eye, f, A, upper, low, sense)[0] for f, A, low in jobs]))


def qpax_solvers(batch: Batch, **settings: float) -> tuple[Solve, Solve]:
    """All samples at once under ``vmap``, compiled; forward, and forward + backward."""
    import jax
    import qpax

    jax.config.update("jax_enable_x64", True)
    dim = batch.u.shape[1]
    low, high = jax.numpy.array(batch.low.numpy()), jax.numpy.array(batch.high.numpy())
    eye, no_rows, nothing = jax.numpy.eye(dim), jax.numpy.zeros((0, dim)), jax.numpy.zeros(0)
    given = [jax.numpy.array(part.numpy()) for part in batch[:3]]

    def act(u, A, c):
        G, h = jax.numpy.concatenate([-A, -eye, eye]), jax.numpy.concatenate([c, -low, high])
        return qpax.solve_qp_primal(eye, -u, no_rows, nothing, G, h, **settings)

    def total(u, A, c):
        actions = jax.vmap(act)(u, A, c)
        return actions.sum(), actions

    forward = jax.jit(jax.vmap(act))
    backward = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True))
    return (
        lambda: torch.from_numpy(np.array(forward(*given))),
        lambda: torch.from_numpy(np.array(jax.block_until_ready(backward(*given))[0][1])),
    )


DIFFERENTIABLE: dict[str, tuple[str, Callable[[Batch], Callable[..., Tensor]]]] = {
    "active_set": ("numba", lambda batch: _ours(batch, "active_set")),
    "torch backend": ("torch", lambda batch: _ours(batch, "torch")),
    "qpth": ("qpth", _qpth),
    "proxsuite": ("proxsuite", _proxsuite),
    "cvxpylayers (default)": ("cvxpylayers", lambda batch: _cvxpylayers(batch, {})),
    "cvxpylayers (Clarabel)": ("cvxpylayers", lambda batch: _cvxpylayers(batch, {"solve_method": "Clarabel"})),
}

FORWARD_ONLY = {"daqp loop": ("daqp", daqp_loop), "quadprog loop": ("quadprog", quadprog_loop)}


def solvers(batch: Batch) -> dict[tuple[str, str], Solve]:
    """Everything installed, by name and ``forward`` or ``forward + backward``."""
    found: dict[tuple[str, str], Solve] = {}
    for name, (package, build) in DIFFERENTIABLE.items():
        if importlib.util.find_spec(package):
            act = build(batch)
            found[name, "forward"] = _forward(act, batch)
            found[name, "forward + backward"] = _backward(act, batch)
    if importlib.util.find_spec("qpax"):
        for name, settings in (("qpax (default)", {}), ("qpax (1e-9)", {"solver_tol": 1e-9})):
            found[name, "forward"], found[name, "forward + backward"] = qpax_solvers(batch, **settings)
    for name, (package, loop) in FORWARD_ONLY.items():
        if importlib.util.find_spec(package):
            found[name, "forward"] = loop(batch)
    return found


def _forward(act: Callable[..., Tensor], batch: Batch) -> Solve:
    def solve() -> Tensor:
        with torch.no_grad():
            return act(*batch[:3])

    return solve


def _backward(act: Callable[..., Tensor], batch: Batch) -> Solve:
    leaves = [part.clone().requires_grad_() for part in batch[:3]]
    incoming = torch.ones_like(batch.u)

    def solve() -> Tensor:
        action = act(*leaves)
        torch.autograd.grad(action, leaves, incoming)
        return action.detach()

    return solve
