"""Asking the engine: one owner of request ids, of the pixels that jobs read, and of what is no longer wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject

from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.engine.bridge import Bridge, EngineLike
from cadviewer.inference.protocol import Cancelled, Failed, Finished, Job, JobEvent, SharedArray

LAST = (Finished, Failed, Cancelled)
"""Of these events every job has one, its last."""

Make = Callable[[int, SharedArray], Job]
"""Request id and pixels → the job."""
Listener = Callable[[Case, JobEvent], None]


@dataclass(frozen=True)
class _Asked:
    case_id: str
    listener: Listener


class JobRequests(QObject):
    """Hands jobs to the engine and their events to who asked, on the window's thread.

    The pixels of a case stay in memory until the last event of every job that reads them, wanted or not. Events of a
    request that was left, or of a case that is no longer listed, reach nobody.
    """

    def __init__(self, cases: Cases, engine: EngineLike, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases, self._engine = cases, engine
        self._asked: dict[int, _Asked] = {}
        bridge.job_event.connect(self.take)

    def can_ask(self, case: Case) -> bool:
        """Whether all pixels of a case are in memory."""
        shared = self._cases.shared(case)
        return shared is not None and shared.handle is not None and case.stack is not None and case.stack.complete

    def ask(self, case: Case, make: Make, listener: Listener) -> int:
        """Submit a job on a case whose pixels are there (`can_ask`); returns its request id."""
        shared = self._cases.shared(case)
        assert shared is not None
        assert shared.handle is not None
        request = self._engine.next_request_id()
        self._asked[request] = _Asked(case.case_id, listener)
        self._cases.job_begins(request, case)
        self._engine.submit(make(request, shared.handle))
        return request

    def leave(self, request: int) -> None:
        """What a request still gives is not wanted; it is cancelled."""
        if self._asked.pop(request, None) is not None:
            self._engine.cancel(request)

    def take(self, event: JobEvent) -> None:
        """An event of the engine."""
        last = isinstance(event, LAST)
        if last:
            self._cases.job_ended(event.request_id)
        asked = self._asked.get(event.request_id)
        if asked is None or asked.case_id != event.case_id:
            return
        if last:
            del self._asked[event.request_id]
        case = self._cases.get(event.case_id)
        if case is not None:
            asked.listener(case, event)
