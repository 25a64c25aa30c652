"""The file of a saved model: where it is, and whether it is whole."""

from __future__ import annotations

import zipfile
from io import BufferedIOBase
from pathlib import Path

from stable_baselines3.common.save_util import open_path

from sb3_barriernet.errors import CheckpointError


def file_to_replace(path: str | Path | BufferedIOBase) -> Path | None:
    """The file that SB3 would write to; None for streams and folders, which stay SB3's business."""
    if not isinstance(path, str | Path):
        return None
    target = Path(path)
    if target.suffix == "":
        target = Path(f"{path}.zip")
    return None if target.is_dir() else target


def check_archive(path: str | Path | BufferedIOBase) -> None:
    """Refuse a file that is no model's zip, or has lost or changed some of its bytes.

    :raises CheckpointError: (advice)
    """
    file = open_path(path, "r", suffix="zip")
    try:
        with zipfile.ZipFile(file) as archive:
            damaged, missing = archive.testzip(), {"data", "policy.pth"} - set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise _no_model(path, str(error)) from error
    finally:
        if isinstance(path, str | Path):
            file.close()
    if damaged is not None:
        raise CheckpointError(f"Found other bytes under {damaged!r} of {path} than were saved. Load another file.")
    if missing:  # also when cut off: the end of an inner file passes for that of the whole
        raise _no_model(path, f"there is no {' and no '.join(sorted(missing))}")


def _no_model(path: object, reason: str) -> CheckpointError:
    return CheckpointError(
        f"Found no saved model in {path}: {reason}. It was cut off, or is a file of something else. Load another one; "
        "what this package saves is never half written."
    )
