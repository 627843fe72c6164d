"""The loop inside the worker's process: takes commands between steps, sends events. Knows no model and no torch."""

from __future__ import annotations

import logging
import os
import threading
import time
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Protocol

from cadviewer.background import describe, log_where
from cadviewer.findings import Result
from cadviewer.inference.protocol import (
    Cancelled,
    DeviceReady,
    Event,
    Failed,
    Finished,
    Job,
    Noted,
    Progressed,
    Started,
)
from cadviewer.inference.worker_messages import Command, RunJob, Stop, Warm

PROGRESS_SECONDS = 0.05
"""No more often than this goes a Progressed to the window."""
ESTIMATE_SECONDS = 0.3
"""How long a job runs before its time left is estimated."""

log = logging.getLogger("cadviewer.inference")


class JobError(Exception):
    """Why a job gives no result, in one line that may be shown and stored."""

    def __init__(self, reason: str, *, out_of_scope: bool = False) -> None:
        super().__init__(reason)
        self.out_of_scope = out_of_scope


class Reporter(Protocol):
    """What a handler says while it runs a job."""

    def check(self) -> None:
        """Let more urgent jobs go first and end this one if it was cancelled; to be called often."""
        ...

    def step(self, done: int, total: int) -> None:
        """Tell the progress, and `check`."""
        ...

    def seconds(self) -> float:
        """Time spent on this job so far, without the jobs that went first."""
        ...

    def note(self, text: str) -> None: ...

    def device(self, ready: DeviceReady) -> None: ...


class Handler(Protocol):
    """What a worker module's `create(options)` gives."""

    def ready(self) -> DeviceReady:
        """The device that will be used."""
        ...

    def warm(self, model: str) -> None:
        """Load a model ahead of its first job. Whatever goes wrong is said by the job later."""
        ...

    def run(self, job: Job, report: Reporter) -> Result:
        """The result. Raises JobError; `report` must be called often, and what it raises be let through."""
        ...


class _Stopped(Exception):
    """Raised out of `check` and `step` in a job that was cancelled."""


class Server:
    """Runs one job at a time; a job that arrives during another is run inside that one's next step."""

    def __init__(self, handler: Handler, commands: Connection, events: Connection) -> None:
        self._handler = handler
        self._commands = commands
        self._events = events
        self._inbox: SimpleQueue[Command] = SimpleQueue()
        self._active: list[int] = []
        self._stopped: set[int] = set()
        self._to_warm: list[str] = []
        self.runs = 0  # jobs begun so far

    def run(self) -> None:
        """Serve until the other end closes the pipe; the process then ends at once."""
        # A thread of its own always reads, so that neither side can ever wait for the other to read first.
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        self.send(self._handler.ready())
        while True:
            self._handle(self._inbox.get())
            while self._to_warm and self._inbox.empty():
                self._warm(self._to_warm.pop(0))

    def send(self, event: Event) -> None:
        self._events.send(event)

    def _read(self) -> None:
        try:
            while True:
                self._inbox.put(self._commands.recv())
        except (EOFError, OSError):  # the window's process closed the pipe or died
            os._exit(0)

    def take_commands(self) -> None:
        """Act on what has arrived; called between the steps of the running job."""
        while True:
            try:
                command = self._inbox.get_nowait()
            except Empty:
                return
            self._handle(command)

    def is_stopped(self, request_id: int) -> bool:
        return request_id in self._stopped

    def _handle(self, command: Command) -> None:
        if isinstance(command, RunJob):
            self._run(command.job)
        elif isinstance(command, Stop):
            if command.request_id in self._active:
                self._stopped.add(command.request_id)
        elif isinstance(command, Warm):
            self._to_warm.append(command.model)

    def _warm(self, model: str) -> None:
        try:
            self._handler.warm(model)
        except Exception as error:  # noqa: BLE001 - the job that needs the model will fail with the reason
            log_where(error, to=log)

    def _run(self, job: Job) -> None:
        case, request = job.case_id, job.request_id
        self._active.append(request)
        self.runs += 1
        self.send(Started(case, request))
        try:
            last: Event = Finished(case, request, self._handler.run(job, _JobReporter(self, job)))
        except _Stopped:
            last = Cancelled(case, request)
        except JobError as error:
            last = Failed(case, request, one_line(str(error)), error.out_of_scope)
        except Exception as error:  # noqa: BLE001 - nothing in one case may end the process or stop the others
            log_where(error, to=log)
            last = Failed(case, request, describe(error))
        self._active.remove(request)
        self._stopped.discard(request)
        self.send(last)


class _JobReporter:
    """The `Reporter` of one job: takes commands, throttles, estimates the time left."""

    def __init__(self, server: Server, job: Job) -> None:
        self._server = server
        self._job = job
        self._began = time.monotonic()  # moved forward by interruptions, so that now − began is time spent on this job
        self._sent = 0.0

    def check(self) -> None:
        arrived, runs = time.monotonic(), self._server.runs
        self._server.take_commands()
        if self._server.is_stopped(self._job.request_id):
            raise _Stopped
        if self._server.runs > runs:  # another job went first
            self._began += time.monotonic() - arrived
            self._server.send(Started(self._job.case_id, self._job.request_id))

    def step(self, done: int, total: int) -> None:
        self.check()
        now = time.monotonic()
        if now - self._sent < PROGRESS_SECONDS and done < total:
            return
        self._sent = now
        spent = now - self._began
        left = spent / done * (total - done) if done > 0 and spent >= ESTIMATE_SECONDS else None
        self._server.send(Progressed(self._job.case_id, self._job.request_id, done, total, left))

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def note(self, text: str) -> None:
        self._server.send(Noted(self._job.case_id, self._job.request_id, one_line(text)))

    def device(self, ready: DeviceReady) -> None:
        self._server.send(ready)


def one_line(text: str) -> str:
    made = " ".join(text.split())
    return text if made == text else made  # as it is: a message stays one
