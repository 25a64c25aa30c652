"""Gradient of the ``active_set`` backend."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.active_set_forward import Located, locate, run_forward
from sb3_barriernet.projection.backends.threads import in_chunks
from sb3_barriernet.projection.details import Details
from sb3_barriernet.projection.faces import act_on_faces
from sb3_barriernet.projection.kernels.layout import backward_scratch, pack_gradients
from sb3_barriernet.projection.kernels.native import load_kernel
from sb3_barriernet.projection.problem import Problem


class ActiveSetProjection(torch.autograd.Function):
    """Solves with the compiled kernels; differentiates the optimality conditions of the active set."""

    @staticmethod
    def forward(ctx: Any, found: list[Details], *parts: Tensor | None) -> Tensor:
        """Solve, and append what is known beside the action to ``found``."""
        problem = Problem(*parts)  # type: ignore[arg-type]
        located = ctx.located = locate(problem)
        action, ctx.details = run_forward(located.setup, located.u, len(located.u), located.pack())
        found.append(ctx.details)
        ctx.save_for_backward(*problem[:6])
        return action

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        u, A, c, low, high, weight = ctx.saved_tensors
        problem = Problem(u, A, c, low, high, weight, None)
        wanted = ctx.needs_input_grad[1:7]
        if torch.is_grad_enabled():  # create_graph=True: the gradient itself has to be differentiable.
            return (None, *_differentiable_gradients(problem, ctx.details.faces(), gradient, wanted), None)
        return (None, *_pull_back(problem, ctx.located, ctx.details, gradient, wanted), None)


def _pull_back(
    problem: Problem, located: Located, details: Details, gradient: Tensor, wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    u, A, c, low, _, weight, _ = problem
    batch, _, dim = A.shape
    gradient = gradient.contiguous()
    shapes = (u.shape, A.shape, c.shape, (batch, dim), (batch, dim), (batch, dim, dim))
    results: list[Tensor | None] = [
        torch.zeros(shape, dtype=u.dtype if i == 0 else torch.float64) if wanted[i] else None
        for i, shape in enumerate(shapes)
    ]
    addresses = [0 if result is None else result.data_ptr() for result in results]
    given = (
        located.pack() + located.setup.packed + pack_gradients(details.faces_address, gradient.data_ptr(), *addresses)
    )
    in_chunks(load_kernel("pull_back"), given, batch, backward_scratch(dim))
    if low.dim() == 1:  # What the batch shares collects the gradients of all samples.
        results[3:5] = [None if result is None else result.sum(0) for result in results[3:5]]
    results[5] = _weight_gradient(results[5], weight)
    return results


def _weight_gradient(gradient: Tensor | None, weight: Tensor | None) -> Tensor | None:
    if gradient is None or weight is None or weight.ndim == 3:
        return gradient
    return gradient.sum(0) if weight.ndim == 2 else gradient.sum(0).diagonal().clone()


def _differentiable_gradients(
    problem: Problem, faces: Tensor, gradient: Tensor, wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """The same gradients from torch operations, for second derivatives."""
    inputs = [part for part, want in zip(problem[:6], wanted, strict=True) if want and part is not None]
    gradients = iter(
        torch.autograd.grad(act_on_faces(problem, faces), inputs, gradient, create_graph=True, allow_unused=True)
    )
    return [next(gradients) if want else None for want in wanted]
