"""One run of a batch, on the thread that calls it: takes what the readers and the engine say, writes and reports."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from cadviewer.batch import inputs as batch_inputs
from cadviewer.batch.cards import Cards
from cadviewer.batch.events import (
    AllFound,
    BatchEvent,
    CaseDone,
    CaseFound,
    CaseProgress,
    CaseStarted,
    Looked,
    Noticed,
    Options,
    Summary,
)
from cadviewer.batch.reading import BatchCase, FoundCase, ReaderEvent, Readers, Ready, Searched
from cadviewer.imaging.series import Rejected, Series, Volume
from cadviewer.inference.protocol import (
    AnalyseJob,
    Cancelled,
    DeviceReady,
    Event,
    Failed,
    Finished,
    Job,
    JobEvent,
    Noted,
    Priority,
    Progressed,
    Started,
)
from cadviewer.messages import Message
from cadviewer.store import case_report, results
from cadviewer.store import report as reports
from cadviewer.store.case_report import CaseReport, CaseState
from cadviewer.store.results import ResultsFolder

POLL_SECONDS = 0.1
"""How often a run that hears nothing asks whether it was cancelled."""

STALL_SECONDS = 900.0
"""How long the model may say nothing of a case that it has begun; then the case fails and the others go on."""


class BatchError(Exception):
    """The run cannot go on (a full disk); what is finished is kept. One line, without a path."""


class Runs(Protocol):
    """The part of `inference.engine.Engine` that a batch uses, so that a window can lend its own engine."""

    def next_request_id(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def cancel(self, request_id: int) -> None: ...

    def close(self) -> None: ...


class BatchRun:
    """One run. `inbox` takes what other threads say: messages of the readers and events of the engine."""

    def __init__(
        self,
        folder: ResultsFolder,
        options: Options,
        cards: Cards,
        on_event: Callable[[BatchEvent], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._folder, self._options, self._cards = folder, options, cards
        self._on_event, self._cancelled = on_event, cancelled
        self.inbox: SimpleQueue[ReaderEvent | Event] = SimpleQueue()
        self._running: dict[int, BatchCase] = {}
        self._heard: dict[int, float] = {}  # when the model last said something of a case it has begun
        self._states: dict[str, CaseState | None] = {}  # of each case found; None while it is not finished
        self._open = 0  # cases that are not finished
        self._searched = False
        self._untold = False  # whether the tables lack a case
        self._next = 0.0  # when a watch writes them next at the earliest
        self._no_engine = ""  # why none can be had: the run then ends, and what is not finished stays so

    def run(self, readers: Readers, engine: Runs) -> Summary:
        """Until all cases are finished or the run is cancelled. Ends the readers and closes the engine."""
        self._readers, self._engine = readers, engine
        cancelled = False
        try:
            readers.start()
            while not self._over() and not (cancelled := self._cancelled()):
                try:
                    self._handle(self.inbox.get(timeout=POLL_SECONDS))
                except Empty:
                    self._look_for_stalled()
                    self._write_tables_of_watch()
        finally:
            self._close(readers, engine)
        # Before all were done what an earlier run finished belongs to the tables too, found again so far or not.
        self._folder.write_tables(None if cancelled or self._no_engine else self._states.keys())
        counts = dict(Counter(s for s in self._states.values() if s is not None))
        return Summary(counts, cancelled, self._no_engine)

    def _write_tables_of_watch(self) -> None:
        """A watch has no end: tables are written between two cases, for at most a twentieth of the time."""
        if self._options.quiet_for is not None and self._untold and not self._open and time.monotonic() > self._next:
            began = time.monotonic()
            self._folder.write_tables()
            self._untold = False
            self._next = time.monotonic() + 20 * (time.monotonic() - began)

    def _over(self) -> bool:
        return bool(self._no_engine) or (self._searched and not self._open)

    def _close(self, readers: Readers, engine: Runs) -> None:
        for request in self._running:
            engine.cancel(request)
        engine.close()
        readers.end()
        left = list(self._running.values())
        while not self.inbox.empty():
            if isinstance(message := self.inbox.get(), Ready):
                left.append(message.case)
        for case in left:
            case.volume = None
            case.pixels.close()

    def _handle(self, message: Any) -> None:
        match message:
            case Looked() | Noticed():
                self._on_event(message)
            case FoundCase():
                self._take(message.what)
            case Searched():
                if message.error:
                    raise BatchError(Message("the inputs cannot be searched: {error}", error=message.error))
                self._searched = True
                self._on_event(AllFound(len(self._states)))
            case Ready():
                self._submit(message.case)
            case DeviceReady():
                self._on_event(Noticed(f"{message.device}: {message.why}" if message.device else message.why))
            case JobEvent() if message.request_id in self._running:
                self._hear(self._running[message.request_id], message)

    def _take(self, what: Series | Rejected) -> None:
        """A case was found: it is finished already, ends here, or goes to the readers."""
        fingerprint = results.fingerprint(batch_inputs.files_of(what))
        case = self._name(what.case_id if isinstance(what, Series) else case_report.case_of(what.source), fingerprint)
        self._states[case] = None
        self._open += 1
        self._on_event(CaseFound(case, what.source, _series_name(what) if isinstance(what, Series) else ""))
        if self._options.quiet_for is not None and isinstance(what, Series):
            self._forget_failed(what)
        if case not in self._options.told and self._folder.has(case, fingerprint):
            self._done(case, kept=True)
        elif isinstance(what, Series):
            self._readers.want(BatchCase(case, what, fingerprint))
        else:
            report = reports.of_rejected(what, case=case, n_files=batch_inputs.count_files(what))
            self._finish(report, None, fingerprint)

    def _forget_failed(self, series: Series) -> None:
        """What a watch took for damaged when a part of it had arrived is the file of a series now."""
        for file in batch_inputs.files_of(series):
            case = case_report.case_of(file)  # as what gives no image is named, and no series
            if case in self._folder.finished:
                self._folder.forget(case)
                self._states.pop(case, None)

    def _name(self, base: str, fingerprint: str) -> str:
        """A name that no other case has: images without UIDs in one folder may look alike.

        In a watch nothing that was done is done in other words: what changed since is another case.
        """
        name, number = base, 1
        while name in self._states or (self._options.quiet_for is not None and self._is_other(name, fingerprint)):
            number += 1
            name = hashlib.sha256(f"{base} {number}".encode()).hexdigest()[:16]
        return name

    def _is_other(self, name: str, fingerprint: str) -> bool:
        """Whether a name stands for a case that was done with other files, or the same ones before a change."""
        found = self._folder.finished.get(name)
        return found is not None and found.state is not CaseState.FAILED and found.fingerprint != fingerprint

    def _submit(self, case: BatchCase) -> None:
        """A reader is done with a case."""
        if case.ended is not None or case.volume is None or case.task is None:
            self._end_case(case, case.ended or CaseState.FAILED, case.reason)
            return
        case.request = self._engine.next_request_id()
        self._running[case.request] = case
        self._engine.submit(
            AnalyseJob(
                case.id,
                case.request,
                case.task,
                self._cards.of(case.task).name,
                case.volume.series,
                case.pixels.handle,
                threshold=self._options.threshold,
                spacing_mm=self._options.spacing_mm,
                window=self._options.window,
                priority=Priority.BATCH,
            )
        )

    def _look_for_stalled(self) -> None:
        """Give up a case that hangs: nobody watches a run of a night. The engine replaces its process if need be."""
        for request, heard in self._heard.items():
            if time.monotonic() - heard > STALL_SECONDS and not self._running[request].reason:
                self._running[request].reason = Message(
                    "the model said nothing for {stall_seconds:.0f} s", stall_seconds=STALL_SECONDS
                )
                self._engine.cancel(request)

    def _hear(self, case: BatchCase, event: JobEvent) -> None:
        self._heard[event.request_id] = time.monotonic()
        match event:
            case Started() if case.task is not None:
                self._on_event(CaseStarted(case.id, case.task))
            case Progressed():
                self._on_event(CaseProgress(case.id, event.done, event.total, event.seconds_left))
            case Noted():
                self._on_event(Noticed(event.text))
            case Finished() if case.volume is not None:
                report = reports.of_result(case.volume.series, event.result, case.seconds_load)
                self._finish(replace(report, case=case.id), case.volume, case.fingerprint)
                self._let_go(case)
            case Failed() if event.unfinished:
                self._no_engine = event.reason
                self._let_go(case)
            case Failed():
                self._end_case(case, CaseState.REFUSED if event.out_of_scope else CaseState.FAILED, event.reason)
            case Cancelled():
                self._end_case(case, CaseState.FAILED, case.reason or Message("the analysis was stopped"))

    def _end_case(self, case: BatchCase, state: CaseState, reason: str) -> None:
        """A case ends without a result."""
        series = case.volume.series if case.volume else case.series
        self._let_go(case)
        reason = case_report.one_line(reason) or Message("no reason was given")
        report = CaseReport(
            case.id,
            series.source,
            state,
            reason,
            batch_inputs.count_files(case.series),
            series,
            case.task,
            seconds_load=case.seconds_load,
        )
        self._finish(report, None, case.fingerprint)

    def _let_go(self, case: BatchCase) -> None:
        """Give up a case's pixels."""
        if case.request is not None:
            self._running.pop(case.request, None)
            self._heard.pop(case.request, None)
        case.volume = None
        case.pixels.close()
        if case.room:
            self._readers.room.give(case.room)
            case.room = 0

    def _finish(self, report: CaseReport, volume: Volume | None, fingerprint: str) -> None:
        """Make a case last, then say so."""
        self._folder.add(report, volume, fingerprint)
        self._untold = True
        self._done(report.case, kept=False)

    def _done(self, case: str, *, kept: bool) -> None:
        finished = self._folder.finished[case]
        self._states[case] = finished.state
        self._open -= 1
        self._on_event(
            CaseDone(case, finished.state, kept, finished.row, finished.findings, undecided=finished.undecided)
        )


def _series_name(series: Series) -> str:
    """Number and description of a series, as far as its file says them."""
    number = "" if series.series_number is None else str(series.series_number)
    return " ".join(part for part in (number, series.description) if part)
