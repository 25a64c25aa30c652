"""The default backend: exact, float64 inside, compiled with numba, on the CPU."""

from __future__ import annotations

import torch
from torch._C import _are_functorch_transforms_active
from torch.autograd import forward_ad

from sb3_barriernet.errors import BackendError
from sb3_barriernet.projection.backends.active_set_forward import locate, run
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.result import Projection
from sb3_barriernet.projection.setup import remember


def solve(problem: Problem) -> Projection:
    """Project on the CPU; differentiable in everything but the backup action.

    Tensors of another device travel to the CPU and back, which takes a tenth of a millisecond; iterating there takes
    tens of them.

    :raises BackendError: inside a `torch.func` transform, where there is no memory to read, and in forward mode, whose
        tangents are not in it
    """
    if _are_functorch_transforms_active() or forward_ad._current_level >= 0:
        raise BackendError(
            "Found a `torch.func` transform or forward mode; the backend 'active_set' reads the memory of tensors, "
            "which have none there, or more than that. Use `backend='torch'`, or leave `backend` out to have it chosen."
        )
    if not problem.u.is_cpu:
        return _solve_here(problem)
    setup, u, A, c = locate(problem)
    result = run(setup, u, A, c, A.shape[0], A.stride(), u.dtype is torch.float32)
    remember(setup, run)
    return result


def _solve_here(problem: Problem) -> Projection:
    """Solve on the CPU, and bring the results back to where the tensors are."""
    there = problem.u.device
    here = {name: part.cpu() for name, part in problem._asdict().items() if part is not None}
    found = solve(problem._replace(**here))
    action, slack, status, faces = (part.to(there) for part in (found.action, found.slack, found.status, found.faces))
    return Projection(action, slack, status, faces, found.num_rows)
