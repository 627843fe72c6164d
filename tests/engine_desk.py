"""An engine with a worker that has no torch, what came out of it, and the pixels its jobs look at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import numpy as np
import pytest

from cadviewer.findings import Task
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo
from cadviewer.inference.engine import Engine
from cadviewer.inference.protocol import (
    AnalyseJob,
    Cancelled,
    Event,
    Failed,
    Finished,
    JobEvent,
    Priority,
    Progressed,
)
from cadviewer.inference.shared import SharedPixels

SHAPE = (6, 32, 32)
SLOW: dict[str, Any] = {"steps": 400, "delay": 0.02}
LAST = (Finished, Failed, Cancelled)


class EngineDesk:
    """An engine with what came out of it, and the pixels its jobs look at."""

    def __init__(self, worker: str = "fake_worker", **options: Any) -> None:
        self.events: list[Event] = []
        self._queue: Queue[Event] = Queue()
        self.pixels = SharedPixels()
        self.pixels.allocate(SHAPE, np.dtype(np.int16))
        self.engine = Engine(self._take, worker=worker, **options)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._queue.put(event)

    def forget(self) -> None:
        self.events = []
        self._queue = Queue()

    def submit(self, case: str = "a", priority: Priority = Priority.OPEN, **options: Any) -> int:
        series = Series(
            Path("x"),
            "sitk",
            tuple(SliceInfo(Path("x"), k) for k in range(SHAPE[0])),
            Geometry(SHAPE),
            Shape.VOLUME,
            np.dtype(np.int16),
        )
        request = self.engine.next_request_id()
        given = {k: v if isinstance(v, str) else json.dumps(v) for k, v in options.items()}
        self.engine.submit(
            AnalyseJob(
                case,
                request,
                Task.NODULES,
                "some-model" + (f"?{json.dumps(given)}" if given else ""),
                series,
                self.pixels.handle,
                priority=priority,
            )
        )
        return request

    def until(self, found: Callable[[Event], bool], seconds: float = 120) -> Event:
        """The next event like that; fails when none comes."""
        end = time.monotonic() + seconds
        while True:
            try:
                event = self._queue.get(timeout=max(0.01, end - time.monotonic()))
            except Empty:
                pytest.fail(f"nothing like that came; there were {[type(e).__name__ for e in self.events]}")
            if found(event):
                return event

    def until_last(self, request: int) -> JobEvent:
        event = self.until(lambda e: isinstance(e, LAST) and e.request_id == request)
        assert isinstance(event, JobEvent)
        return event

    def until_running(self, request: int) -> None:
        self.until(lambda e: isinstance(e, Progressed) and e.request_id == request)

    def of(self, request: int) -> list[JobEvent]:
        return [e for e in self.events if isinstance(e, JobEvent) and e.request_id == request]

    def worker_pid(self) -> int:
        assert self.engine._current is not None
        pid = self.engine._current.life.process.pid
        assert pid is not None
        return pid

    def close(self) -> None:
        self.engine.close()
        self.pixels.close()
