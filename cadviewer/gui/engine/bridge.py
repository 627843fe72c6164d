"""From the engine's thread to the window's: events become signals. Nothing else crosses that border."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QObject, Signal

from cadviewer.gui.engine.event_router import EventRouter
from cadviewer.inference.protocol import DeviceReady, Event, Job, JobEvent


class EngineLike(Protocol):
    """What the window needs of `inference.engine.Engine`."""

    def start(self) -> None: ...

    def next_request_id(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def cancel(self, request_id: int) -> None: ...

    def warm(self, model: str) -> None: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


class Bridge(QObject):
    """Hand `take` to the engine as its `on_event`; the signals arrive on the thread of this object.

    switchboard: lends the engine to a batch, whose events do not become signals here.
    """

    device_ready = Signal(DeviceReady)
    job_event = Signal(JobEvent)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.switchboard = EventRouter(self._emit)

    def take(self, event: Event) -> None:
        """Called on the engine's thread."""
        self.switchboard.take(event)

    def _emit(self, event: Event) -> None:
        if isinstance(event, DeviceReady):
            self.device_ready.emit(event)
        else:
            self.job_event.emit(event)
