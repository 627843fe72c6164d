"""The threads of a batch beside its own: one finds the inputs, a few read them ahead into shared memory."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import psutil

from cadviewer.background import describe
from cadviewer.batch import inputs as batch_inputs
from cadviewer.batch.cards import Cards
from cadviewer.batch.events import Looked, Noticed, Options
from cadviewer.batch.watching import Watch
from cadviewer.findings import Task, resolve
from cadviewer.imaging import files
from cadviewer.imaging.faults import one_line
from cadviewer.imaging.series import InputError, Rejected, Series, Volume
from cadviewer.inference.shared import SharedPixels
from cadviewer.models.catalogue import CardError
from cadviewer.models.gate import input_gate
from cadviewer.store.case_report import CaseState
from cadviewer.store.results import FinishedCase


@dataclass
class BatchCase:
    """A series on its way through the run.

    id: names it, mostly the series' own. fingerprint: of its files. volume, task: once it is read.
    room: bytes that it holds of the `Room`. request: of its job, once it runs.
    ended, reason: set where it never gets to a model.
    """

    id: str
    series: Series
    fingerprint: str
    pixels: SharedPixels = field(default_factory=SharedPixels)
    volume: Volume | None = None
    task: Task | None = None
    seconds_load: float | None = None
    room: int = 0
    request: int | None = None
    ended: CaseState | None = None
    reason: str = ""


@dataclass(frozen=True)
class FoundCase:
    """To the run's thread: there is a case."""

    what: Series | Rejected


@dataclass(frozen=True)
class Searched:
    """To the run's thread: all inputs have been looked at; error: why they could not be."""

    error: str = ""


@dataclass(frozen=True)
class Ready:
    """To the run's thread: a reader is done with a case."""

    case: BatchCase


ReaderEvent = Looked | Noticed | FoundCase | Searched | Ready


class _Stop(Exception):
    """Raised inside a reader when the run ends."""


class Room:
    """Bounds the pixels in memory: so many cases and so many bytes, but always at least one case."""

    def __init__(self, cases: int, size: int) -> None:
        self._condition = threading.Condition()
        self._cases, self._size = cases, size
        self._in_use: list[int] = []

    def take(self, size: int, ended: threading.Event) -> bool:
        """Wait until there is room; False when the run ended meanwhile."""
        with self._condition:
            while self._in_use and (len(self._in_use) >= self._cases or sum(self._in_use) + size > self._size):
                self._condition.wait(0.1)
                if ended.is_set():
                    return False
            self._in_use.append(size)
            return True

    def give(self, size: int) -> None:
        """What was taken is free again."""
        with self._condition:
            self._in_use.remove(size)
            self._condition.notify_all()


class Readers:
    """Finds and reads; tells by `post`, which must be safe to call from any thread."""

    def __init__(
        self,
        inputs: Sequence[Path],
        out: Path,
        options: Options,
        cards: Cards,
        post: Callable[[ReaderEvent], None],
        finished: Sequence[FinishedCase] = (),
    ) -> None:
        """finished: the cases that are done already, for a watch."""
        self._finished = finished
        self._inputs, self._out, self._options, self._cards, self._post = inputs, out, options, cards, post
        self._todo: SimpleQueue[BatchCase | None] = SimpleQueue()
        self._ended = threading.Event()
        # One is computed while each reader holds another.
        self.room = Room(options.jobs + 1, memory_for_pixels())
        self._threads = [threading.Thread(target=self._search, name="batch search", daemon=True)]
        self._threads += [
            threading.Thread(target=self._read_all, name=f"batch reader {n}", daemon=True) for n in range(options.jobs)
        ]

    def start(self) -> None:
        """Begin to look for inputs."""
        for thread in self._threads:
            thread.start()

    def want(self, case: BatchCase) -> None:
        """Have a case read; `Ready` follows, unless the run ends first."""
        self._todo.put(case)

    def end(self) -> None:
        """Stop reading and wait for the threads."""
        self._ended.set()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(10)

    def _search(self) -> None:
        try:
            for what in self._cases():
                self._post(FoundCase(what))
                self._check()
        except _Stop:
            return
        except Exception as error:  # noqa: BLE001 - said as the reason why the run ends, wherever it came from
            self._post(Searched(describe(error)))
        else:
            self._post(Searched())

    def _cases(self) -> Iterator[Series | Rejected]:
        """What there is, or what arrives."""
        if self._options.quiet_for is None:
            return batch_inputs.cases(self._inputs, self._out, self._looked)
        quiet_for, wait = self._options.quiet_for, self._ended.wait
        return Watch(self._inputs, self._out, quiet_for, self._finished, wait, say=self._notice).arrivals()

    def _notice(self, text: str) -> None:
        self._post(Noticed(text))

    def _looked(self, done: int, total: int) -> None:
        self._check()
        self._post(Looked(done, total))

    def _read_all(self) -> None:
        while (case := self._todo.get()) is not None and not self._ended.is_set():
            try:
                self._read(case)
            except _Stop:
                case.volume = None
                case.pixels.close()
                return
            except input_gate.OutOfScope as error:
                case.ended, case.reason = CaseState.REFUSED, one_line(str(error))
            except (InputError, CardError) as error:
                case.ended, case.reason = CaseState.FAILED, one_line(str(error))
            except Exception as error:  # noqa: BLE001 - nothing in one case may stop the others
                case.ended, case.reason = CaseState.FAILED, describe(error)
            self._post(Ready(case))

    def _read(self, case: BatchCase) -> None:
        series = case.series
        size = max(1, math.prod(series.geometry.shape) * series.channels * np.dtype(series.dtype).itemsize)
        if not self.room.take(size, self._ended):
            raise _Stop
        case.room = size
        began = time.monotonic()
        case.volume = files.read(series, allocate=case.pixels.allocate, on_slice=lambda k: self._check())
        case.seconds_load = time.monotonic() - began
        series, pixels = case.volume.series, case.volume.pixels
        told = self._options.told.get(case.id)
        case.task = told or self._options.task or input_gate.task_for(series, pixels[len(pixels) // 2])
        if case.task.spec.gate:
            resolve(case.task.spec.gate)(series)  # before the queue: what the model refuses need not wait for it
        self._cards.of(case.task)

    def _check(self) -> None:
        if self._ended.is_set():
            raise _Stop


def memory_for_pixels() -> int:
    """Bytes of pixels that may wait for the model: a quarter of the memory, at most 4 GiB."""
    return int(min(psutil.virtual_memory().total // 4, 4 << 30))
