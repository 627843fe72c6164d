"""Files that are whole or not there: atomic replacement, setting damaged files aside, and a lock between processes.

Everything that the program writes for keeps (settings, journals, results) goes through here. It stands below every
other module, so that settings and trainers can use it as well as the store.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

TEMPORARY = ".cadviewer-tmp"
"""Ending of a file that is still being written; one that stays behind comes from a process that was killed."""

_OF_NAME = 48
"""Letters of a file's name that its temporary one repeats: a name may be as long as the system allows (255 bytes)."""


def sync_folder(folder: Path) -> None:
    """Make a new or renamed entry of a folder last through a power cut, where the system can (not on Windows)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot; the entry itself is there
        pass
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become `path` at the end of the block, whole, or not at all when the block raises.

    The folder is made when missing. Raises OSError when the disk does not take it; `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:_OF_NAME]}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def text(path: Path) -> Iterator[TextIO]:
    """As `replacing`, for UTF-8 text with line ends as they are written: what `csv.writer` wants."""
    with replacing(path) as stream:
        written = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        yield written
        written.flush()
        written.detach()


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` into `path` atomically. Raises OSError; `path` is then as it was."""
    with replacing(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Put `content` as UTF-8 into `path` atomically, line ends as they are. Raises OSError."""
    write_bytes(path, content.encode("utf-8"))


def aside(path: Path) -> Path:
    """A free name `NAME.damaged-N.ENDING` beside a file, to keep a damaged one under. Raises OSError when none is."""
    for number in range(1, 10_000):
        target = path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")
        if not target.exists():
            return target
    raise OSError(f"too many damaged copies of {path.name}")


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that nothing is written over it, and return where it is now. Raises OSError."""
    target = aside(path)
    os.replace(path, target)
    return target


def remove_temporaries(folder: Path) -> None:
    """Delete what a killed process left half-written in a folder."""
    for leftover in folder.glob(f".*{TEMPORARY}"):
        leftover.unlink(missing_ok=True)


class LockedError(OSError):
    """Another process holds the lock."""


@contextlib.contextmanager
def locked(path: Path, *, wait: float = 10.0) -> Iterator[Callable[[], bool]]:
    """Hold the lock file `path` during the block; the system lets go of it when the process dies, however it dies.

    Yields what tells whether the file is still there under its name: where its folder was removed, it is not.
    wait: seconds to wait for another holder; 0 not at all. Raises LockedError when it is still held then.
    """
    # Written here since importing the filelock package costs the window 0.1 s of its start (it brings in asyncio).
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        end = time.monotonic() + wait
        while not _try_lock(descriptor):
            if time.monotonic() >= end:
                raise LockedError(f"{path.name} is held by another process")
            time.sleep(0.01)
        yield lambda: _is_at(descriptor, path)  # closing the descriptor releases the lock
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _replace(source: Path, target: Path) -> None:
        """`os.replace` that waits a moment for a virus scanner or an indexer to let go of the target."""
        for pause in (0.02, 0.05, 0.1, 0.2, 0.4, None):
            try:
                return os.replace(source, target)
            except PermissionError:
                if pause is None:
                    raise
                time.sleep(pause)
        return None

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _replace(source: Path, target: Path) -> None:
        os.replace(source, target)
