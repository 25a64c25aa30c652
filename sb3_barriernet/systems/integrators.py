"""Single and double integrators in any dimension."""

from __future__ import annotations

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from sb3_barriernet.systems.control_affine import Bounds, ControlAffineSystem, Integrator


def single_integrator(
    dim: int, *, max_speed: ArrayLike = 1.0, dt: float = 0.05, integrator: Integrator = "euler"
) -> ControlAffineSystem:
    """Position ``q_i`` [m] driven by the velocity ``v_i`` [m/s], ``|v_i| <= max_speed``."""
    q, v = _vector("q", dim), _vector("v", dim)
    return ControlAffineSystem(
        q,
        v,
        f=[sp.S.Zero] * dim,
        g=sp.eye(dim),
        action_low=-np.asarray(max_speed),
        action_high=max_speed,
        dt=dt,
        integrator=integrator,
        units={**dict.fromkeys(q, "m"), **dict.fromkeys(v, "m/s")},
        name=f"single integrator in {dim} dimensions",
        source="Mesbahi & Egerstedt 2010, Graph Theoretic Methods in Multiagent Networks",
    )


def double_integrator(
    dim: int,
    *,
    max_acceleration: ArrayLike = 1.0,
    max_speed: float | None = None,
    dt: float = 0.05,
    integrator: Integrator = "rk4",
) -> ControlAffineSystem:
    """Position ``q_i`` [m] and velocity ``v_i`` [m/s], state ``[q, v]``, driven by ``a_i`` [m/s^2].

    :param max_acceleration: ``|a_i| <= max_acceleration``, m/s^2
    :param max_speed: bound of ``|v_i|`` that the task keeps, m/s
    """
    q, v, a = _vector("q", dim), _vector("v", dim), _vector("a", dim)
    bounds: Bounds = {} if max_speed is None else dict.fromkeys(v, (-max_speed, max_speed))
    return ControlAffineSystem(
        (*q, *v),
        a,
        f=[*v, *([sp.S.Zero] * dim)],
        g=sp.Matrix.vstack(sp.zeros(dim), sp.eye(dim)),
        action_low=-np.asarray(max_acceleration),
        action_high=max_acceleration,
        dt=dt,
        integrator=integrator,
        bounds=bounds,
        units={**dict.fromkeys(q, "m"), **dict.fromkeys(v, "m/s"), **dict.fromkeys(a, "m/s^2")},
        name=f"double integrator in {dim} dimensions",
        source="Rao & Bernstein 2001, Naive control of the double integrator",
    )


def _vector(name: str, dim: int) -> tuple[sp.Symbol, ...]:
    return tuple(sp.symbols(f"{name}0:{dim}", real=True))
