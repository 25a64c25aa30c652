"""The step that a build adds: kernels are translated to LLVM's language, so that users need not wait for numba."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS = "sb3_barriernet.projection.kernels"


class KernelHook(BuildHookInterface):
    """Runs for wheels and, the same in hatchling's eyes, editable installs; these find the programs in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        for package in ("sb3_barriernet", "sb3_barriernet.projection"):
            _skip_init(package, Path(self.root))
        importlib.import_module(f"{KERNELS}.programs").ship_programs()
        build_data["artifacts"].append(f"{KERNELS.replace('.', '/')}/*.bc")


def _skip_init(package: str, root: Path) -> None:
    """Make modules of a package importable without what its ``__init__`` imports: a build has numba, but no torch."""
    module = ModuleType(package)
    module.__path__ = [str(root / package.replace(".", "/"))]
    sys.modules[package] = module
