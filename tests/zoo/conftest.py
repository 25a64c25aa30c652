"""Environments in which the package is installed the way users install it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


class InstalledEnvironment:
    """A virtual environment of its own that borrows the heavy dependencies of the one that runs the tests.

    They are borrowed by a plain path entry, whose ``.pth`` files Python does not run: the hook that
    is at work here is the one that was installed here.
    """

    def __init__(self, root: Path):
        self.root = root
        venv.create(root, symlinks=os.name != "nt")
        self.python = root / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.site_packages = next(root.rglob("site-packages"))
        borrowed = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
        (self.site_packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")

    def pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, *what: str) -> None:
        """Install without dependencies, and over a copy that the borrowed path may hold."""
        self.pip("install", "--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed", *what)

    def run(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python in a folder of its own, single-threaded."""
        inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SB3_BARRIERNET_ZOO")}
        command = [str(self.python), *arguments]
        env = {**inherited, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **variables}
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)

    def files(self) -> set[str]:
        """Everything below ``site-packages``, relative to it."""
        return {str(path.relative_to(self.site_packages)) for path in self.site_packages.rglob("*")}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as ``python -m build`` makes it from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    command = [*build, "--outdir", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def wheel_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> InstalledEnvironment:
    """An environment with nothing but the wheel; tests must not change it."""
    environment = InstalledEnvironment(tmp_path_factory.mktemp("wheel") / "env")
    environment.install(str(wheel))
    return environment


@pytest.fixture
def fresh_environment(tmp_path: Path) -> InstalledEnvironment:
    """An empty environment for one test."""
    return InstalledEnvironment(tmp_path / "env")
