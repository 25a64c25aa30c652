"""Gradient of the ``active_set`` backend."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sb3_barriernet.projection.backends.active_set_forward import locate, run_forward
from sb3_barriernet.projection.backends.threads import in_chunks
from sb3_barriernet.projection.faces import act_on_faces
from sb3_barriernet.projection.kernels.adjoint import pull_back
from sb3_barriernet.projection.problem import Problem


class ActiveSetProjection(torch.autograd.Function):
    """Solves with the compiled kernels; differentiates the optimality conditions of the active set."""

    @staticmethod
    def forward(ctx: Any, *parts: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        problem = Problem(*parts)  # type: ignore[arg-type]
        action, slack, status, faces = (torch.from_numpy(result) for result in run_forward(problem))
        ctx.save_for_backward(*problem[:6], faces)
        ctx.mark_non_differentiable(slack, status, faces)
        ctx.set_materialize_grads(False)
        return action, slack, status, faces

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * 7
        *parts, faces = ctx.saved_tensors
        u, A, c, low, high, weight = parts
        problem = Problem(u, A, c, low, high, weight, None)
        wanted = ctx.needs_input_grad[:6]
        if torch.is_grad_enabled():  # create_graph=True: the gradient itself has to be differentiable.
            return (*_differentiable_gradients(problem, faces, gradient, wanted), None)
        return (*_pull_back(problem, faces, gradient, wanted), None)


def _pull_back(problem: Problem, faces: Tensor, gradient: Tensor, wanted: tuple[bool, ...]) -> list[Tensor | None]:
    u, A, c, low, high, weight, _ = problem
    batch, _, dim = A.shape
    tensors, where = locate(problem)
    gradient = gradient.contiguous()
    shapes = (u.shape, A.shape, c.shape, (batch, dim), (batch, dim), (batch, dim, dim))
    results: list[Tensor | None] = [
        torch.zeros(shape, dtype=u.dtype if i == 0 else torch.float64) if wanted[i] else None
        for i, shape in enumerate(shapes)
    ]
    addresses = [0 if result is None else result.data_ptr() for result in results]
    in_chunks(pull_back, where, batch, (faces.numpy(), gradient.data_ptr(), *addresses))
    del tensors
    results[3] = _sum_shared(results[3], low)
    results[4] = _sum_shared(results[4], high)
    results[5] = _weight_gradient(results[5], weight)
    return results


def _sum_shared(gradient: Tensor | None, like: Tensor) -> Tensor | None:
    """What the batch shares collects the gradients of all samples."""
    return gradient.sum(0) if gradient is not None and like.ndim == 1 else gradient


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
