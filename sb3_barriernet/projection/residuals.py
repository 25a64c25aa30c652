"""How far any action, whoever computed it, is from being the projection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sb3_barriernet.projection.faces import all_constraints, full_weight
from sb3_barriernet.projection.problem import Vector, make_problem

TOUCHES = 1e-7
"""Distance, relative to the size of the problem, up to which a constraint may carry a multiplier."""


class Residuals(NamedTuple):
    """What is missing to optimality, ``(B,)`` each, 0 at the projection.

    Constraints are normalised in the metric of the weight, so all lengths are comparable:
    primal is a distance in that metric, stationarity the norm of a force in the dual one.
    """

    primal: Tensor
    """worst violation of a row or bound"""
    dual: Tensor
    """most negative multiplier, as a positive number"""
    complementarity: Tensor
    """largest product of a multiplier and its constraint's distance"""
    stationarity: Tensor
    """what the multipliers leave of ``W (u - u_nom)``"""

    def worst(self) -> Tensor:
        """The largest of them, ``(B,)``."""
        return torch.stack(list(self)).amax(0)


def residuals(
    action: Tensor,
    u_nom: Tensor,
    A: Tensor,
    c: Tensor,
    low: Vector,
    high: Vector,
    *,
    weight: Vector | None = None,
    multipliers: Tensor | None = None,
) -> Residuals:
    """Certify ``action (B, M)`` as the projection of ``u_nom``: the optimality conditions, which are sufficient.

    :param multipliers: ``(B, K + 2 M)`` of the rows, lower and upper bounds as they stand. By default the best
        non-negative ones are found from the action alone, by non-negative least squares.
    """
    problem = make_problem(u_nom, A, c, low, high, weight, None)
    root = torch.linalg.cholesky(full_weight(problem))
    normals, shifts = all_constraints(problem)
    scaled = torch.linalg.solve_triangular(root, normals.transpose(1, 2), upper=False).transpose(1, 2)
    norms = scaled.norm(dim=2)
    plays = (norms > 0) & torch.isfinite(shifts)
    safe = torch.where(plays, norms, 1.0)
    scaled = torch.where(plays[..., None], scaled / safe[..., None], 0.0)
    distances = (normals @ action.double()[..., None])[..., 0] + torch.where(plays, shifts, 0.0)
    distances = torch.where(plays, distances / safe, float("inf"))
    force = (root.transpose(1, 2) @ (action.double() - u_nom.double())[..., None])[..., 0]
    if multipliers is None:
        size = 1.0 + force.norm(dim=1, keepdim=True) + action.double().abs().amax(1, keepdim=True)
        scaled_multipliers = _best_multipliers(scaled, force, distances < TOUCHES * size)
    else:
        scaled_multipliers = torch.where(plays, multipliers.double() * norms, 0.0)
    rest = force - (scaled.transpose(1, 2) @ scaled_multipliers[..., None])[..., 0]
    products = torch.where(plays, scaled_multipliers * torch.where(plays, distances, 0.0), 0.0)
    return Residuals(
        (-distances).amax(1).clamp(min=0.0),
        (-scaled_multipliers).amax(1).clamp(min=0.0),
        products.abs().amax(1),
        rest.norm(dim=1),
    )


def _best_multipliers(normals: Tensor, force: Tensor, touched: Tensor) -> Tensor:
    result = np.zeros(touched.shape)
    for sample in range(len(result)):
        chosen = touched[sample].numpy()
        matrix = normals[sample].detach().numpy()[chosen].T
        result[sample, chosen] = _non_negative_least_squares(matrix, force[sample].detach().numpy())
    return torch.from_numpy(result)


def _non_negative_least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """``argmin |matrix x - target|`` over ``x >= 0`` (Lawson & Hanson 1974, chapter 23)."""
    count = matrix.shape[1]
    x = np.zeros(count)
    free = np.zeros(count, dtype=bool)
    tolerance = 1e-12 * (1.0 + np.linalg.norm(target))
    for _ in range(10 * count):
        slope = matrix.T @ (target - matrix @ x)
        slope[free] = -np.inf
        if count == 0 or slope.max() <= tolerance:
            break
        free[slope.argmax()] = True
        while True:
            trial = np.zeros(count)
            trial[free] = np.linalg.lstsq(matrix[:, free], target, rcond=None)[0]
            blocked = free & (trial <= 0)
            if not blocked.any():
                x = trial
                break
            ratio = (x[blocked] / np.maximum(x[blocked] - trial[blocked], 1e-300)).min()
            x = x + ratio * (trial - x)
            free &= x > tolerance
            x[~free] = 0.0
            if not free.any():
                break
    return x
