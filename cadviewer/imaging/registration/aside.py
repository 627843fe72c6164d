"""Registering in a process of its own: the window's goes on, and it can be ended at once.

The other process is given the coarse lungs alone, some MB, and sends how far it is, then what it found.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol

from cadviewer.imaging.registration.lungs import Lungs
from cadviewer.imaging.registration.maps import Registration
from cadviewer.imaging.registration.registering import align, both
from cadviewer.imaging.registration.run import Cancelled, Run
from cadviewer.imaging.series import InputError, Volume
from cadviewer.messages import Message

ASK_SECONDS = 0.1
NICENESS = 10


def register(
    now: Volume, prior: Volume, *, stop: Callable[[], bool], progress: Callable[[float], None]
) -> Registration:
    """As `registering.register`: half a second in this thread, the rest in another process, which `stop` ends at once.

    Raises Cancelled; InputError where they cannot be registered and where the process ends, and says why.
    """
    lungs = both(now, prior)
    if stop():
        raise Cancelled
    importlib.import_module("cv2")  # it changes sys.path meanwhile, which the process would take along
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(there, *lungs), name="cadviewer registration", daemon=True)
    try:
        process.start()
    except OSError as error:
        raise InputError(
            Message("the process that matches cannot be started: {strerror}", strerror=error.strerror)
        ) from error
    finally:
        there.close()
    try:
        return _wait(here, stop, progress)
    finally:
        process.kill()
        process.join()
        here.close()


class _Pipe(Protocol):
    """What is asked of the end of a pipe; its class differs from system to system."""

    def poll(self, timeout: float, /) -> bool: ...

    def recv(self) -> Any: ...


def _wait(here: _Pipe, stop: Callable[[], bool], progress: Callable[[float], None]) -> Registration:
    while True:
        if stop():
            raise Cancelled
        try:
            said = here.recv() if here.poll(ASK_SECONDS) else None
        except (EOFError, OSError) as error:  # Windows says of a broken pipe what others say of its end
            raise InputError(Message("the process that matches ended by itself")) from error
        if isinstance(said, Registration):
            return said
        if isinstance(said, InputError):
            raise said
        if said is not None:
            progress(float(said))


def _serve(there: Connection, now: Lungs, prior: Lungs) -> None:
    """The life of the process. A pipe that is closed means that nobody waits any more."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # refused in some sandboxes
            os.nice(NICENESS)
    with contextlib.suppress(OSError):
        try:
            there.send(align(now, prior, Run(progress=there.send)))
        except InputError as error:
            there.send(error)
