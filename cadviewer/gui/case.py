"""The state of one case in the window: what was opened, how far its analysis is, what the reader decided. No Qt.

Events are taken by `Case.take` alone, which drops whatever is not for this case and its latest request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cadviewer.findings import Box, Call, Nodule, Result, Task
from cadviewer.gui.image.length import Length
from cadviewer.gui.image.stack import Stack
from cadviewer.gui.image.view import View
from cadviewer.imaging.series import Series
from cadviewer.inference.protocol import Cancelled, Failed, Finished, JobEvent, Noted, Progressed, Started
from cadviewer.store.session import Answer, FindingRef, answer_at, reference


class Status(StrEnum):
    """What a case shows (property 7: a case never leaves open which of these it is in)."""

    NOT_ANALYSED = "Not analysed"
    RUNNING = "Analysis running"
    NOTHING = "Analysed: nothing above the threshold"
    FINDINGS = "Analysed"
    FAILED = "Analysis failed"
    OUT_OF_SCOPE = "Out of scope"


@dataclass(frozen=True)
class Kept:
    """What the journal of a case holds: the last answer on each finding, and the lengths that count."""

    answers: dict[FindingRef, Answer] = field(default_factory=dict)
    lengths: tuple[Length, ...] = ()


@dataclass
class Case:
    """One series in the window.

    task: what it is analysed for, None while undecided; question: why nobody could decide, for the bar that asks.
    request_id: of the latest job; events of another are dropped. running: whether that job has not ended.
    stopped: by the user, so it is not begun again unasked. ahead: its job runs before anybody opened the case.
    cut: the confidence below which findings are hidden. kept: what the journal holds; nothing else is shown as done.
    """

    series: Series
    stack: Stack | None = None
    view: View | None = None
    index: int | None = None
    task: Task | None = None
    question: str = ""
    model: str = ""
    request_id: int | None = None
    running: bool = False
    stopped: bool = False
    ahead: bool = False
    started: bool = False
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    notes: tuple[str, ...] = ()
    result: Result | None = None
    reason: str = ""
    out_of_scope: bool = False
    cut: float = 0.0
    selected: int | None = None
    kept: Kept = field(default_factory=Kept)

    @property
    def case_id(self) -> str:
        return self.series.case_id

    @property
    def lengths(self) -> tuple[Length, ...]:
        """The lengths that the journal holds."""
        return self.kept.lengths

    # analysis ----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """Which of the states of property 7 this case is in."""
        if self.running:
            return Status.RUNNING
        if self.out_of_scope:
            return Status.OUT_OF_SCOPE
        if self.result is not None:
            return Status.FINDINGS if self._anything() else Status.NOTHING
        return Status.FAILED if self.reason else Status.NOT_ANALYSED

    def _anything(self) -> bool:
        assert self.result is not None
        if self.result.task is Task.NODULES:
            return bool(self.findings())
        if self.result.task is Task.BREAST:
            return any(f.call not in (Call.NO_LESION, Call.OUT_OF_SCOPE) for f in self.result.breast)
        return bool(self.result.lines)

    def begin(self, request_id: int, task: Task, model: str) -> None:
        """A job was handed in: an earlier result is no longer this case's."""
        self.request_id, self.task, self.model = request_id, task, model
        self.running, self.started, self.done, self.total, self.seconds_left = True, False, 0, 0, None
        self.result, self.reason, self.out_of_scope, self.notes, self.question = None, "", False, (), ""
        self.selected, self.stopped = None, False

    def drop_job(self) -> None:
        """The job's events are no longer wanted; the case is not analysed."""
        if self.running:
            self.running, self.request_id = False, None

    def refuse(self, reason: str) -> None:
        """No model takes this case."""
        self.running, self.request_id, self.result = False, None, None
        self.out_of_scope, self.reason = True, reason

    def fail(self, reason: str) -> None:
        """There is no result, and why."""
        self.running, self.request_id, self.result = False, None, None
        self.out_of_scope, self.reason = False, reason

    def take(self, event: JobEvent) -> bool:
        """Take an event; False when it is for another case or another request, and then nothing changes."""
        if event.case_id != self.case_id or event.request_id != self.request_id or not self.running:
            return False
        match event:
            case Finished(result=result):
                if result.case_id != self.case_id:
                    return False
                self.running, self.result, self.cut = False, result, result.provenance.threshold
            case Failed(reason=reason, out_of_scope=out_of_scope):
                self.running, self.reason, self.out_of_scope = False, reason or "unknown error", out_of_scope
            case Cancelled():
                self.running = False
            case Progressed(done=done, total=total, seconds_left=left):
                self.started, self.done, self.total, self.seconds_left = True, done, total, left
            case Noted(text=text):
                self.notes = (*self.notes, text)
            case Started():
                self.started = True
        return True

    # findings ----------------------------------------------------------------------------------------------------

    def findings(self) -> list[Nodule]:
        """Nodules and candidates at or above the cut, by falling score."""
        return [n for n in self.everything() if n.score >= self.cut - 1e-9]

    def everything(self) -> list[Nodule]:
        """All nodules and candidates whatever their score."""
        return [*self.result.nodules, *self.result.candidates] if self.result is not None else []

    def finding(self, number: int | None) -> Nodule | None:
        return next((n for n in self.everything() if n.number == number), None)

    def answer(self, nodule: Nodule) -> Answer | None:
        """The reader's last answer on the finding at the place of this nodule."""
        return answer_at(self.kept.answers, nodule)

    def frame_answer(self, frame: int) -> Answer | None:
        """The reader's last answer on what was said of an ultrasound frame."""
        place = self.reference(frame + 1)
        return self.kept.answers.get(place) if place is not None else None

    def reference(self, number: int) -> FindingRef | None:
        """How the journal names a finding; None when there is no such one. For breast ultrasound: frame + 1."""
        if self.result is None:
            return None
        origin = self.result.provenance
        if (nodule := self.finding(number)) is not None:
            return reference(nodule, origin.model, origin.weights_sha256)
        for finding in self.result.breast:
            if finding.frame + 1 == number:
                rows, columns = finding.size
                return FindingRef(origin.model, origin.weights_sha256, number, finding.frame, 0, 0, columns, rows)
        return None

    def next_finding(self, step: int) -> int | None:
        """Number of the finding `step` further down the list than the selected one, round and round."""
        numbers = [n.number for n in self.findings()]
        if not numbers:
            return None
        if self.selected not in numbers:
            return numbers[0 if step > 0 else -1]
        return numbers[(numbers.index(self.selected) + step) % len(numbers)]

    def boxes_on(self, index: int) -> list[tuple[Nodule, Box]]:
        """The shown findings that have a box on a slice, with it."""
        return [(n, b) for n in self.findings() for b in n.boxes if b.slice == index]
