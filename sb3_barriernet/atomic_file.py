"""Files that are whole or as they were: neither a kill nor a full disk leaves half of one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[BufferedRandom]:
    """A file to write to, which takes the place of ``path`` when it is complete and on the disk.

    Until then, and after any error, ``path`` is as it was. A kill may leave a hidden ``.partial`` file beside it.

    :param path: file to be written, in a folder that is made if it is missing; a link is followed
    :raises OSError: if the disk is full or the folder cannot be written to; the note on it says what is left
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for every writer: two that meet may overtake each other, but never mix.
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        with partial.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.add_note(f"{path} is as it was before. Free some space, or make its folder writable, and save again.")
        raise
