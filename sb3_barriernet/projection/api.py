"""The projection as a function."""

from __future__ import annotations

import importlib.util

from torch import Tensor
from torch._C import _are_functorch_transforms_active
from torch.autograd import forward_ad
from torch.compiler import is_compiling

from sb3_barriernet.projection.problem import Vector, make_problem
from sb3_barriernet.projection.registry import ACTIVE_SET, get_backend
from sb3_barriernet.projection.result import Projection
from sb3_barriernet.projection.setup import repeat

_HAS_NUMBA = importlib.util.find_spec("numba") is not None


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
    r"""Closest actions that satisfy every row and the box.

    .. math::

        u = \arg\min_u \tfrac12 (u - u_\mathrm{nom})^\top W (u - u_\mathrm{nom})
        \quad\text{s.t.}\quad A u + c \ge 0,\; \mathrm{low} \le u \le \mathrm{high}

    Every sample is solved on its own: nothing in one, not even NaN, changes another by one bit. Data never raise;
    what happened to a sample is in its :class:`Status`:

    - ``INACTIVE``: the closest action in the box satisfies every row.
    - ``ACTIVE``: a row changed the action. Every row holds, up to 1e-12 of the terms that cancel in it, however far
      away the nominal action and however wide the box. Contradictions of some 1e-11 of these terms count as none.
    - ``INFEASIBLE``: no action in the box satisfies every row. The worst violation is as small as possible,
      measured as distance from the row's half space in the metric of ``W`` (in other words, over the norm
      :math:`\sqrt{a W^{-1} a^\top}` of the row); among such actions the closest is taken. The box always holds.
      A row without coefficients that is broken cannot be helped and does not keep the others from holding.
    - ``INVALID``: NaN or infinity in ``u_nom``, ``A`` or ``c``, NaN in the bounds, or an empty box.

    Gradients flow to ``u_nom``, ``A``, ``c``, the bounds and the weight, by the optimality conditions of the active
    set; to none of them from an invalid sample, and never from slack or status. Where an action touches a face
    without being pushed (a tie), the face counts as inactive unless the solver happened to stop on it; both are
    subgradients. Where the least violation of an infeasible sample is attained by more than one action, turning a
    contradicting row would make the solution jump; its gradient counts the row's shift only. Second derivatives are
    exact too, and ``torch.func``, forward mode, ``torch.compile`` and ``torch.export`` work through the ``"torch"``
    backend.

    :param u_nom: nominal actions ``(B, M)``, float32 or float64; the result has the same dtype
    :param A: row coefficients ``(B, K, M)``; any strides
    :param c: ``(B, K)``, drift plus scaled restoring term
    :param low: lower bounds ``(M,)`` or ``(B, M)``; minus infinity for none
    :param high: upper bounds, likewise
    :param weight: ``W``, by default the identity: a diagonal ``(M,)``, a symmetric positive definite matrix
        ``(M, M)``, or one for each sample ``(B, M, M)``
    :param backend: ``"active_set"`` (compiled for the CPU, where other tensors are brought), ``"torch"`` (tensor
        operations on any device, for graphs and transforms) or ``"cvxpylayers"`` (reference); by default the first
        that can work here
    :param backup: action for invalid samples, ``(M,)`` or ``(B, M)``, clipped to the box; by default 0, clipped
    :raises RowShapeError: if ``A`` or ``c`` do not fit ``u_nom``
    :raises ConfigurationError: if bounds, weight, backup or dtype cannot be used
    :raises BackendError: if there is no such backend, or it cannot work on these tensors
    """
    traced = is_compiling() or _are_functorch_transforms_active() or forward_ad._current_level >= 0
    solve = get_backend(backend or ("active_set" if _HAS_NUMBA and not traced else "torch"))
    repeated = repeat(u_nom, A, c, low, high, weight, backup) if solve is ACTIVE_SET and not traced else None
    return repeated or solve(make_problem(u_nom, A, c, low, high, weight, backup))
