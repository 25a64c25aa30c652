"""The projection as a function."""

from __future__ import annotations

from torch import Tensor

from sb3_barriernet.projection.problem import Vector, make_problem
from sb3_barriernet.projection.registry import DEFAULT, get_backend
from sb3_barriernet.projection.result import Projection


def project(
    u_nom: Tensor,
    A: Tensor,
    c: Tensor,
    low: Vector,
    high: Vector,
    *,
    weight: Vector | None = None,
    backend: str | None = None,
    backup: Vector | None = None,
) -> Projection:
    """Closest actions that satisfy every row and the box.

    .. math::

        u = \\arg\\min_u \\tfrac12 (u - u_\\mathrm{nom})^\\top W (u - u_\\mathrm{nom})
        \\quad\\text{s.t.}\\quad A u + c \\ge 0,\\; \\mathrm{low} \\le u \\le \\mathrm{high}
    """
    problem = make_problem(u_nom, A, c, low, high, weight, backup)
    return get_backend(backend or DEFAULT)(problem)
