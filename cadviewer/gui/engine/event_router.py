"""One engine for the open case and for a batch: events of lent requests go to the borrower, all others to the window.

So the open case goes before batch work, and the models are in memory once. No Qt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from cadviewer.inference.protocol import DeviceReady, Event, Job, JobEvent, Priority

Listener = Callable[[Event], None]


class _Engine(Protocol):
    def next_request_id(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def cancel(self, request_id: int) -> None: ...


class EventRouter:
    """Give `take` to the engine as its `on_event`; everything that nobody lent goes to `window`."""

    def __init__(self, window: Listener) -> None:
        self._window = window
        self._lent: dict[int, Listener] = {}  # single operations on a dict need no lock
        self._device: DeviceReady | None = None

    def take(self, event: Event) -> None:
        """Called on the engine's thread."""
        if isinstance(event, JobEvent) and (listener := self._lent.get(event.request_id)) is not None:
            listener(event)
            return
        if isinstance(event, DeviceReady):
            self._device = event
            for listener in set(self._lent.values()):
                listener(event)
        self._window(event)

    def lend(self, engine: _Engine, listener: Listener) -> LentEngine:
        """The engine as a batch may use it; `listener` is called on the engine's thread."""
        if self._device is not None:
            listener(self._device)
        return LentEngine(engine, self._lent, listener)


class LentEngine:
    """What `batch.run` needs of an engine. Closing it gives it back and leaves the engine running."""

    def __init__(self, engine: _Engine, lent: dict[int, Listener], listener: Listener) -> None:
        self._engine, self._lent, self._listener = engine, lent, listener
        self._own: set[int] = set()

    def next_request_id(self) -> int:
        return self._engine.next_request_id()

    def submit(self, job: Job) -> None:
        """Hand a job to the engine; its events come to this listener."""
        self._own.add(job.request_id)
        self._lent[job.request_id] = self._listener
        self._engine.submit(replace(job, priority=Priority.BATCH))

    def cancel(self, request_id: int) -> None:
        self._engine.cancel(request_id)

    def close(self) -> None:
        """What still comes of its jobs is for nobody."""
        for request in self._own:
            self._lent[request] = _nobody  # what still comes of them is for nobody, not for the window
        self._own.clear()


def _nobody(event: Event) -> None:
    """Where events of a batch go that has ended."""
