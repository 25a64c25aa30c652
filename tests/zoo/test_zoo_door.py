"""``python -m sb3_barriernet.zoo``, seen from the command line."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import rl_zoo3

from sb3_barriernet.zoo import __main__ as door


def knock(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """What the door's process exits with."""
    monkeypatch.setattr(sys, "argv", ["sb3_barriernet.zoo", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        door.main()
    return exit_info.value.code


def test_door_leads_to_every_script_of_rl_zoo3() -> None:
    folder = Path(rl_zoo3.__file__).parent
    modules = {
        ".".join(("rl_zoo3", *path.relative_to(folder).with_suffix("").parts))
        for path in folder.rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    # The command-line switch is no script of its own, and the benchmark is one without a guard.
    assert set(door.SCRIPTS.values()) == modules - {"rl_zoo3.cli"} | {"rl_zoo3.benchmark"}


def test_unknown_script_is_answered_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = str(knock(monkeypatch, "trian", "--algo", "barrierppo"))
    assert "no script 'trian'" in answer
    assert "Did you mean 'train'?" in answer
    assert "record_video" in answer


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("--help",), 0)])
def test_usage_is_shown(
    arguments: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert knock(monkeypatch, *arguments) == code
    assert "python -m sb3_barriernet.zoo train --algo barrierppo" in capsys.readouterr().out


def test_script_without_its_extra_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def miss_seaborn(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'seaborn'", name="seaborn")

    monkeypatch.setattr(runpy, "run_module", miss_seaborn)
    assert "needs the package 'seaborn'" in str(knock(monkeypatch, "all_plots"))
    assert 'pip install "rl_zoo3[plots]"' in str(knock(monkeypatch, "plot_train"))


def test_script_runs_with_its_own_options(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SB3_BARRIERNET_ZOO", "0")
    assert knock(monkeypatch, "train", "--help") == 0
    assert "barrierppo" in capsys.readouterr().out
