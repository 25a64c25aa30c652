"""From tensors to the addresses that kernels work on, and back."""

from __future__ import annotations

from torch import Tensor, empty_like, is_grad_enabled

from sb3_barriernet.projection.backends.active_set_gradient import make_differentiable
from sb3_barriernet.projection.backends.threads import in_chunks
from sb3_barriernet.projection.backends.weights import factor_weight, refuse_weight
from sb3_barriernet.projection.details import Details
from sb3_barriernet.projection.kernels.layout import BAD_WEIGHT, pack_to_solve
from sb3_barriernet.projection.kernels.native import load_kernel
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.result import Projection
from sb3_barriernet.projection.setup import Setup, make_setup


def locate(problem: Problem) -> tuple[Setup, Tensor, Tensor, Tensor]:
    """Setup, nominal actions and rows in the layout that kernels read: copies of what lies wrong, the rest as it is."""
    u, A, c, low, high, weight, backup = problem
    _, rows, dim = A.shape
    metric = weight
    if weight is not None:
        metric = weight = weight.contiguous()
        if weight.dim() > 1:
            metric = factor_weight(weight)
    backup = None if backup is None else backup.contiguous()
    setup = make_setup(rows, dim, low.contiguous(), high.contiguous(), weight, backup, metric)
    return setup, u.contiguous(), A if dim == 1 or A.stride(2) == 1 else A.contiguous(), c.contiguous()


def run(
    setup: Setup, u: Tensor, A: Tensor, c: Tensor, batch: int, strides: tuple[int, ...], single: bool
) -> Projection:
    """Project what :func:`locate` returned, a ``batch`` of it; ``strides`` are those of ``A``, ``single`` is whether
    ``u`` is float32."""
    action = empty_like(u)
    details = Details(batch, setup.dim)
    given = pack_to_solve(
        u.data_ptr(), single, A.data_ptr(), strides[0], strides[1], c.data_ptr(), setup.packed,
        details.faces_address, action.data_ptr(), details.slack_address, details.status_address,
    )  # fmt: skip
    pending = in_chunks(load_kernel("screen"), given, batch, setup.screen_scratch)
    if pending == BAD_WEIGHT:
        refuse_weight(setup.weight)
    if pending:
        in_chunks(load_kernel("solve_pending"), given, batch, setup.solve_scratch)
    if is_grad_enabled() and _want_gradient(setup, u, A, c):
        action = make_differentiable((action, details, setup), u, A, c, setup.low, setup.high, setup.weight)
    return Projection(action, None, None, None, setup.rows, details)


def _want_gradient(setup: Setup, u: Tensor, A: Tensor, c: Tensor) -> bool:
    return (
        u.requires_grad
        or A.requires_grad
        or c.requires_grad
        or setup.low.requires_grad
        or setup.high.requires_grad
        or (setup.weight is not None and setup.weight.requires_grad)
    )
