"""Whether a process that another program may have started still runs, and ending it. No Qt.

The number of a process that has ended goes to another one sooner or later: what is meant is known by the time at which
it was created as well.
"""

from __future__ import annotations

import contextlib

import psutil

SAME = 2.0
"""Seconds by which two readings of when one process was created may differ."""


def created(pid: int) -> float | None:
    """When a process was created (seconds since 1970); None where there is none, or it is another user's."""
    try:
        return float(psutil.Process(pid).create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None


def alive(pid: int, since: float | None = None) -> bool:
    """Whether that process runs, whoever's it is. since: when it was created, None where nobody wrote it down."""
    try:
        process = psutil.Process(pid) if pid > 0 else None
        if process is None or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return since is None or abs(process.create_time() - since) < SAME
    except psutil.AccessDenied:
        return True
    except (psutil.Error, ValueError, OverflowError):
        return False


def end(pid: int, since: float | None = None) -> None:
    """End that process if it still runs; another one that has its number now is left alone."""
    if alive(pid, since):
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            psutil.Process(pid).terminate()
