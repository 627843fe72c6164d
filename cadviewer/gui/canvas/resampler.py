"""Planes that take longer than a frame, made on a thread. A view shows a quick one until the plane itself is there."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from cadviewer import background
from cadviewer.gui.canvas.stack import Stack
from cadviewer.imaging.planes import Slab

log = logging.getLogger(__name__)

NICENESS = 5
"""Before a model that runs, after the window."""


@dataclass(frozen=True, eq=False)
class Request:
    """One image of a stack: plane `index`, or the slab around it."""

    stack: Stack
    index: int
    slab: Slab | None


class Asker(Protocol):
    """Whoever asks for planes; of each only the newest request counts."""

    def take(self, request: Request, frame: NDArray[Any]) -> None:
        """What was asked for is there."""
        ...


class Resampler(QObject):
    """One thread for all views, begun when it is first needed.

    Signal (for itself alone): made(Asker, Request, array).
    """

    made = Signal(object, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: OrderedDict[Asker, Request] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.made.connect(self._deliver)

    def ask(self, asker: Asker, request: Request) -> None:
        """Have `asker.take` called on this object's thread. What it asked for before is not wanted any more.

        It keeps its place in the row then, so that several that ask all the time take turns.
        """
        with self._changed:
            if self._closed:
                return
            self._wanted[asker] = request
            if self._thread is None:
                self._thread = background.start("resample", self._work)
            self._changed.notify()

    def close(self) -> None:
        """Make nothing more. Waits for the plane at hand."""
        with self._changed:
            self._closed = True
            self._wanted.clear()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        _step_back()
        while (wanted := self._next()) is not None:
            asker, request = wanted
            try:
                frame = request.stack.frame(request.index, request.slab)
            except Exception as error:  # noqa: BLE001 - want of memory has several kinds; the quick plane stays
                log.warning("a plane could not be resampled (%s)", type(error).__name__)
                frame = None
            if frame is not None and not self._closed:
                self.made.emit(asker, request, frame)
            del wanted, asker, request, frame  # or the pixels of a case that is left would stay in memory

    def _next(self) -> tuple[Asker, Request] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._closed)
            return None if self._closed else self._wanted.popitem(last=False)

    def _deliver(self, asker: Asker, request: Request, frame: NDArray[Any]) -> None:
        if not self._closed:
            asker.take(request, frame)


def _step_back() -> None:
    """Let the window's thread go first where threads have a priority each: on Linux."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # refused in some sandboxes
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
