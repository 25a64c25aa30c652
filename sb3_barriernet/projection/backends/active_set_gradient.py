"""Gradient of the ``active_set`` backend."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.threads import in_chunks
from sb3_barriernet.projection.details import Details
from sb3_barriernet.projection.faces import act_on_faces
from sb3_barriernet.projection.kernels.layout import backward_scratch, pack_gradients, pack_tensors
from sb3_barriernet.projection.kernels.native import load_kernel
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.setup import address_of, make_setup

Found = tuple[Tensor, Details, Tensor | None]
"""Actions, what was done to them, and the metric of the setup."""


class ActiveSetGradient(torch.autograd.Function):
    """Makes found actions differentiable, by the optimality conditions of the active set."""

    @staticmethod
    def forward(ctx: Any, found: Found, *parts: Tensor | None) -> Tensor:
        """The actions in ``found`` as a function of the first six parts of a :class:`Problem`."""
        action, ctx.details, ctx.metric = found
        ctx.save_for_backward(*parts)
        return action

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        u, A, c, low, high, weight = ctx.saved_tensors
        problem = Problem(u, A, c, low, high, weight, None)
        wanted = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():  # create_graph=True: the gradient itself has to be differentiable.
            return (None, *_differentiable_gradients(problem, ctx.details.faces(), gradient, wanted))
        return (None, *_pull_back(problem, ctx.metric, ctx.details, gradient, wanted))


def _pull_back(
    problem: Problem, metric: Tensor | None, details: Details, gradient: Tensor, wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    u, A, c, low, high, weight, _ = problem
    batch, rows, dim = A.shape
    A_batch, A_row, _ = A.stride()
    gradient = gradient.contiguous()
    results = [
        torch.empty_like(u) if wanted[0] else None,
        torch.empty_like(A, memory_format=torch.contiguous_format) if wanted[1] else None,
        torch.empty_like(c) if wanted[2] else None,
        A.new_empty((batch, dim)) if wanted[3] else None,
        A.new_empty((batch, dim)) if wanted[4] else None,
        A.new_empty((batch, dim, dim)) if wanted[5] else None,
    ]
    given = (
        pack_tensors(u.data_ptr(), u.dtype is torch.float32, A.data_ptr(), A_batch, A_row, c.data_ptr())
        + make_setup(rows, dim, low, high, weight, None, metric).packed
        + pack_gradients(details.faces_address, gradient.data_ptr(), *map(address_of, results))
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
