"""Many pictures of a series into a file or a folder: made, coded and written on a thread, painted on the window's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from cadviewer import background
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.pictures.still import Still, as_array
from cadviewer.store import image_files
from cadviewer.store.image_files import Picture

PATIENCE = 0.05
"""Seconds between two looks at whether it was cancelled, while a picture is painted."""


class _Cancelled(Exception):
    """Raised on the thread when the pictures are not wanted any more."""


class SeriesWriting(QObject):
    """One file of many pictures. Signals: progressed(done); finished(path); failed(why); cancelled()."""

    progressed = Signal(int)
    finished = Signal(str)
    failed = Signal(str)
    cancelled = Signal()
    _wanted = Signal(int, object)

    def __init__(self, still: Still, indices: Sequence[int], path: Path, rate: float, parent: QObject) -> None:
        """indices: of the images, in their order. rate: pictures a second, of a film."""
        super().__init__(parent)
        self._still, self._indices, self._path, self._rate = still, tuple(indices), path, rate
        self._painted: queue.SimpleQueue[Picture | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._lost = False  # the view shows another case now
        self._thread: threading.Thread | None = None
        self._wanted.connect(self._paint)

    def start(self) -> None:
        self._thread = background.start("pictures", self._work)

    def cancel(self) -> None:
        """Make no more; nothing of the file is left. `cancelled` follows."""
        self._stop.set()

    def close(self) -> None:
        """Cancel, and wait for the thread: the program ends."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def _paint(self, index: int, frame: NDArray[Any]) -> None:
        """On the window's thread: what lies over an image belongs to its widgets."""
        try:
            if self._still.replaced:
                self._lost = True
                self._painted.put(None)
                return
            self._still.hold(index, frame)
            self._painted.put(as_array(self._still.image(index)))
        except BaseException:
            self._painted.put(None)
            raise

    def _work(self) -> None:
        try:
            with image_files.sequence(self._path, self._rate) as add:
                for number, index in enumerate(self._indices, start=1):
                    add(self._picture(index))
                    self.progressed.emit(number)
        except _Cancelled:
            if self._lost:
                self.failed.emit(tr("another series came on screen"))
            else:
                self.cancelled.emit()
        except OSError as error:
            self.failed.emit(error.strerror or tr("disk error"))
        except MemoryError:
            self.failed.emit(tr("there is not enough memory"))
        except Exception as error:  # noqa: BLE001 - the dialog would wait for ever
            background.log_where(error, "in pictures: ")
            self.failed.emit(background.describe(error))
        else:
            self.finished.emit(str(self._path))

    def _picture(self, index: int) -> Picture:
        frame = self._still.stack.frame(index, self._still.slab)
        if self._stop.is_set():
            raise _Cancelled
        self._wanted.emit(index, frame)
        while True:
            try:
                picture = self._painted.get(timeout=PATIENCE)
            except queue.Empty:
                if self._stop.is_set():
                    raise _Cancelled from None
                continue
            if picture is None:
                raise _Cancelled
            return picture
