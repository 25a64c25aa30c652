"""Nothing that was saved is lost to what is being saved."""

import errno
import multiprocessing
import os
import resource
import signal

import pytest

from sb3_barriernet.atomic_file import replacing


def write(path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "new folder" / "file"
    write(path, b"old")
    with replacing(path) as file:
        file.write(b"n")
        file.flush()
        assert path.read_bytes() == b"old"
        file.write(b"ew")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_link_goes_on_pointing_where_it_did(tmp_path):
    write(tmp_path / "target", b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_the_file_is_as_it_was(tmp_path, error):
    write(tmp_path / "file", b"old")

    def fail() -> None:
        with replacing(tmp_path / "file") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_file_and_says_so(tmp_path, monkeypatch, call):
    write(tmp_path / "file", b"old")

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(tmp_path / "file", b"new")
    assert "is as it was before. Free some space" in caught.value.__notes__[0]
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_takes_no_more_leaves_the_file(tmp_path):
    """The operating system refuses in the middle of the file, as it does where a quota is used up."""
    write(tmp_path / "file", b"old")

    def overflow() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write(tmp_path / "file", bytes(100_000))
        except OSError as error:
            os._exit(error.errno)

    process = multiprocessing.get_context("fork").Process(target=overflow)
    process.start()
    process.join()
    assert process.exitcode == errno.EFBIG
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_kill_leaves_the_file(tmp_path):
    write(tmp_path / "file", b"old")

    def die() -> None:
        with replacing(tmp_path / "file") as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert (tmp_path / "file").read_bytes() == b"old"
