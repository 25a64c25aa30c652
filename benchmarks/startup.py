"""What the package costs before it does anything: every interpreter's start, and an import.

Times, in fresh interpreters and in turns, the line of the start-up hook that every interpreter runs, ``import
stable_baselines3``, and that with this package and ``BarrierPPO`` beside it. Run in an environment where the package
is installed::

    python benchmarks/startup.py --starts 20
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOOK = ROOT / "sb3_barriernet" / "zoo" / "startup"
OUT = ROOT / "benchmarks" / "results" / "startup.json"

STATEMENTS = {
    "hook": f"import sys; sys.path.append({str(HOOK)!r})\n<>import _sb3_barriernet_zoo; _sb3_barriernet_zoo.install()",
    "sb3_barriernet": "<>import sb3_barriernet",
    "stable_baselines3": "<>import stable_baselines3",
    "stable_baselines3 and BarrierPPO": "<>import stable_baselines3; from sb3_barriernet import BarrierPPO",
    "stable_baselines3, first BarrierPPO": "import stable_baselines3\n<>from sb3_barriernet import BarrierPPO",
}
"""Timed from ``<>`` on. The hook is timed where no other has run."""


def seconds(name: str) -> float:
    """CPU time of a statement in one fresh interpreter, s."""
    before, timed = STATEMENTS[name].split("<>")
    script = f"import os, time\n{before}\nstart = time.process_time()\n{timed}\nprint(time.process_time() - start)"
    options = ["-I", "-S"] if name == "hook" else []
    return float(
        subprocess.run([sys.executable, *options, "-c", script], capture_output=True, check=True, text=True).stdout
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=20, help="interpreters for each figure")
    starts = parser.parse_args().starts
    measured: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(starts):
        for name, times in measured.items():
            times.append(seconds(name))
    medians = {name: statistics.median(times) for name, times in measured.items()}
    ratio = medians["stable_baselines3 and BarrierPPO"] / medians["stable_baselines3"]
    report = {
        "command": f"python benchmarks/startup.py --starts {starts}",
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
        "cpu_seconds": medians,
        "import_ratio": ratio,
    }
    OUT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for name, median in medians.items():
        print(f"{name:38s} {1e3 * median:9.2f} ms")
    print(f"with BarrierPPO / stable_baselines3 alone: {ratio:.2f}")


if __name__ == "__main__":
    main()
