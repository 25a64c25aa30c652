"""The projection against its peers: one process, one thread, interleaved, medians.

::

    python benchmarks/projection.py --out benchmarks/results

Writes ``projection.md`` and ``projection.png``. Peers that are not installed are left out; to have them all::

    pip install --no-deps qpth proxsuite cmeel cmeel-boost daqp qpax
    pip install jax

An entry is left empty where one call is expected to take longer than ``--patience`` seconds.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import argparse
import importlib.metadata
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from projection_peers import Batch, daqp_loop, quadprog_loop, solvers

SIZES = [(2, 12), (4, 16), (8, 32)]
BATCHES = [1, 8, 64, 256, 2048, 65536]
READ_BATCHES = [65536, 524288]  # the second is larger than any cache
REFERENCE_SAMPLES = 256
Key = tuple[str, str]


def make_batch(size: int, rows: int, dim: int, corrected: float, seed: int = 0) -> Batch:
    """Feasible problems of which a fraction ``corrected`` needs a correction by rows.

    An inner point keeps 0.1 from every row; nominal actions are the inner point itself or far outside.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1

    A = torch.randn(size, rows, dim, generator=generator, dtype=torch.float64)
    A = A / A.norm(dim=2, keepdim=True)
    inner = 0.5 * uniform(size, dim)
    c = 0.1 + 0.4 * uniform(size, rows).abs() - (A @ inner[..., None])[..., 0]
    push = uniform(size, dim)
    far = inner + 3 * push / push.norm(dim=1, keepdim=True)
    bad = ((A @ far.clamp(-1, 1)[..., None])[..., 0] + c).amin(1) < 0
    far = torch.where(bad[:, None], far, inner - A[:, 0] * 3)
    chosen = torch.rand(size, generator=generator) < corrected
    box = torch.ones(dim, dtype=torch.float64)
    return Batch(torch.where(chosen[:, None], far, inner), A, c, -box, box)


def measure(jobs: dict[Key, Callable[[], Any]], budget: float) -> dict[Key, float]:
    """Median seconds of each job; the jobs take turns, so that a busy moment hits all of them.

    The first call, which compiles, does not count, nor does that of a turn of short calls, which fills caches.
    """
    trial = {key: _time(job, 1) for key, job in jobs.items()}
    trial.update({key: _time(job, 1) for key, job in jobs.items() if trial[key] < 1.0})
    counts = {key: max(1, int(2e-3 / max(seconds, 1e-6))) for key, seconds in trial.items()}
    samples: dict[Key, list[float]] = defaultdict(list)
    for turn in range(25):
        for key, job in jobs.items():
            enough = 3 if trial[key] < 0.1 else 1
            if turn < enough or sum(samples[key]) * counts[key] < budget:
                samples[key].append(_time(job, counts[key]))
    return {key: statistics.median(values) for key, values in samples.items()}


def _time(job: Callable[[], Any], count: int) -> float:
    if count > 1:
        job()  # after another method's turn the caches hold that one's code and data
    start = time.perf_counter()
    for _ in range(count):
        job()
    return (time.perf_counter() - start) / count


def run_table(
    corrected: float, budget: float, patience: float, batches: list[int], sizes: list[tuple[int, int]]
) -> dict[tuple, tuple]:
    """Seconds and error by ``(M, K, B, name, direction)``."""
    results: dict[tuple, tuple] = {}
    for dim, rows in sizes:
        slow: set[Key] = set()
        last: dict[Key, float] = {}
        for size in batches:
            batch = make_batch(size, rows, dim, corrected)
            jobs = {key: job for key, job in solvers(batch).items() if key not in slow}
            times = measure(jobs, budget)
            part = Batch(*(t[:REFERENCE_SAMPLES] for t in batch[:3]), *batch[3:])
            reference = quadprog_loop(part)()
            for key, seconds in times.items():
                error = (jobs[key]()[:REFERENCE_SAMPLES] - reference).abs().max().item()
                results[(dim, rows, size, *key)] = (seconds, error)
                last[key] = seconds
            bigger = batches[batches.index(size) + 1] / size if size != batches[-1] else 1
            slow |= {key for key, seconds in last.items() if seconds * bigger > patience}
            print(f"  M={dim} K={rows} B={size}", flush=True)
    return results


def read_ratio(size: int) -> tuple[float, float]:
    """Seconds of an easy no-grad call and of one reduction over the same inputs."""
    from sb3_barriernet.projection import project

    batch = make_batch(size, 12, 2, 0.02)
    jobs = {
        ("project", ""): lambda: project(*batch),
        ("read", ""): lambda: (batch.u.sum(), batch.A.sum(), batch.c.sum()),
    }
    times = measure(jobs, 2.0)
    return times["project", ""], times["read", ""]


def read_ratios_alone(size: int, processes: int = 7) -> list[float]:
    """The same ratio in fresh processes, sorted: without the peers, their threads and what they left of the heap."""
    code = (
        "import torch, projection; torch.set_num_threads(1)\n"
        f"project, read = projection.read_ratio({size})\n"
        "print(project / read)"
    )
    command, here = [sys.executable, "-c", code], Path(__file__).parent
    runs = [subprocess.run(command, capture_output=True, text=True, check=True, cwd=here) for _ in range(processes)]
    return sorted(float(run.stdout) for run in runs)


class ReadAndWrite(torch.autograd.Function):
    """What any layer does that is differentiable in ``u``, ``A`` and ``c``, and nothing else."""

    @staticmethod
    def forward(ctx: Any, u: torch.Tensor, A: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        """The nominal actions, after a look at all inputs."""
        A.sum(), c.sum()
        ctx.save_for_backward(A, c)
        return u.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Zeros for ``A`` and ``c``."""
        A, c = ctx.saved_tensors
        return gradient.clone(), torch.zeros_like(A), torch.zeros_like(c)


def floor_ratio(size: int) -> tuple[float, float]:
    """Seconds of a hard batch forward + backward, and of :class:`ReadAndWrite` on the same tensors."""
    from sb3_barriernet.projection import project

    batch = make_batch(size, 12, 2, 1.0)
    leaves, incoming = [part.clone().requires_grad_() for part in batch[:3]], torch.ones_like(batch.u)
    jobs = {
        ("project", ""): lambda: torch.autograd.grad(project(*leaves, *batch[3:]).action, leaves, incoming),
        ("floor", ""): lambda: torch.autograd.grad(ReadAndWrite.apply(*leaves), leaves, incoming),
    }
    times = measure(jobs, 2.0)
    return times["project", ""], times["floor", ""]


def policy_ratio() -> tuple[float, float]:
    """Seconds of a no-grad projection at a batch of one and of SB3's ``policy.forward``."""
    import gymnasium as gym
    from stable_baselines3.common.policies import ActorCriticPolicy

    from sb3_barriernet.projection import project

    batch = make_batch(1, 12, 2, 0.0)
    nominal = batch.u.float()
    observations, actions = gym.spaces.Box(-1, 1, (18,)), gym.spaces.Box(-1, 1, (2,))
    policy, observation = ActorCriticPolicy(observations, actions, lambda _: 3e-4), torch.randn(1, 18)
    with torch.no_grad():
        jobs = {("project", ""): lambda: project(nominal, *batch[1:]), ("policy", ""): lambda: policy(observation)}
        times = measure(jobs, 2.0)
    return times["project", ""], times["policy", ""]


def single_ratio() -> tuple[float, float]:
    """Seconds of a no-grad projection of one hard problem and of daqp's, called from NumPy."""
    from sb3_barriernet.projection import project

    batch = make_batch(1, 12, 2, 1.0)
    with torch.no_grad():
        times = measure({("project", ""): lambda: project(*batch), ("daqp", ""): daqp_loop(batch)}, 2.0)
    return times["project", ""], times["daqp", ""]


def first_calls() -> list[tuple[str, float, float]]:
    """Seconds of the first call in a fresh process, with an empty and a filled cache, torch imported before.

    The programs are those of the last build; without them, or where sources were edited since, numba adds its own time.
    """
    code = (
        "import torch, time; from sb3_barriernet.projection import project; torch.manual_seed(0)\n"
        "u, A, c = torch.randn(64, {m}), torch.randn(64, 12, {m}), torch.randn(64, 12) + 1\n"
        "A.requires_grad_({g}); start = time.perf_counter()\n"
        "action = project(u, A, c, [-1.0] * {m}, [1.0] * {m}).action\n"
        "if {g}: action.sum().backward()\n"
        "print(time.perf_counter() - start)"
    )
    rows = []
    for name, dim, gradient in (("2 actions", 2, False), ("4 actions", 4, False), ("4 actions, gradients", 4, True)):
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            command = [sys.executable, "-c", code.format(m=dim, g=gradient)]
            cold, cached = (
                float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
                for _ in range(2)
            )
        rows.append((name, cold, cached))
    return rows


def write_report(path: Path, tables: dict[str, dict[tuple, tuple]], command: str) -> None:
    packages = ["torch", "numba", "numpy", "qpth", "proxsuite", "qpax", "jax", "cvxpylayers",
                "clarabel", "daqp", "quadprog"]  # fmt: skip
    lines = ["# Projection benchmark", "", f"Command: `{command}`", "", f"Machine: {_cpu()}, one thread.", ""]
    lines += ["Versions: " + ", ".join(f"{name} {_version(name)}" for name in packages if _version(name)), ""]
    load = os.getloadavg()
    lines += [f"Load average at the end: {load[0]:.1f} ({os.cpu_count()} cores). Medians; all methods take turns.", ""]
    for size in READ_BATCHES:
        project, read = read_ratio(size)
        lines += [f"- Easy, B = {size:,}, (2, 12): {project * 1e3:.2f} ms; reading the inputs once: {read * 1e3:.2f} "
                  f"ms; ratio {project / read:.2f}."]  # fmt: skip
    ratios = read_ratios_alone(READ_BATCHES[0])
    lines += [f"- Easy, B = {READ_BATCHES[0]:,}, in {len(ratios)} processes that do nothing else: "
              + ", ".join(f"{ratio:.2f}" for ratio in ratios) + "."]  # fmt: skip
    project, floor = floor_ratio(2048)
    lines += [f"- Hard, B = 2,048, (2, 12), forward + backward: {project * 1e6:.0f} us; reading the inputs and writing "
              f"zeros as gradients: {floor * 1e6:.0f} us."]  # fmt: skip
    project, policy = policy_ratio()
    lines += [f"- B = 1, no gradient: {project * 1e6:.1f} us; SB3's `policy.forward`: {policy * 1e6:.0f} us; "
              f"{100 * project / policy:.1f} %."]  # fmt: skip
    if _version("daqp"):
        project, daqp = single_ratio()
        lines += [f"- B = 1, no gradient, hard: {project * 1e6:.1f} us; daqp from NumPy: {daqp * 1e6:.1f} us; "
                  f"ratio {project / daqp:.2f}."]  # fmt: skip
    for name, cold, cached in first_calls():
        lines += [f"- First call, {name}: {cold:.1f} s to compile, {cached:.2f} s from the cache."]
    for title, results in tables.items():
        for direction in ("forward", "forward + backward"):
            lines += ["", f"## {title}, {direction}: time of a call", "", *_table(results, direction)]
    path.write_text("\n".join(lines) + "\n")


def _table(results: dict[tuple, tuple], direction: str) -> list[str]:
    batches = sorted({key[2] for key in results})
    lines = ["| (M, K) | method | " + " | ".join(f"B = {b:,}" for b in batches) + " | largest error |"]
    lines += ["|---|---|" + "---:|" * (len(batches) + 1)]
    for dim, rows in dict.fromkeys(key[:2] for key in results):
        names = dict.fromkeys(key[3] for key in results if key[:2] == (dim, rows) and key[4] == direction)
        for name in names:
            cells = [results.get((dim, rows, b, name, direction)) for b in batches]
            error = max(cell[1] for cell in cells if cell)
            shown = " | ".join(_duration(cell[0]) if cell else "" for cell in cells)
            lines += [f"| ({dim}, {rows}) | {name} | {shown} | {error:.0e} |"]
    return lines


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def plot(path: Path, results: dict[tuple, tuple]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = list(dict.fromkeys(key[:2] for key in results))
    figure, axes = plt.subplots(1, len(sizes), figsize=(13, 4), sharey=True, squeeze=False, layout="constrained")
    for axis, (dim, rows) in zip(axes[0], sizes, strict=True):
        for name in dict.fromkeys(key[3] for key in results):
            points = [(k[2], v[0] / k[2]) for k, v in results.items()
                      if k[:2] == (dim, rows) and k[3:] == (name, "forward + backward")]  # fmt: skip
            if points:
                axis.loglog(*zip(*points, strict=True), marker="o", label=name)
        axis.set(title=f"{dim} actions, {rows} rows", xlabel="batch")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("seconds a sample, forward + backward")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=8, loc="outside right upper")
    figure.savefig(path, dpi=130)


def _size(text: str) -> tuple[int, int]:
    dim, rows = text.split("x")
    return int(dim), int(rows)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line] \
        if cpuinfo.exists() else []  # fmt: skip
    return f"{names[0] if names else platform.processor()}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--budget", type=float, default=0.15, help="seconds for each entry")
    parser.add_argument("--patience", type=float, default=10.0, help="longest acceptable call in seconds")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--sizes", type=_size, nargs="+", default=SIZES, metavar="MxK", help="actions x rows")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    tables = {}
    for title, corrected in (("Hard (every sample corrected)", 1.0), ("Easy (2 % corrected)", 0.02)):
        print(title, flush=True)
        tables[title] = run_table(corrected, arguments.budget, arguments.patience, arguments.batches, arguments.sizes)
    write_report(arguments.out / "projection.md", tables, "python " + " ".join(sys.argv))
    plot(arguments.out / "projection.png", tables["Hard (every sample corrected)"])


if __name__ == "__main__":
    main()
