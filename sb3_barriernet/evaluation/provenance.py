"""Where a number comes from: machine, versions, command."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from typing import Any

PACKAGES = ("sb3-barriernet", "stable-baselines3", "rl_zoo3", "gymnasium", "torch", "numpy", "numba")


def provenance() -> dict[str, Any]:
    """What a file of results says about its origin."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "command": " ".join(["python", *sys.argv]),
    }
