"""Reading off the window's thread: one thread scans, one reads, one makes thumbnails; signals bring back the rest.

A request is made on the window's thread, works on captured state only, and comes back under its number.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from cadviewer.background import Background
from cadviewer.findings import Task
from cadviewer.gui.canvas.stack import Stack
from cadviewer.imaging.series import InputError, Rejected, Series, Volume
from cadviewer.messages import Message
from cadviewer.store import last_results
from cadviewer.store.last_results import Last
from cadviewer.store.session import case_key

if TYPE_CHECKING:
    from cadviewer.inference.shared import SharedPixels

TELL_EVERY = 0.05
"""Seconds between two messages of a running scan or read."""


class LoadStopped(Exception):
    """The request is no longer wanted."""


@dataclass
class LoadedSeries:
    """One series being read.

    stack: from the first slice on. shared: the memory its pixels are in, for a job. task, question: what the case is
    to be analysed for, or why that is unclear; last: results that were kept of it. Set when the reading is over.
    """

    number: int
    series: Series
    first: int | None
    stop: threading.Event = field(default_factory=threading.Event)
    stack: Stack | None = None
    shared: SharedPixels | None = None
    task: Task | None = None
    question: str = ""
    last: Mapping[Task, Last] = field(default_factory=dict)


class Loader(QObject):
    """Threads that read. Signals arrive on the window's thread.

    found(scan number, list of Series | Rejected); scanning(number, files done, files in all); scanned(number, problem);
    began(Reading): its first slice is there; progressed(Reading); finished(Reading, Volume);
    failed(Reading, reason); read_ahead(Reading, Volume | None): what nobody has opened yet;
    thumbnail(case id, (rows, columns) array or (rows, columns, 3) array, Series).
    """

    found = Signal(int, list)
    scanning = Signal(int, int, int)
    scanned = Signal(int, str)
    began = Signal(object)
    progressed = Signal(object)
    finished = Signal(object, object)
    failed = Signal(object, str)
    thumbnail = Signal(str, object, object)
    read_ahead = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._scanner = Background("scan")
        self._reader = Background("read")
        self._thumbnailer = Background("thumbnail")
        self._stop = threading.Event()
        self._idle = threading.Event()  # no series is being read: until then thumbnails wait
        self._idle.set()
        self._reading: LoadedSeries | None = None
        self._number = 0

    def close(self) -> None:
        """Stop everything. Waits for the step at hand only."""
        self._stop.set()
        self._idle.set()  # who waits for it finds that it is over
        if self._reading is not None:
            self._reading.stop.set()
        for pool in (self._scanner, self._reader, self._thumbnailer):
            pool.close(drop=True)

    def scan(self, paths: Sequence[Path], make: Callable[[], Sequence[Path]] | None = None) -> int:
        """Look for series in files and folders, or in what `make` makes; returns the number its signals carry."""
        self._number += 1
        self._submit(self._scanner, self._scan, self._number, tuple(paths), make)
        return self._number

    def read(self, series: Series, first: int | None = None) -> LoadedSeries:
        """Read a series, slice `first` first. What was being read is given up."""
        self.give_up()
        self._number += 1
        reading = self._reading = LoadedSeries(self._number, series, first)
        if not self._stop.is_set():
            self._idle.clear()
        self._submit(self._reader, self._read, reading)
        return reading

    def give_up(self) -> None:
        """Stop the reading at hand; nothing more is heard of it."""
        if self._reading is not None:
            self._reading.stop.set()
            self._reading = None

    def make_thumbnail(self, series: Series) -> None:
        self._submit(self._thumbnailer, self._thumbnail, series)

    def ahead(self, series: Series) -> LoadedSeries:
        """Read a series that is not on screen, after the thumbnails, while nothing else is being read."""
        self._number += 1
        reading = LoadedSeries(self._number, series, None)
        self._submit(self._thumbnailer, self._ahead, reading)
        return reading

    def _submit(self, pool: Background, step: Callable[..., None], *arguments: Any) -> None:
        """Hand something to a thread; nothing more once the window is closing."""
        if not self._stop.is_set():
            pool.do(step, *arguments)

    # the threads -------------------------------------------------------------------------------------------------

    def _scan(self, number: int, paths: tuple[Path, ...], make: Callable[[], Sequence[Path]] | None) -> None:
        from cadviewer.imaging import files  # reading libraries: not needed for the first frame

        batch: list[Series | Rejected] = []
        told = progress_told = time.monotonic()

        def on_file(done: int, total: int) -> None:
            nonlocal progress_told
            if self._stop.is_set():
                raise LoadStopped
            if time.monotonic() - progress_told > TELL_EVERY:
                progress_told = time.monotonic()
                self.scanning.emit(number, done, total)

        problem = ""
        try:
            for entry in files.scan(paths if make is None else make(), on_file=on_file):
                batch.append(entry)
                if isinstance(entry, Series) or time.monotonic() - told > TELL_EVERY:
                    self.found.emit(number, batch)
                    batch, told = [], time.monotonic()
        except LoadStopped:
            return
        except (OSError, InputError) as error:
            problem = _reason(error)
        except Exception as error:  # noqa: BLE001 - a scan reads anything there is; the window lives on and says so
            problem = Message("unexpected error while looking for images ({kind})", kind=type(error).__name__)
        if batch:
            self.found.emit(number, batch)
        self.scanned.emit(number, problem)

    def _read(self, reading: LoadedSeries) -> None:
        try:
            volume = self._fill(reading)
        except LoadStopped:
            self._forget(reading)
        except (OSError, InputError, MemoryError) as error:
            self._forget(reading)
            self.failed.emit(reading, _reason(error))
        except Exception as error:  # noqa: BLE001 - decoders raise anything on damaged files; the window lives on
            self._forget(reading)
            self.failed.emit(reading, Message("this image cannot be decoded ({kind})", kind=type(error).__name__))
        else:
            if not reading.stop.is_set():
                self.finished.emit(reading, volume)
        finally:
            if reading is self._reading or self._reading is None:
                self._idle.set()

    def _fill(self, reading: LoadedSeries, quiet: bool = False) -> Volume:
        from cadviewer.imaging import files
        from cadviewer.inference.shared import SharedPixels

        if reading.stop.is_set():
            raise LoadStopped
        shared = reading.shared = SharedPixels()
        told = 0.0

        def allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
            pixels = shared.allocate(shape, dtype)
            reading.stack = Stack(reading.series, pixels, np.zeros(shape[0], bool))
            return pixels

        def on_slice(k: int) -> None:
            nonlocal told
            if reading.stop.is_set() or (quiet and self._stop.is_set()):
                raise LoadStopped
            stack = reading.stack
            if stack is None:
                return
            stack.loaded[k] = True
            if quiet:
                return
            if told == 0.0:
                self.began.emit(reading)
                told = time.monotonic()
            elif time.monotonic() - told > TELL_EVERY:
                self.progressed.emit(reading)
                told = time.monotonic()

        volume = files.read(reading.series, allocate=allocate, on_slice=on_slice, first=reading.first)
        assert reading.stack is not None
        reading.stack.series = volume.series
        reading.stack.loaded[:] = True
        if told == 0.0 and not quiet:
            self.began.emit(reading)
        reading.task, reading.question = classify(volume)
        reading.last = kept_results(volume.series)
        return volume

    def _ahead(self, reading: LoadedSeries) -> None:
        self._idle.wait()  # the open series goes first
        volume: Volume | None = None
        try:
            if self._stop.is_set():
                reading.stop.set()
            volume = self._fill(reading, quiet=True)
        except LoadStopped:
            self._forget(reading)
            return
        except Exception:  # noqa: BLE001 - what is wrong with it is said when somebody opens it
            self._forget(reading)
        self.read_ahead.emit(reading, volume)

    @staticmethod
    def _forget(reading: LoadedSeries) -> None:
        """Give the memory of a reading back; the window lets go of the stack by itself."""
        if reading.shared is not None:
            reading.shared.close()

    def _thumbnail(self, series: Series) -> None:
        from cadviewer.imaging import files

        kept: list[NDArray[Any]] = []

        def allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
            kept.append(np.zeros(shape, dtype))  # zero pages: only the slice that is read takes memory
            return kept[0]

        def on_slice(k: int) -> None:
            kept.append(np.array(kept[0][k]))
            raise LoadStopped

        self._idle.wait()  # the open series goes first
        if self._stop.is_set():
            return
        try:
            files.read(series, allocate=allocate, on_slice=on_slice, first=len(series.slices) // 2)
        except LoadStopped:
            self.thumbnail.emit(series.case_id, small(kept[1]), series)
        except Exception:  # noqa: BLE001 - a damaged file is reported when it is opened; here it has no picture
            return


def small(frame: NDArray[Any], side: int = 192) -> NDArray[Any]:
    """Every n-th pixel of a frame, so that its longer side is near `side`."""
    step = max(1, round(max(frame.shape[:2]) / side))
    return np.ascontiguousarray(frame[::step, ::step])


def classify(volume: Volume) -> tuple[Task | None, str]:
    """What a volume is to be analysed for, or why nobody can tell."""
    from cadviewer.models.gate import input_gate

    try:
        return input_gate.task_for(volume.series, volume.pixels[len(volume.pixels) // 2]), ""
    except input_gate.OutOfScope as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - an image that cannot be judged can still be looked at; the window asks
        return None, Message("what it shows cannot be determined ({kind})", kind=type(error).__name__)


def kept_results(series: Series) -> dict[Task, Last]:
    """What was found in this case when it was analysed before."""
    try:
        key = case_key(series)
    except OSError:  # the file went away meanwhile
        return {}
    return {task: found for task in Task if (found := last_results.last(key, task)) is not None}


def _reason(error: Exception) -> str:
    """One line for the user. InputError is written for it; others may carry paths, so their kind has to do."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory for this image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
