"""The state of one case in the window: what was opened, how far its analysis is, what the reader decided. No Qt.

Events are taken by `Case.take` alone, which drops whatever is not for this case and its latest request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cadviewer.findings import Box, BreastFinding, Call, Half, Nodule, Result, Task, half_of
from cadviewer.gui.canvas.shapes import Drawing
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.view import ViewState
from cadviewer.imaging.series import Series
from cadviewer.inference.protocol import Cancelled, Failed, Finished, JobEvent, Noted, Progressed, Started
from cadviewer.messages import Message
from cadviewer.store.breast_form import OWN_CALL, definite
from cadviewer.store.comparison import Change, Comparison
from cadviewer.store.last_results import Last
from cadviewer.store.reading import (
    Origin,
    ReadFinding,
    Reading,
    answer_of,
    frame_read,
    frame_values,
    letters,
    read,
    shown,
    values_of,
)
from cadviewer.store.session import (
    Answer,
    Entered,
    Entry,
    FindingRef,
    KeyImage,
    Outlined,
    answer_at,
    filled_in,
    frame_answer,
    frame_reference,
    pixel_size,
)


class Status(StrEnum):
    """What a case shows (property 7: a case never leaves open which of these it is in)."""

    NOT_ANALYSED = "Not analysed"
    RUNNING = "Analysis running"
    NOTHING = "Analysed: nothing above the threshold"
    FINDINGS = "Analysed"
    FAILED = "Analysis failed"
    OUT_OF_SCOPE = "Out of scope"


FIRST_READ = "first_read"
"""Name of the entry that ends the first read."""


class SortOrder(StrEnum):
    """How the list of findings is sorted."""

    SCORE = "by score"
    SIZE = "by size"
    PLACE = "from feet to head"
    ANSWER = "not read first"


class ListFilter(StrEnum):
    """Which findings the list shows."""

    ALL = "all"
    UNREAD = "not read"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSURE = "unsure"
    OWN = "drawn or changed"


_ANSWERS = {
    ListFilter.UNREAD: None,
    ListFilter.ACCEPTED: Answer.ACCEPTED,
    ListFilter.REJECTED: Answer.REJECTED,
    ListFilter.UNSURE: Answer.UNSURE,
}


@dataclass(frozen=True)
class JournalState:
    """What the journal of a case holds: the last answer on each finding, and the shapes that count.

    entries: all records that count, which the others are made from. can_undo, can_redo: whether there is anything to.
    """

    answers: dict[FindingRef, Answer] = field(default_factory=dict)
    shapes: tuple[Drawing, ...] = ()
    entries: tuple[Entry, ...] = ()
    can_undo: bool = False
    can_redo: bool = False


@dataclass(frozen=True)
class Compared:
    """A comparison with an earlier CT of the same patient, as far as it is.

    prior: the other case. done: share of the registration, None once it has ended. reason: why there is no comparison,
    or none yet, one line. comparison: what was found. row: its row that the reader looks at.
    """

    prior: Case
    done: float | None = None
    reason: str = ""
    comparison: Comparison | None = None
    row: int | None = None

    @property
    def change(self) -> Change | None:
        """What the reader looks at."""
        changes = self.comparison.changes if self.comparison is not None else ()
        return changes[self.row] if self.row is not None and self.row < len(changes) else None


@dataclass
class Case:
    """One series in the window.

    task: what it is analysed for, None while undecided; question: why nobody could decide, for the bar that asks.
    request_id: of the latest job; events of another are dropped. running: whether that job has not ended.
    stopped: by the user, so it is not begun again unasked. ahead: its job runs before anybody opened the case.
    used_mm: the entered pixel size that the latest job was given; half: the half of a split screen that it is for.
    last: results kept of it when it was read, by task. made: when the result was made that was taken from there, "" for
        one of now. former: the result before the one that is being made, which comes back when that is stopped.
    cut: the confidence below which findings are hidden. kept: what the journal holds; nothing else is shown as done.
    order, only: how the list of findings is sorted, and which it shows. second_read: the model's findings are hidden
        until the reader has read the case alone. outlining: records of drawn findings that a network is outlining.
    compared: with an earlier CT, None where nobody asked for it.
    """

    series: Series
    stack: Stack | None = None
    view: ViewState | None = None
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
    used_mm: float | None = None
    half: Half | None = None
    last: Mapping[Task, Last] = field(default_factory=dict)
    made: str = ""
    former: Last | None = None
    cut: float = 0.0
    selected: int | None = None
    kept: JournalState = field(default_factory=JournalState)
    order: SortOrder = SortOrder.SCORE
    only: ListFilter = ListFilter.ALL
    second_read: bool = False
    outlining: frozenset[str] = frozenset()
    compared: Compared | None = None
    _found: tuple[Result | None, JournalState, bool, tuple[ReadFinding, ...]] | None = None

    @property
    def case_id(self) -> str:
        return self.series.case_id

    @property
    def shapes(self) -> tuple[Drawing, ...]:
        """What the reader drew and the journal holds."""
        return self.kept.shapes

    @property
    def spacing_mm(self) -> float | None:
        """mm per pixel as the journal holds it from the reader; None for an image whose file says it."""
        if self.series.geometry.pixel_spacing is not None:
            return None
        entered = pixel_size(self.kept.entries)
        return entered[1].mm if entered is not None else None

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
            return any(n.score >= self.cut - 1e-9 for n in self._model_nodules())
        if self.result.task is Task.BREAST:
            return any(f.call not in (Call.NO_LESION, Call.OUT_OF_SCOPE) for f in self.result.breast)
        return bool(self.result.lines)

    def begin(self, request_id: int, task: Task, model: str, half: Half | None = None) -> None:
        """A job was handed in: an earlier result is no longer this case's, unless the job is stopped."""
        if self.result is not None:
            self.former = Last(self.result, self.made, self.used_mm)
        self.request_id, self.task, self.model = request_id, task, model
        self.running, self.started, self.done, self.total, self.seconds_left = True, False, 0, 0, None
        self.result, self.reason, self.out_of_scope, self.notes, self.question = None, "", False, (), ""
        self.selected, self.stopped, self.used_mm, self.made = None, False, self.spacing_mm, ""
        self.half = half

    def restore(self, last: Last) -> None:
        """Take a result that was made before."""
        self.result, self.made, self.used_mm = replace(last.result, case_id=self.case_id), last.made, last.spacing_mm
        by = last.result.provenance
        self.task, self.model, self.cut, self.half = last.result.task, by.model, by.threshold, half_of(last.result)
        self.reason, self.out_of_scope, self.question, self.stopped, self.former = "", False, "", False, None

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
                self.former = None
            case Failed(reason=reason, out_of_scope=out_of_scope):
                self.running, self.reason, self.out_of_scope = False, reason or Message("unknown error"), out_of_scope
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

    def found(self) -> tuple[ReadFinding, ...]:
        """Every finding whatever its score: the model's, with boxes that the reader changed, and the reader's own.

        What both found is the reader's (`Found.also`), once he or she may see the model's.
        """
        alone = self.concealed
        known = self._found
        if known is None or known[0] is not self.result or known[1] is not self.kept or known[2] is not alone:
            nodules = (*self.result.nodules, *self.result.candidates) if self.result is not None else ()
            known = self.result, self.kept, alone, shown(self.kept.entries, nodules, self.result, join=not alone)
            self._found = known
        return known[3]

    @property
    def first_read_done(self) -> str:
        """When the reader said that he or she had read the case without the model (UTC), "" where not yet."""
        times = [
            e.time if e.mark.value is not None else ""
            for e in self.kept.entries
            if isinstance(e.mark, Entered) and e.mark.name == FIRST_READ
        ]
        return times[-1] if times else ""

    @property
    def per_image(self) -> bool:
        """Whether it is read image by image and not finding by finding (`TaskSpec.per_image`)."""
        return self.task is not None and self.task.spec.per_image

    @property
    def concealed(self) -> bool:
        """Whether nothing that the model found may be shown yet."""
        return self.second_read and not self.per_image and not self.first_read_done

    def findings(self) -> list[Nodule]:
        """What is at or above the cut, by falling score; what the reader drew is always there, at the end.

        While the first read is under way, what the reader drew alone.
        """
        if self.concealed:
            return [f.nodule for f in self.found() if f.origin is Origin.READER]
        return [f.nodule for f in self.found() if f.origin is Origin.READER or f.nodule.score >= self.cut - 1e-9]

    def listed(self) -> list[Nodule]:
        """The findings of the list, sorted and filtered as the reader wants them."""
        keys: dict[SortOrder, Callable[[Nodule], float]] = {
            SortOrder.SCORE: lambda n: 0.0,  # as they come
            SortOrder.SIZE: lambda n: -(n.long_mm or 0.0),
            SortOrder.PLACE: lambda n: self.stack.turned(n.box.slice) if self.stack is not None else n.box.slice,
            SortOrder.ANSWER: lambda n: self.answer(n) is not None,
        }
        return sorted((n for n in self.findings() if self._wanted(n)), key=keys[self.order])

    def _wanted(self, nodule: Nodule) -> bool:
        if self.only is ListFilter.ALL:
            return True
        if self.only is ListFilter.OWN:
            return self.origin(nodule.number) is not Origin.MODEL
        return self.answer(nodule) is _ANSWERS[self.only]

    def everything(self) -> list[Nodule]:
        """All findings whatever their score."""
        return [f.nodule for f in self.found()]

    def finding(self, number: int | None) -> Nodule | None:
        return next((n for n in self.everything() if n.number == number), None)

    def _found_by(self, number: int | None) -> ReadFinding | None:
        return next((f for f in self.found() if f.nodule.number == number), None)

    def outlined_by(self, number: int) -> Outlined | None:
        """The model that outlined what the reader drew; None where none did."""
        found = self._found_by(number)
        return found.outlined if found is not None else None

    def origin(self, number: int) -> Origin:
        """Who found a finding; the model where there is no such one."""
        found = self._found_by(number)
        return found.origin if found is not None else Origin.MODEL

    def also(self, number: int) -> Nodule | None:
        """The model's finding that is the same nodule as one of the reader's; None where there is none."""
        found = self._found_by(number)
        return found.also if found is not None else None

    def name(self, number: int) -> str:
        """What a finding is called: its number, or the letter of one of the reader's own."""
        found = self._found_by(number)
        return found.name if found is not None else str(number)

    def name_for_new(self) -> str:
        """The letter of the next finding of the reader's."""
        used = {f.name for f in self.found()}
        return next(name for name in map(letters, range(1, len(used) + 2)) if name not in used)

    def number_for_new(self) -> int:
        """The number that the next finding of the reader's gets."""
        return max((f.nodule.number for f in self.found()), default=0) + 1

    @property
    def key_images(self) -> frozenset[int]:
        """Slices that the reader marked."""
        marked = {e.mark.slice: e.mark.marked for e in self.kept.entries if isinstance(e.mark, KeyImage)}
        return frozenset(k for k, on in marked.items() if on)

    def drawn_by(self, number: int) -> str:
        """The journal's record that drew a finding or changed its box, "" where there is none."""
        found = self._found_by(number)
        return found.key if found is not None else ""

    def answer(self, nodule: Nodule) -> Answer | None:
        """The reader's last answer on the finding at the place of this nodule."""
        found = self._found_by(nodule.number)
        return (
            answer_of(found, self.kept.answers, self.result)
            if found is not None
            else answer_at(self.kept.answers, nodule)
        )

    def values(self, nodule: Nodule) -> dict[str, str]:
        """The fields of a form that the reader filled in for a finding."""
        found = self._found_by(nodule.number)
        return values_of(found, filled_in(self.kept.entries)) if found is not None else {}

    def reading(self, *, compared: bool = True) -> Reading:
        """What the reader made of the case so far, for the rules and for export. compared: with what the comparison
        with an earlier CT says."""
        joined = {f.also.number for f in self.found() if f.also is not None}
        counted = [
            n
            for n in self._model_nodules()
            if n.score >= self.cut - 1e-9 or n.number in joined or self.answer(n) is not None
        ]
        comparison = self.compared.comparison if compared and self.compared is not None else None
        return read(self.kept.entries, [] if self.concealed else counted, self.result, self.series, comparison)

    def _model_nodules(self) -> list[Nodule]:
        return [*self.result.nodules, *self.result.candidates] if self.result is not None else []

    def frame_finding(self, frame: int) -> BreastFinding | None:
        """What was said of an ultrasound frame; None where nothing was."""
        return next((f for f in self.result.breast if f.frame == frame), None) if self.result is not None else None

    def frame_answer(self, frame: int) -> Answer | None:
        """The reader's answer to what was said of an ultrasound frame."""
        finding = self.frame_finding(frame)
        if finding is None:
            return frame_answer(self.kept.answers, frame)
        return frame_read(finding, self.kept.answers, filled_in(self.kept.entries))

    def frame_values(self, frame: int) -> dict[str, str]:
        """The fields of the form that the reader filled in for an ultrasound frame."""
        return frame_values(frame, filled_in(self.kept.entries))

    def takes_answer(self, frame: int) -> bool:
        """Whether there is a call of the model to agree with, and no own call of the reader from which that follows."""
        finding = self.frame_finding(frame)
        return finding is not None and definite(finding.call) and OWN_CALL not in self.frame_values(frame)

    def reference(self, number: int) -> FindingRef | None:
        """How the journal names a finding; None when there is no such one."""
        found = self._found_by(number)
        return found.place if found is not None else None

    def frame_reference(self, frame: int) -> FindingRef | None:
        """How the journal names what was said of an ultrasound frame; None where nothing was."""
        finding = self.frame_finding(frame)
        if self.result is None or finding is None:
            return None
        return frame_reference(finding, self.result.provenance.model, self.result.provenance.weights_sha256)

    def next_finding(self, step: int) -> int | None:
        """Number of the finding `step` further down the list than the selected one, round and round."""
        numbers = [n.number for n in self.listed()]
        if not numbers:
            return None
        if self.selected not in numbers:
            return numbers[0 if step > 0 else -1]
        return numbers[(numbers.index(self.selected) + step) % len(numbers)]

    def next_unanswered(self) -> int | None:
        """Number of the next finding down the list, round and round, that has no answer; None where all have."""
        numbers = [n.number for n in self.listed()]
        start = numbers.index(self.selected) + 1 if self.selected in numbers else 0
        unread = {n.number for n in self.listed() if self.answer(n) is None}
        return next((n for n in numbers[start:] + numbers[:start] if n in unread), None)

    def boxes_on(self, index: int) -> list[tuple[Nodule, Box]]:
        """The shown findings that have a box on a slice, with it."""
        return [(n, b) for n in self.findings() for b in n.boxes if b.slice == index]
