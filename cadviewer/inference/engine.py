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
import importlib
import itertools
import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from cadviewer import paths
from cadviewer.inference.launch import CannotStart, Command, Run, Stop, Warm, WorkerOptions, run_worker, usable_cores
from cadviewer.inference.protocol import (
    Cancelled,
    DeviceReady,
    Event,
    Failed,
    Finished,
    Job,
    JobEvent,
    Priority,
    Started,
)
from cadviewer.inference.serve import log_where

CLOSE_SECONDS = 5.0
END_SECONDS = 2.0
"""How long a process has to end after it was asked to, and again after it was killed."""
CANCEL_SECONDS = 30.0
"""How long the step of a cancelled job may go on before the process counts as wedged; loading a model is one step."""
GRACE_SECONDS = 3.0
"""How long a process that no longer talks may take to end by itself: its own end tells why."""
STOPPED = "stopped by the user"
_TRIES = 2
"""How often a job is begun again that was only interrupted, not running, when the process died."""

log = logging.getLogger("cadviewer.inference")


class _CannotBegin(Exception):
    """Why the system gives no process, in one line."""


@dataclass(eq=False)
class _Entry:
    """A job on its way."""

    job: Job
    tries: int = 0
    let_go_by: float | None = None  # time.monotonic() at which a cancelled job must have ended


@dataclass
class _Process:
    """One life of the worker process."""

    process: SpawnProcess
    commands: Connection
    events: Connection
    ready: bool = False
    reason: str = ""  # why it could not start
    stopped: bool = False  # by the user
    ended: bool = False  # by the engine, since it did not end by itself
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
            current.stopped = True
            current.process.kill()  # here and now: the engine's thread may be waiting for this very process

    def close(self) -> None:
        """End the process and the thread; jobs that had not ended are Cancelled. Later calls do nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
            if self._current is not None:
                self._current.process.kill()  # it holds nothing that could be lost
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
            except _CannotBegin as error:
                self._give_up(str(error))
            except Exception as error:  # noqa: BLE001 - every job must get its last event
                log_where(error)
                self._give_up(f"the inference engine failed ({type(error).__name__})")
        self._end()

    def _wait(self) -> None:
        """Until another thread rings, the process says something or ends, or a cancelled job has had its time."""
        current = self._current
        if current is None:
            wait([self._wake_in])
            return
        times = [e.let_go_by for e in current.sent.values() if e.let_go_by is not None]
        timeout = max(0.0, min(times) - time.monotonic()) if times else None
        if not wait([self._wake_in, current.events, current.process.sentinel], timeout):
            log.warning("a cancelled job did not end; starting the inference process again")
            current.process.kill()

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
        self._send(self._current or self._begin_process(), Warm(model))

    def _receive(self) -> None:
        """Take all that the process has said, and notice when it is gone."""
        current = self._current
        if current is None:
            return
        try:
            while current.events.poll():
                self._handle(current, current.events.recv())
        except (EOFError, OSError):
            self._bury(current)
        else:
            if not current.process.is_alive() and not current.events.poll():
                self._bury(current)

    def _handle(self, current: _Process, message: object) -> None:
        if isinstance(message, CannotStart):
            current.reason = message.reason
        elif isinstance(message, DeviceReady):
            current.ready = True
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
            if self._wanted:
                self._begin_process()
            return
        if not current.ready:
            return
        for priority in Priority:
            queue = self._waiting[priority]
            while queue and all(e.job.priority > priority for e in current.sent.values()):
                entry = queue.popleft()
                current.sent[entry.job.request_id] = entry
                self._send(current, Run(entry.job))

    def _begin_process(self) -> _Process:
        # OpenCV changes sys.path while it is imported, and a process spawned meanwhile takes that along and finds none
        # of its modules. Importing it here waits for another thread that is at it (a reader, at the first file).
        importlib.import_module("cv2")
        commands_out, commands_in = self._context.Pipe(duplex=False)
        events_out, events_in = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=run_worker,
            args=(self._worker, commands_out, events_in, self._options),
            name="cadviewer worker",
            daemon=True,
        )
        try:
            process.start()
        except OSError as error:  # no memory or no handles left
            for end in (commands_out, commands_in, events_out, events_in):
                end.close()
            raise _CannotBegin(f"the inference process could not start: {error.strerror}") from error
        commands_out.close()  # so that each side notices when the other is gone
        events_in.close()
        current = _Process(process, commands_in, events_out)
        with self._lock:
            self._current = current
        return current

    def _send(self, current: _Process, command: Command) -> None:
        with contextlib.suppress(OSError):  # it died; `_receive` sees to what that means
            current.commands.send(command)

    def _bury(self, current: _Process) -> None:
        """The process is gone: its running job fails, what it had interrupted goes back to the head of the queue."""
        current.process.join(GRACE_SECONDS)
        current.ended = current.process.is_alive()
        _end_process(current.process)
        reason = _why_gone(current)
        with self._lock:
            self._current = None
            stopped = current.stopped
        current.commands.close()
        current.events.close()
        for request, entry in reversed(current.sent.items()):
            entry.tries += 1
            if entry.let_go_by is not None:
                continue
            if request == current.running or entry.tries > _TRIES:
                self._finish(entry, Failed(entry.job.case_id, request, reason))
            else:
                self._waiting[entry.job.priority].appendleft(entry)
        if not current.ready and not stopped:
            self._give_up(reason)  # it never came up, so it would not the next time either
        elif not stopped:
            log.warning("%s", reason)
            # One that dies with nothing to do (the system wants its memory) is started again by the next job only.
            self._wanted = bool(self._known) or bool(current.sent)

    def _give_up(self, reason: str) -> None:
        """Fail what there is and say why; the next `submit` or `start` tries again."""
        log.error("%s", reason)
        with self._lock:
            current, self._current = self._current, None
        if current is not None:
            _end_process(current.process)
            current.commands.close()
            current.events.close()
        self._wanted = False
        for queue in self._waiting.values():
            queue.clear()
        for entry in list(self._known.values()):
            self._finish(entry, Failed(entry.job.case_id, entry.job.request_id, reason))
        self._emit(DeviceReady("", reason))

    def _finish(self, entry: _Entry, event: Event) -> None:
        del self._known[entry.job.request_id]
        self._emit(event)

    def _emit(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - a fault of a listener must not end the engine
            log_where(error)

    def _end(self) -> None:
        """After `close`: no job stays without a last event, and nothing of the process stays."""
        for entry in list(self._known.values()):
            self._finish(entry, Cancelled(entry.job.case_id, entry.job.request_id))
        with self._lock:
            current, self._current = self._current, None
        if current is not None:
            current.commands.close()  # which by itself ends a process that still listens
            current.events.close()
            if _end_process(current.process):
                current.process.close()
        self._wake_in.close()
        self._wake_out.close()


def _end_process(process: SpawnProcess) -> bool:
    """Ask a process to end, then kill it; whether it is gone. One that has ended keeps its exit status.

    Even a killed one takes its time where others use the machine, or for ever inside a driver: that is logged, and left
    to the system.
    """
    for end in (process.terminate, process.kill):
        if process.is_alive():
            end()
            process.join(END_SECONDS)
    if process.is_alive():
        log.error("the inference process cannot be ended")
    return not process.is_alive()


def _why_gone(current: _Process) -> str:
    """One line for the user."""
    if current.stopped:
        return STOPPED
    if current.reason:
        return f"the inference process could not start: {current.reason}"
    if current.ended:
        return "the inference process closed its connection and did not end; it was ended"
    code = current.process.exitcode
    if code is not None and code < 0:
        name = next((s.name for s in signal.Signals if s.value == -code), f"signal {-code}")
        if name == "SIGKILL":
            return "the inference process was ended by the system (SIGKILL), probably for want of memory"
        return f"the inference process crashed ({name})"
    return f"the inference process ended by itself (status {code})"
