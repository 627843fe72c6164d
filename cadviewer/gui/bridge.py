"""From the engine's thread to the window's: events become signals. Nothing else crosses that border."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QObject, Signal

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
    """Hand `take` to the engine as its `on_event`; the signals arrive on the thread of this object."""

    device_ready = Signal(DeviceReady)
    job_event = Signal(JobEvent)

    def take(self, event: Event) -> None:
        """Called on the engine's thread."""
        if isinstance(event, DeviceReady):
            self.device_ready.emit(event)
        else:
            self.job_event.emit(event)
