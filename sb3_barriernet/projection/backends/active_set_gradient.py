"""Gradient of the ``active_set`` backend."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.threads import in_chunks
from sb3_barriernet.projection.details import Details
from sb3_barriernet.projection.faces import act_on_faces
from sb3_barriernet.projection.kernels.layout import backward_scratch, pack_to_differentiate
from sb3_barriernet.projection.kernels.native import load_kernel
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.setup import Setup, address_of

Found = tuple[Tensor, Details, Setup]
"""Actions, what was done to them, and the setup."""

Parts = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]
"""The first six of a :class:`Problem`."""


class ActiveSetGradient(torch.autograd.Function):
    """Makes found actions differentiable, by the optimality conditions of the active set."""

    @staticmethod
    def forward(ctx: Any, found: Found, *parts: Tensor | None) -> Tensor:
        """The actions in ``found`` as a function of the :data:`Parts`."""
        action, ctx.details, ctx.setup = found
        ctx.save_for_backward(*parts)
        return action

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        parts, wanted = ctx.saved_tensors, ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():  # create_graph=True: the gradient itself has to be differentiable.
            problem = Problem._make((*parts, None))
            return (None, *_differentiable_gradients(problem, ctx.details.faces(), gradient, wanted))
        return (None, *_pull_back(parts, ctx.setup, ctx.details, gradient, wanted))


make_differentiable = super(torch.autograd.Function, ActiveSetGradient).apply
"""``ActiveSetGradient.apply`` but for its preparations for `torch.func`, whose transforms never get here. They take a
twentieth of the time of a small batch, forward and backward."""


def _pull_back(
    parts: Parts, setup: Setup, details: Details, gradient: Tensor, wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    u, A, c, low, high, weight = parts
    batch, _, dim = A.shape
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
    given = pack_to_differentiate(
        u.data_ptr(), u.dtype is torch.float32, A.data_ptr(), A_batch, A_row, c.data_ptr(), setup.sizes,
        low.data_ptr(), high.data_ptr(), address_of(setup.metric), 0,
        details.faces_address, gradient.data_ptr(), *map(address_of, results),
    )  # fmt: skip
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
