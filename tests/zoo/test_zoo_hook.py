"""The start-up hook: what it costs, when it wakes up, and that it can break nothing."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import sb3_barriernet
from sb3_barriernet.zoo import registration

STARTUP = Path(sb3_barriernet.__file__).parent / "zoo" / "startup"

MAX_START_SECONDS = 0.003
"""Far above the 0.3 ms that are typical, far below one needless import of typing or importlib."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A private copy of the hook, on a ``sys.meta_path`` without an installed one."""
    spec = importlib.util.spec_from_file_location("hook_under_test", STARTUP / "_sb3_barriernet_zoo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if type(f).__name__ != "ZooFinder"])
    monkeypatch.delenv(module.OPT_OUT, raising=False)
    return module


@pytest.fixture
def upstream(hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module ``upstream_module`` that the hook takes for one of ``rl_zoo3``."""
    (tmp_path / "upstream_module.py").write_text("executed = True\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(hook, "EXTENDED_MODULES", {"upstream_module"})
    hook.install()
    yield "upstream_module"
    sys.modules.pop("upstream_module", None)


def extend_with(monkeypatch: pytest.MonkeyPatch, extension: object) -> None:
    monkeypatch.setitem(registration.EXTENSIONS, "upstream_module", extension)  # type: ignore[arg-type]


def test_start_imports_nothing_and_costs_next_to_nothing() -> None:
    script = f"""
import os, sys, time
sys.path.append({str(STARTUP)!r})
loaded = set(sys.modules)
before = time.perf_counter()
import _sb3_barriernet_zoo; _sb3_barriernet_zoo.install()
seconds = time.perf_counter() - before
print(seconds, *sorted(set(sys.modules) - loaded))
"""
    command = [sys.executable, "-I", "-S", "-c", script]
    starts = [subprocess.check_output(command, text=True).split() for _ in range(5)]
    assert all(imported == ["_sb3_barriernet_zoo"] for _, *imported in starts)
    assert min(float(seconds) for seconds, *_ in starts) < MAX_START_SECONDS


def test_both_start_up_files_call_the_same_function() -> None:
    def lines(name: str) -> list[str]:
        text = (STARTUP / name).read_text(encoding="utf-8")
        return [line for line in text.splitlines() if not line.startswith("#")]

    assert lines("sb3_barriernet_zoo.pth") == ["import _sb3_barriernet_zoo; _sb3_barriernet_zoo.install()"]
    assert lines("sb3_barriernet_zoo.start") == ["_sb3_barriernet_zoo:install"]


def test_hook_wakes_up_for_exactly_the_modules_that_have_an_extension(hook: ModuleType) -> None:
    assert set(registration.EXTENSIONS) == hook.EXTENDED_MODULES


def test_installing_twice_adds_one_finder(hook: ModuleType) -> None:
    others = list(sys.meta_path)
    hook.install()
    hook.install()
    assert sys.meta_path[1:] == others


def test_opting_out_leaves_the_meta_path_alone(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    others = list(sys.meta_path)
    monkeypatch.setenv(hook.OPT_OUT, "0")
    hook.install()
    assert sys.meta_path == others


def test_opting_out_after_the_start_still_counts(
    hook: ModuleType, upstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(hook.OPT_OUT, "0")
    extend_with(monkeypatch, lambda module: setattr(module, "extended", True))
    assert not hasattr(importlib.import_module(upstream), "extended")


def test_module_is_extended_after_it_was_executed_and_again_on_reload(
    upstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extensions: list[bool] = []
    extend_with(monkeypatch, lambda module: extensions.append(module.executed))
    module = importlib.import_module(upstream)
    assert extensions == [True]
    importlib.reload(module)
    assert extensions == [True, True]


def test_extended_module_keeps_its_own_loader(upstream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extend_with(monkeypatch, lambda module: None)
    module = importlib.import_module(upstream)
    assert type(module.__loader__).__name__ == "SourceFileLoader"
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__


def test_looking_without_importing_finds_the_source(upstream: str) -> None:
    spec = importlib.util.find_spec(upstream)
    assert spec is not None
    assert spec.loader is not None
    assert spec.loader.get_source(upstream) == "executed = True\n"  # type: ignore[attr-defined]


def test_failing_extension_warns_and_spares_the_module(upstream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(module: ModuleType) -> None:
        raise AttributeError("upstream moved it")

    extend_with(monkeypatch, fail)
    with pytest.warns(RuntimeWarning, match=r"could not extend upstream_module .*upstream moved it.*ZOO=0"):
        module = importlib.import_module(upstream)
    assert module.executed


def test_error_of_the_module_itself_is_not_hidden(
    upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extend_with(monkeypatch, lambda module: None)
    (tmp_path / "upstream_module.py").write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        importlib.import_module(upstream)


def test_other_imports_pass_by(hook: ModuleType) -> None:
    finder = hook.ZooFinder()
    assert finder.find_spec("rl_zoo3.train") is None
    assert finder.find_spec("json") is None


def test_missing_module_stays_missing(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "EXTENDED_MODULES", {"no_such_module"})
    hook.install()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module")
