"""What the start-up hook of the RL Zoo plug-in costs every interpreter.

Times the line that the ``.pth`` file runs, in fresh interpreters, and beside it the whole start
with the hook installed and without, in alternation. Run in an environment where the package is
installed::

    python benchmarks/zoo_startup.py --starts 40
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

HOOK = Path(__file__).resolve().parent.parent / "sb3_barriernet" / "zoo" / "startup"

TIMED_LINE = f"""
import os, sys, time
sys.path.append({str(HOOK)!r})
before = time.perf_counter()
import _sb3_barriernet_zoo; _sb3_barriernet_zoo.install()
print(time.perf_counter() - before)
"""


def hook_seconds() -> float:
    """Time of the hook's line in one fresh interpreter that has run no other hook [s]."""
    command = [sys.executable, "-I", "-S", "-c", TIMED_LINE]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def start_seconds(*options: str) -> float:
    """Wall time of starting and ending one interpreter [s]."""
    before = time.perf_counter()
    subprocess.run([sys.executable, *options, "-c", "pass"], check=True)
    return time.perf_counter() - before


def main() -> None:
    """Print medians and minima in milliseconds."""
    parser = argparse.ArgumentParser(description="What the start-up hook costs every interpreter.")
    parser.add_argument("--starts", type=int, default=40, help="interpreters to start for each figure")
    starts = parser.parse_args().starts
    figures: dict[str, list[float]] = {"hook": [], "start, all hooks": [], "start, no site": []}
    for _ in range(starts):
        figures["hook"].append(hook_seconds())
        figures["start, all hooks"].append(start_seconds())
        figures["start, no site"].append(start_seconds("-S"))
    for name, seconds in figures.items():
        median, least = 1e3 * statistics.median(seconds), 1e3 * min(seconds)
        print(f"{name:18s} median {median:7.3f} ms   min {least:7.3f} ms")


if __name__ == "__main__":
    main()
