"""The folder of a run: one run at a time, from its first line to its last, and what it can go on from. No torch.

What its lines say, and what its files are called: `cadviewer.training_events`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from cadviewer import atomic
from cadviewer.messages import Message
from cadviewer.training_events import LAST, LOCK, STOP, Begun, Ended, Stage, append
from trainers.config import ConfigError

RESERVE = 32 << 20
"""Bytes that have to stay free beside a checkpoint: for the log, and for other programs."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What an operating system calls a disk, a quota or a file system that takes no more."""


class TrainingStopped(Exception):
    """The run was asked to stop; it can be resumed."""


class NoRoomError(OSError):
    """The disk has no room for what a run has to write; the message says where, how much, and what is kept."""


@contextlib.contextmanager
def claimed(out: Path) -> Iterator[None]:
    """The folder `out`, made when missing, for one run alone, however the process ends.

    Raises ConfigError when another process trains into it.
    """
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:  # a second, since whoever looks whether the folder is taken holds the lock for a moment
            held.enter_context(atomic.locked(out / LOCK, wait=1))
        except atomic.LockedError as error:
            raise ConfigError(
                Message("{folder}: a training is under way in this folder; one folder takes one run", folder=out)
            ) from error
        atomic.remove_temporaries(out)
        yield


@contextlib.contextmanager
def recorded(out: Path, settings: Mapping[str, Any], data: Path) -> Iterator[dict[str, Any]]:
    """A run in `out` from its first line to its last, whatever ends it. Put the path of the card under "card"."""
    out.mkdir(parents=True, exist_ok=True)
    (out / STOP).unlink(missing_ok=True)
    append(out, Begun(os.getpid(), psutil.Process().create_time(), str(data), dict(settings)))
    result: dict[str, Any] = {}
    try:
        append(out, Stage("reading"))
        yield result
    except (TrainingStopped, KeyboardInterrupt):
        _last(out, Ended("stopped", Message("stopped by the user")))
        raise KeyboardInterrupt from None
    except BaseException as error:
        _last(out, Ended("failed", reason(error, out)))
        raise
    _last(out, Ended("done", **result))


def _last(out: Path, event: Ended) -> None:
    """The last line; on a full disk it goes to standard error, which the window reads where the log ends too early."""
    try:
        append(out, event)
    except OSError:
        sys.stderr.write(f"cadviewer-train: {event.reason or event.state}\n")


def checkpoint(out: Path, *, resume: bool) -> Path | None:
    """What a run in `out` goes on from, None for a new one: nothing is written over by mistake.

    Raises ConfigError when there is nothing to resume, or a run already where a new one should begin.
    """
    last = out / LAST
    if resume and not last.is_file():
        raise ConfigError(f"{out}: holds no {LAST} to go on from")
    if resume and not _whole(last):
        raise ConfigError(Message("{file}: is damaged or cut off; nothing can go on from it", file=last))
    if not resume and last.exists():
        raise ConfigError(f"{out}: holds a run already; use --resume or another --out")
    return last if resume else None


def _whole(checkpoint: Path) -> bool:
    """Whether a file is what torch.save writes: a zip, its table of contents at its end, with checksums that fit."""
    try:
        with zipfile.ZipFile(checkpoint) as opened:
            return opened.testzip() is None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError):
        return False


def check_room(out: Path, needed: int) -> None:
    """Raises NoRoomError unless the disk of `out` has room for a checkpoint of `needed` bytes, beside the old one."""
    free = shutil.disk_usage(out).free
    if free < needed + RESERVE:
        raise no_room(
            out,
            Message("a checkpoint needs {needed}, and {free} are free", needed=_mb(needed + RESERVE), free=_mb(free)),
        )


def no_room(out: Path, why: str) -> NoRoomError:
    """What is said of a full disk."""
    kept = out / LAST
    rest = (
        Message("the last one is kept ({file}): free some space and resume the run", file=kept)
        if kept.is_file()
        else Message("nothing was trained yet: free some space, or choose another place")
    )
    return NoRoomError(Message("{folder}: no room on this disk ({why}); {rest}", folder=out, why=why, rest=rest))


def reason(error: BaseException, out: Path) -> str:
    """One line for the user about what ended a run."""
    if isinstance(error, OSError) and error.errno in FULL:
        error = no_room(out, Message("it is full"))
    ours = isinstance(error, ConfigError | NoRoomError | ValueError)
    text = str(error) if ours else f"{type(error).__name__}: {error}"
    return text if isinstance(text, Message) else text.splitlines()[0]


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
