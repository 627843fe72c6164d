"""What the engine and its process agree on, and the first function that runs in that process.

Light on purpose: the engine names this module's `run_worker` as the target of the spawned process, and the worker
itself is imported by name only there, so that nothing of it (torch above all) is reachable from the window's process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import signal
import sys
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

from cadviewer.background import describe
from cadviewer.inference.worker_messages import CannotStart, WorkerOptions

NICENESS = 10
_BELOW_NORMAL_PRIORITY_CLASS = 0x00004000  # Windows, processthreadsapi.h


def usable_cores() -> int:
    """CPU cores this process may use: its affinity, cut to a container's quota (Linux, cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no cgroup, or "max"
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def run_worker(module: str, commands: Connection, events: Connection, options: WorkerOptions) -> None:
    """The life of the process: import `module`, let its `create(options)` make a handler, serve until the pipe closes.

    A failure before the first job goes back as `CannotStart`.
    """
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    # Ctrl+C in a terminal reaches every process of the group; when to end is for the parent to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if options.background:
        _lower_priority()
    _open_log(options.log)
    from cadviewer.inference.worker_loop import Server

    try:
        handler = importlib.import_module(module).create(options)
        server = Server(handler, commands, events)
    except Exception as error:  # noqa: BLE001 - a broken torch or driver can raise anything; the window shows it
        events.send(CannotStart(describe(error)))
        return
    server.run()


def _end_with_parent() -> None:
    """A parent that is killed says nothing: until the commands are read (torch takes long to import) this notices."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _open_log(path: Path | None) -> None:
    """Send stack traces, those of crashes in native code too, to a file. They hold file names and lines, no values."""
    logger = logging.getLogger("cadviewer.inference")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    if path is not None:
        with contextlib.suppress(OSError):  # a read-only home must not keep the models from running
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = "a" if path.exists() and path.stat().st_size < 1 << 20 else "w"
            stream = path.open(mode, encoding="utf-8")
            faulthandler.enable(stream)
            logger.addHandler(logging.StreamHandler(stream))  # which keeps the stream open


def _lower_priority() -> None:
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL_PRIORITY_CLASS)
    else:
        with contextlib.suppress(OSError):  # refused in some sandboxes
            os.nice(NICENESS)
