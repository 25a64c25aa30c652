"""More than a million projections against independent solvers.

::

    python benchmarks/projection_accuracy.py --problems 1200000 --out benchmarks/results/projection_accuracy.md

Random and degenerate problems over 1 to 8 actions. Feasibility and actions are compared with quadprog. Where quadprog
calls a problem infeasible, or the two disagree, the linear programme of the least violation decides (HiGHS, the first
``--linear`` such problems of every kind for each number of actions, and every disagreement). Where the actions differ,
50-digit arithmetic decides.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

import numpy as np
import quadprog
import torch
from mpmath import mp
from scipy.optimize import linprog

from sb3_barriernet.projection import Status, project

mp.dps = 50

CHUNK = 12_500
BORDER = 1e-9
"""A least violation below this is as good as none: rounding decides the label."""

HOLDS = 1e-12
"""An action that breaks no row by more than this proves that the least violation is none, whoever found it."""

KINDS = ["random", "duplicate rows", "opposite rows", "faces through one point", "grid coefficients", "mixed scales",
         "padding", "nominal far away", "whole coefficients", "bounds at 0", "wide box", "open box"]  # fmt: skip
FAR = 1e12
"""Where nominal actions are in open boxes."""


def make_chunk(generator: np.random.Generator, dim: int, kind: str) -> tuple[np.ndarray, ...]:
    """``u, A, c, low, high`` of one chunk; half of the rows' offsets leave an interior, half may not."""
    rows = int(generator.integers(2, 2 * dim + 9))
    u = 2 * generator.standard_normal((CHUNK, dim))
    A = generator.standard_normal((CHUNK, rows, dim))
    c = generator.standard_normal((CHUNK, rows)) + generator.choice([0.5, 1.5, 3.0], (CHUNK, 1)) * np.sqrt(dim)
    half = rows // 2
    if kind == "duplicate rows":
        A[:, half : 2 * half], c[:, half : 2 * half] = A[:, :half] * 3.0, c[:, :half] * 3.0
    elif kind in ("opposite rows", "wide box", "open box"):
        A[:, half : 2 * half], c[:, half : 2 * half] = -A[:, :half], -c[:, :half] + generator.choice([0.0, 0.3, -0.01])
    elif kind == "faces through one point":
        point = 0.5 * generator.uniform(-1, 1, (CHUNK, dim, 1))
        c = -(A @ point)[..., 0]
    elif kind == "grid coefficients":
        A, c, u = np.round(A), np.round(2 * c) / 2, np.round(2 * u) / 2
    elif kind == "mixed scales":
        scale = 10.0 ** generator.uniform(-6, 6, (CHUNK, rows))
        A, c = A * scale[..., None], c * scale
    elif kind == "padding":
        A[:, ::2], c[:, ::2] = 0.0, 1.0
    elif kind == "nominal far away":
        u *= 1e6
    elif kind in ("whole coefficients", "bounds at 0"):
        A, c, u = np.clip(np.round(A), -1, 1), np.round(2 * c) / 2, np.round(2 * u) / 2
    low, high = -np.ones(dim), np.ones(dim)
    if kind == "bounds at 0":
        low[:] = 0.0
    elif kind == "wide box":
        low, high = 1e6 * low, 1e6 * high
    elif kind == "open box":
        u, high[0] = FAR * u, np.inf
    return u, A, c, low, high


def quadprog_one(u: np.ndarray, A: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """quadprog with unit rows and no zero rows, which is how it is most accurate; None if it calls it infeasible."""
    norms = np.sqrt((A * A).sum(1))
    keep = norms > 0
    eye = np.eye(len(u))
    G = np.vstack([A[keep] / norms[keep, None], eye, -eye])
    h = np.concatenate([-c[keep] / norms[keep], low, -high])
    try:
        return quadprog.solve_qp(eye, u, G.T, h)[0]
    except ValueError:
        return None


def least_violation(A: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    norms = np.sqrt((A * A).sum(1))
    keep = norms > 0
    table = np.hstack([-A[keep] / norms[keep, None], -np.ones((keep.sum(), 1))])
    bounds = [*zip(low, high, strict=True), (0.0, None)]
    return float(linprog([0.0] * len(low) + [1.0], table, c[keep] / norms[keep], bounds=bounds, method="highs").fun)


def own_violation(action: np.ndarray, A: np.ndarray, c: np.ndarray) -> float:
    norms = np.sqrt((A * A).sum(1))
    keep = norms > 0
    return float((-(A[keep] @ action + c[keep]) / norms[keep]).max(initial=0.0))


class Tally:
    """What is counted for one number of actions."""

    def __init__(self) -> None:
        self.counts = np.zeros(4, dtype=int)
        self.error = self.error32 = self.broken = self.slack = 0.0
        self.false_infeasible = self.missed_infeasible = self.border = self.linear = self.doubtful = 0

    def row(self, dim: int) -> str:
        errors = f"{self.error:.1e}", f"{self.error32:.1e}", f"{self.broken:.1e}"
        checks = self.false_infeasible, self.missed_infeasible, self.border, self.linear, f"{self.slack:.1e}"
        cells = [self.counts.sum(), *self.counts[:3], *errors, self.doubtful, *checks]
        return f"| {dim} | " + " | ".join(str(cell) for cell in cells) + " |"


def run_chunk(tally: Tally, data: tuple[np.ndarray, ...], linear: int) -> None:
    u, A, c, low, high = data
    tensors = [torch.from_numpy(part) for part in data]
    result = project(*tensors)
    single = project(tensors[0].float(), *tensors[1:])
    exact32 = project(tensors[0].float().double(), *tensors[1:])
    rounding = (single.action.double() - exact32.action).abs() / (1.0 + exact32.action.abs())
    tally.error32 = max(tally.error32, rounding.max().item())
    actions, status, faces = result.action.numpy(), result.status.numpy(), result.faces.numpy()[:, 1:]
    tally.counts += np.bincount(status, minlength=4)
    stop = tally.linear + linear
    for i in range(len(u)):
        infeasible = status[i] == Status.INFEASIBLE
        if ((c[i] < 0) & (A[i] == 0).all(1)).any():  # A row without coefficients that is broken.
            tally.missed_infeasible += not infeasible
            continue
        if not infeasible:
            broken = own_violation(actions[i], A[i], c[i]) / (1.0 + np.abs(actions[i]).max())
            tally.broken = max(tally.broken, broken)
        reference = quadprog_one(u[i], A[i], c[i], low, high)
        if infeasible != (reference is None) or (infeasible and tally.linear < stop):
            check_violation(tally, data, i, actions[i], bool(infeasible))
        elif reference is not None:
            compare(tally, data, i, actions[i], faces[i], reference)


def compare(
    tally: Tally, data: tuple[np.ndarray, ...], i: int, action: np.ndarray, faces: np.ndarray, reference: np.ndarray
) -> None:
    """Difference to quadprog, relative to the size of the actions; where they differ, to 50 digits instead."""
    nominal = np.abs(data[0][i]).max()
    far = nominal if np.isinf(data[4]).any() else 0.0  # its last digit moves the solution that far
    error = np.abs(action - reference).max() / (1.0 + np.abs(reference).max() + far)
    if error > 1e-12:
        exact = solve_in_50_digits(data, i, faces)
        if exact is not None:
            tally.doubtful += 1
            error = np.abs(action - exact).max() / (1.0 + np.abs(exact).max() + far)
    tally.error = max(tally.error, error)


def solve_in_50_digits(data: tuple[np.ndarray, ...], i: int, faces: np.ndarray) -> np.ndarray | None:
    """The action on ``faces``, if in 50 digits it is optimal: no constraint broken, no multiplier negative."""
    u, A, c, low, high = data
    eye = np.eye(len(low))
    normals, shifts = np.vstack([A[i], eye, -eye]), np.concatenate([c[i], -low, high])
    norms = np.linalg.norm(normals, axis=1)
    chosen = faces[faces >= 0]
    if len(chosen) == 0:
        return None
    N, nominal = mp.matrix(normals[chosen].tolist()), mp.matrix(u[i].tolist())
    try:
        multipliers = mp.lu_solve(N * N.T, -(N * nominal + mp.matrix(shifts[chosen].tolist())))
    except ZeroDivisionError:
        return None
    action = nominal + N.T * multipliers
    values = mp.matrix(normals.tolist()) * action + mp.matrix(shifts.tolist())
    broken = min(value / norm for value, norm in zip(values, norms, strict=True) if norm > 0)
    pull = min(m * norms[k] for m, k in zip(multipliers, chosen, strict=True))
    if broken < -1e-12 or pull < -1e-12 * (1 + np.abs(u[i]).max()):
        return None
    return np.array([float(value) for value in action])


def check_violation(tally: Tally, data: tuple[np.ndarray, ...], i: int, action: np.ndarray, infeasible: bool) -> None:
    _, A, c, low, high = data
    violation = own_violation(action, A[i], c[i])
    least = 0.0 if violation <= HOLDS else least_violation(A[i], c[i], low, high)
    tally.linear += 1
    tally.slack = max(tally.slack, abs(violation - least))
    tally.border += least < BORDER
    tally.false_infeasible += infeasible and least == 0.0 and violation > BORDER
    tally.missed_infeasible += not infeasible and least > BORDER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1_200_000)
    parser.add_argument("--linear", type=int, default=250, help="linear programmes for each kind")
    parser.add_argument("--seed", type=int, default=20260723)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "projection_accuracy.md")
    arguments = parser.parse_args()
    generator, tallies, start = np.random.default_rng(arguments.seed), {}, time.perf_counter()
    chunks = arguments.problems // (8 * CHUNK)
    for dim in range(1, 9):
        tallies[dim] = Tally()
        for chunk in range(chunks):
            run_chunk(tallies[dim], make_chunk(generator, dim, KINDS[chunk % len(KINDS)]), arguments.linear)
        print(tallies[dim].row(dim), f"{time.perf_counter() - start:.0f} s", flush=True)
    header = ["M", "problems", "inactive", "active", "infeasible", "error float64", "error float32", "worst violation"]
    header += ["settled in 50 digits", "false infeasible", "missed infeasible", "on the border"]
    header += ["linear programmes", "slack error"]
    lines = ["# Projection accuracy", "", f"Command: `python {' '.join(sys.argv)}`, seed {arguments.seed}.", ""]
    lines += [f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}.", ""]
    lines += [f"Kinds of problems, taking turns: {', '.join(KINDS)}.", ""]
    lines += ["| " + " | ".join(header) + " |", "|" + "---:|" * len(header)]
    lines += [tally.row(dim) for dim, tally in tallies.items()]
    lines += [
        "",
        "Errors are relative to 1 + the largest action, in open boxes the nominal one included, which is around "
        f"{FAR:.0e} there. Where quadprog differs by more than 1e-12, the error is the distance to the solution on our "
        "active set in 50 digits, if that is optimal in 50 digits, else to quadprog. *Worst violation*: by how much, "
        "relative to 1 + the largest action, an action that is not called infeasible is on the wrong side of a row.",
        f"*On the border*: the least violation is below {BORDER:.0e}, so that rounding decides the label.",
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
