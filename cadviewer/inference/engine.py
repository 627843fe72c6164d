"""The engine: a thread that owns one worker process, feeds it jobs and turns its messages into events. No torch, no Qt.

What may be relied on:
- every submitted job gets exactly one last event (Finished, Failed or Cancelled), whatever happens to the process;
- events of a job come in order, carry its two ids, and stop with the last one;
- `cancel` ends a job at once for the caller; what the worker still says of it is dropped, and a worker that does not
  let go of it within `CANCEL_SECONDS` is replaced;
- none of the methods waits for the worker, but `close`, and that no longer than `CLOSE_SECONDS`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path

from cadviewer import paths
from cadviewer.background import log_where
from cadviewer.inference.life import CannotBegin, Life
from cadviewer.inference.protocol import (
    Cancelled,
    DeviceReady,
    Event,
    Failed,
    Finished,
    Job,
    JobEvent,
    Noted,
    Priority,
    Started,
)
from cadviewer.inference.worker_messages import CannotStart, Command, RunJob, Stop, Warm, WorkerOptions
from cadviewer.inference.worker_process import usable_cores
from cadviewer.messages import Message

CLOSE_SECONDS = 5.0
CANCEL_SECONDS = 30.0
"""How long the step of a cancelled job may go on before the process counts as wedged; loading a model is one step."""
GRACE_SECONDS = 3.0
"""How long a process that no longer talks may take to end by itself: its own end tells why."""
START_PAUSES = (0.5, 2.0, 5.0)
"""Seconds before a process is started again that died while it started: memory may be short for a while."""
_INTERRUPTIONS = 4
"""How often a job is begun again that was only interrupted, not running, when the process died."""
_CRASHES = 1
"""How often a job is begun again that was running then: what killed the process may have been another's memory."""

log = logging.getLogger("cadviewer.inference")


@dataclass(eq=False)
class _Entry:
    """A job on its way."""

    job: Job
    interruptions: int = 0
    crashes: int = 0
    let_go_by: float | None = None  # time.monotonic() at which a cancelled job must have ended


@dataclass
class _Process:
    """The worker process that there is now, and what it was given."""

    life: Life
    running: int | None = None  # request id
    sent: dict[int, _Entry] = field(default_factory=dict)  # in the order in which they were begun


class Engine:
    """Runs jobs in a process of its own; OPEN before BATCH, and an OPEN job interrupts a BATCH job between steps."""

    def __init__(
        self,
        on_event: Callable[[Event], None],
        *,
        device: str = "auto",
        worker: str = "cadviewer.inference.worker",
        threads: int | None = None,
        background: bool = True,
        log_file: Path | None = None,
    ) -> None:
        """Cheap: the process starts with `start` (or the first job).

        on_event: called on the engine's thread; it should hand over and return.
        device: "auto", "cpu", "cuda" or "cuda:N".
        worker: module with `create(options) -> serve.Handler`, imported by name in the process.
        threads: CPU threads; None leaves one core to the window when `background`, else takes all.
        background: low priority, for when a window is open.
        log_file: for stack traces of the process, None for the user's data folder.
        """
        cores = usable_cores()
        self._on_event = on_event
        self._worker = worker
        self._options = WorkerOptions(
            device=device,
            threads=threads or (max(1, cores - 1) if background else cores),
            background=background,
            log=log_file or paths.user_data() / "log" / "worker.log",
        )
        self._context = get_context("spawn")  # fork would take along the window's threads and locks
        self._ids = itertools.count(1)
        self._lock = threading.Lock()  # over the five below, which other threads touch
        self._rung = False
        self._orders: deque[Callable[[], None]] = deque()
        self._current: _Process | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._wake_in, self._wake_out = self._context.Pipe(duplex=False)
        self._waiting: dict[Priority, deque[_Entry]] = {p: deque() for p in Priority}
        self._known: dict[int, _Entry] = {}  # without a last event so far
        self._wanted = False  # whether a process should be there even without a job
        self._starts = 0  # how many in a row died while they started
        self._not_before = 0.0  # time.monotonic() of the next start

    # ------------------------------------------------------------------------------------------ called by other threads

    def start(self) -> None:
        """Start the thread and the process; DeviceReady comes when it can compute. Later calls do nothing."""
        self._order(self._want)

    def next_request_id(self) -> int:
        """A number that no other job of this engine has."""
        return next(self._ids)

    def submit(self, job: Job) -> None:
        """Queue a job. Its pixels must stay until its last event. Raises RuntimeError after `close`."""
        if not self._order(lambda: self._accept(_Entry(job))):
            raise RuntimeError("the engine is closed")

    def cancel(self, request_id: int) -> None:
        """End a job: Cancelled comes at once, and the worker leaves it at its next step. Ended ones are ignored."""
        self._order(lambda: self._cancel(request_id))

    def warm(self, model: str) -> None:
        """Load a model's weights when there is nothing else to do, so that its first job begins at once."""
        self._order(lambda: self._warm(model))

    def kill(self) -> None:
        """End a process that no longer answers and start another. The running job fails, the queue is kept."""
        with self._lock:
            current = self._current
            if current is None:
                return
            current.life.stopped = True
            current.life.process.kill()  # here and now: the engine's thread may be waiting for this very process

    def close(self) -> None:
        """End the process and the thread; jobs that had not ended are Cancelled. Later calls do nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
            if self._current is not None:
                self._current.life.process.kill()  # it holds nothing that could be lost
            self._ring()
        if thread is None:
            self._end()
        elif thread is not threading.current_thread():
            thread.join(CLOSE_SECONDS)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _order(self, order: Callable[[], None]) -> bool:
        """Have the thread do it. False after `close`."""
        with self._lock:
            if self._closed:
                return False
            self._orders.append(order)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
                self._thread.start()
            self._ring()
            return True

    def _ring(self) -> None:
        """Wake the thread. Under the lock: one byte at most is in the pipe, so this never waits."""
        if not self._rung:
            self._rung = True
            self._wake_out.send_bytes(b"!")

    # ---------------------------------------------------------------------------------------------- the engine's thread

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._rung:
                    self._wake_in.recv_bytes()
                    self._rung = False
                orders, self._orders = self._orders, deque()
                closed = self._closed
            if closed:
                break
            try:
                for order in orders:
                    order()
                self._receive()
                self._dispatch()
                self._wait()
            except CannotBegin as error:
                self._not_started(str(error))
            except Exception as error:  # noqa: BLE001 - every job must get its last event
                log_where(error, to=log)
                self._give_up(Message("the inference engine failed ({kind})", kind=type(error).__name__))
        self._end()

    def _wait(self) -> None:
        """Until another thread rings, the process says something or ends, or a cancelled job has had its time.

        Without a process: until it is time to start one again.
        """
        current = self._current
        if current is None:
            wait([self._wake_in], max(0.0, self._not_before - time.monotonic()) if self._wanted else None)
            return
        times = [e.let_go_by for e in current.sent.values() if e.let_go_by is not None]
        timeout = max(0.0, min(times) - time.monotonic()) if times else None
        if not wait([self._wake_in, current.life.events, current.life.process.sentinel], timeout):
            log.warning("a cancelled job did not end; starting the inference process again")
            current.life.process.kill()

    def _want(self) -> None:
        self._wanted = True

    def _accept(self, entry: _Entry) -> None:
        request = entry.job.request_id
        if request in self._known:
            log.error("request %d was submitted twice; the second is ignored", request)
            return
        self._known[request] = entry
        self._waiting[entry.job.priority].append(entry)
        self._wanted = True

    def _cancel(self, request: int) -> None:
        entry = self._known.get(request)
        if entry is None:
            return
        if self._current is not None and request in self._current.sent:
            entry.let_go_by = time.monotonic() + CANCEL_SECONDS
            self._send(self._current, Stop(request))
        else:
            self._waiting[entry.job.priority].remove(entry)
        self._finish(entry, Cancelled(entry.job.case_id, request))

    def _warm(self, model: str) -> None:
        self._wanted = True
        if self._current is None and time.monotonic() < self._not_before:
            return  # only a head start: the first job loads it too
        self._send(self._current or self._begin(), Warm(model))

    def _receive(self) -> None:
        """Take all that the process has said, and notice when it is gone."""
        current = self._current
        if current is None:
            return
        try:
            while current.life.events.poll():
                self._handle(current, current.life.events.recv())
        except (EOFError, OSError):
            self._bury(current)
        else:
            if not current.life.process.is_alive() and not current.life.events.poll():
                self._bury(current)

    def _handle(self, current: _Process, message: object) -> None:
        if isinstance(message, CannotStart):
            current.life.reason = message.reason
        elif isinstance(message, DeviceReady):
            current.life.ready = True
            self._starts = 0
            self._emit(message)
        elif isinstance(message, JobEvent) and message.request_id in current.sent:
            entry = current.sent[message.request_id]
            if isinstance(message, Started):
                current.running = message.request_id
            if isinstance(message, Finished | Failed | Cancelled):
                del current.sent[message.request_id]
                if current.running == message.request_id:
                    current.running = None
                if entry.let_go_by is None:
                    self._finish(entry, message)
            elif entry.let_go_by is None:
                self._emit(message)

    def _dispatch(self) -> None:
        """Send the next job, if the process is free or busy with something less urgent."""
        current = self._current
        if current is None:
            if self._wanted and time.monotonic() >= self._not_before:
                self._begin()
            return
        if not current.life.ready:
            return
        for priority in Priority:
            queue = self._waiting[priority]
            while queue and all(e.job.priority > priority for e in current.sent.values()):
                entry = queue.popleft()
                current.sent[entry.job.request_id] = entry
                self._send(current, RunJob(entry.job))

    def _begin(self) -> _Process:
        current = _Process(Life.begin(self._context, self._worker, self._options))
        with self._lock:
            self._current = current
        return current

    def _send(self, current: _Process, command: Command) -> None:
        with contextlib.suppress(OSError):  # it died; `_receive` sees to what that means
            current.life.commands.send(command)

    def _bury(self, current: _Process) -> None:
        """The process is gone: what it had goes back to the head of the queue, or fails if it was lost with it before.

        Nothing is said of a process that `close` has killed: its jobs are Cancelled at the end.
        """
        life = current.life
        life.process.join(GRACE_SECONDS)
        life.ended = life.process.is_alive()
        life.end()
        reason = life.why_gone()
        with self._lock:
            self._current = None
            stopped, closed = life.stopped, self._closed
        life.close()
        if closed:
            return
        for request, entry in reversed(current.sent.items()):
            if entry.let_go_by is not None:
                continue
            if self._goes_on(entry, running=request == current.running, stopped=stopped):
                self._waiting[entry.job.priority].appendleft(entry)
                if request == current.running:
                    self._emit(
                        Noted(
                            entry.job.case_id, request, Message("{reason}; the case is tried once more", reason=reason)
                        )
                    )
            else:
                self._finish(entry, Failed(entry.job.case_id, request, reason))
        if not life.ready and not stopped:
            if life.reason:
                self._give_up(reason, unfinished=True)  # it knows why it cannot, and would not the next time either
            else:
                self._not_started(reason)
        elif not stopped:
            log.warning("%s", reason)
            # One that dies with nothing to do (the system wants its memory) is started again by the next job only.
            self._wanted = bool(self._known) or bool(current.sent)

    @staticmethod
    def _goes_on(entry: _Entry, *, running: bool, stopped: bool) -> bool:
        """Whether a job is begun again whose process is gone."""
        if not running:
            entry.interruptions += 1
            return entry.interruptions <= _INTERRUPTIONS
        entry.crashes += 1
        return not stopped and entry.crashes <= _CRASHES

    def _not_started(self, reason: str) -> None:
        """A process did not come up: another one is tried after a pause, so often and no more."""
        if self._starts == len(START_PAUSES):
            return self._give_up(reason, unfinished=True)
        log.warning("%s; it is started again", reason)
        self._not_before = time.monotonic() + START_PAUSES[self._starts]
        self._starts += 1
        return None

    def _give_up(self, reason: str, *, unfinished: bool = False) -> None:
        """Fail what there is and say why; the next `submit` or `start` tries again."""
        log.error("%s", reason)
        with self._lock:
            current, self._current = self._current, None
        if current is not None:
            current.life.end()
            current.life.close()
        self._wanted, self._starts, self._not_before = False, 0, 0.0
        for queue in self._waiting.values():
            queue.clear()
        for entry in list(self._known.values()):
            self._finish(entry, Failed(entry.job.case_id, entry.job.request_id, reason, unfinished=unfinished))
        self._emit(DeviceReady("", reason))

    def _finish(self, entry: _Entry, event: Event) -> None:
        del self._known[entry.job.request_id]
        self._emit(event)

    def _emit(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - a fault of a listener must not end the engine
            log_where(error, to=log)

    def _end(self) -> None:
        """After `close`: no job stays without a last event, and nothing of the process stays."""
        for entry in list(self._known.values()):
            self._finish(entry, Cancelled(entry.job.case_id, entry.job.request_id))
        with self._lock:
            current, self._current = self._current, None
        if current is not None:
            current.life.close()
            if current.life.end():
                current.life.process.close()
        self._wake_in.close()
        self._wake_out.close()
