"""What the reader does with findings: choose, answer, enter, undo. Kept by the journal, then shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from cadviewer.gui.breast.panel import BreastPanel
from cadviewer.gui.cases.case import FIRST_READ, Case, JournalState, ListFilter, SortOrder
from cadviewer.gui.cases.journal_thread import JournalThread
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.nodules.panel import NodulesPanel
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.shortcuts import hint
from cadviewer.store.session import Answer, Decision, Entered, PixelSize


class ReviewController(QObject):
    """Signals: changed(Case): its findings look different; said(text): a remark for the status line;
    failed(text): something was not kept; saved(): everything is.
    """

    changed = Signal(object)
    said = Signal(str)
    failed = Signal(str)
    saved = Signal()

    def __init__(self, cases: Cases, journal: JournalThread, desk: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases, self._journal, self._desk = cases, journal, desk
        self.goes_on = True  # an answer selects the next finding without one
        self._answered: tuple[str, int | None] | None = None  # case and finding of an answer that is not kept yet
        journal.kept.connect(self._kept)
        journal.failed.connect(self._not_kept)
        journal.told.connect(self._told)
        desk.finding_clicked.connect(self.select)

    def listen(self, nodules: NodulesPanel, breast: BreastPanel) -> None:
        """Do what the reader asks for in the panels of the tasks."""
        findings = nodules.findings
        findings.chosen.connect(self.choose)
        findings.cut_moved.connect(self.cut)
        findings.answered.connect(self.answer)
        findings.entered.connect(self.enter)
        findings.sorted_by.connect(self.sort)
        findings.filtered_to.connect(self.show_only)
        findings.reveal_asked.connect(self.reveal)
        nodules.risk.entered.connect(self.enter)
        breast.answered.connect(self.answer)
        breast.entered.connect(self.enter_of_frame)

    @property
    def _case(self) -> Case | None:
        return self._cases.current

    def begin(self, case: Case) -> None:
        """A case is on screen: what was decided before?"""
        self._journal.open(case.series)

    # findings ----------------------------------------------------------------------------------------------------

    def step(self, by: int) -> None:
        """The next finding, or the one before; of ultrasound frames the next frame that has a result."""
        if self._case is not None and (number := self._case.next_finding(by)) is not None:
            self.choose(number)

    def choose(self, number: int) -> None:
        """Select a finding and jump to it."""
        if self._case is not None:
            self._case.selected = number
            self.changed.emit(self._case)
            self._desk.go_to_finding(number)

    def select(self, number: int) -> None:
        """Select a finding where it was clicked, without moving."""
        if self._case is not None:
            self._case.selected = number
            self.changed.emit(self._case)

    def unselect(self) -> bool:
        """Select neither a finding nor a drawing; False where none was."""
        case, drawings = self._case, self._desk.drawings
        if case is None or (case.selected is None and drawings.selected is None):
            return False
        case.selected = None
        drawings.select(None)
        self.changed.emit(case)
        return True

    def cut(self, score: float) -> None:
        """Show findings from this score on."""
        case = self._case
        if case is not None:
            case.cut = score
            if case.selected is not None and case.selected not in {n.number for n in case.findings()}:
                case.selected = None
            self.changed.emit(case)

    def answer(self, answer: Answer) -> None:
        """Accept, reject or leave unsure the selected finding; the same answer again changes nothing."""
        case = self._case
        if case is None or case.result is None:
            return
        if case.per_image:
            number, frame = None, self._desk.viewport.index
            place, given = case.frame_reference(frame), case.frame_answer(frame)
            if not case.takes_answer(frame):
                self.said.emit(tr("Enter your own call: the model made none, or you made one already"))
                return
        else:
            number = case.selected
            nodule = case.finding(number)
            place = case.reference(number) if number is not None else None
            given = case.answer(nodule) if nodule is not None else None
        if place is None:
            self.said.emit(tr("Choose a finding first{key}", key=hint("next_finding")))
            return
        if given is answer:
            self.said.emit(tr("Answered so already; undo takes an answer back{key}", key=hint("undo")))
            return
        self._answered = None if case.per_image else (case.case_id, number)
        self._journal.record(case.series, Decision(place, answer))

    def sort(self, order: SortOrder) -> None:
        """Sort the list of findings."""
        if self._case is not None:
            self._case.order = order
            self.changed.emit(self._case)

    def show_only(self, only: ListFilter) -> None:
        """Filter the list of findings."""
        if self._case is not None:
            self._case.only = only
            self.changed.emit(self._case)

    def reveal(self) -> None:
        """The first read is done: what the model found may be seen. Kept with its time."""
        if self._case is not None and self._case.concealed:
            self.enter(0, {FIRST_READ: "done"})

    def enter(self, number: int, values: Mapping[str, str | None]) -> None:
        """Fill in fields of a form: of the finding `number`, or of the case for 0; None empties a field."""
        case = self._case
        place = case.reference(number) if case is not None and number else None
        if case is None or (number and place is None):
            return
        self._journal.record(case.series, *(Entered(name, text, place) for name, text in values.items()))

    def enter_of_case(self, case: Case, values: Mapping[str, str | None]) -> None:
        """Fill in fields of the form of a case, whichever is on screen by now; None empties a field."""
        self._journal.record(case.series, *(Entered(name, text, None) for name, text in values.items()))

    def enter_of_frame(self, values: Mapping[str, str | None]) -> None:
        """Fill in fields of the form of the ultrasound frame on screen; None empties a field."""
        case = self._case
        place = case.frame_reference(self._desk.viewport.index) if case is not None else None
        if case is not None and place is not None:
            self._journal.record(case.series, *(Entered(name, text, place) for name, text in values.items()))

    def enter_pixel_size(self, size: PixelSize) -> None:
        """How large a pixel of the open case is, where its file does not say."""
        case = self._case
        if case is not None and case.series.geometry.pixel_spacing is None:
            self._journal.record(case.series, size)

    # undo --------------------------------------------------------------------------------------------------------

    def undo(self) -> None:
        if self._case is not None:
            self._journal.undo(self._case.series)

    def redo(self) -> None:
        if self._case is not None:
            self._journal.redo(self._case.series)

    # the journal answers -----------------------------------------------------------------------------------------

    def _kept(self, case_id: str, kept: JournalState) -> None:
        case = self._cases.get(case_id)
        if case is None:
            return
        before = case.spacing_mm
        case.kept = replace(kept)
        if not self._journal.any_unsaved:
            self.saved.emit()
        if case is self._case:
            self._desk.show_kept()
            if case.spacing_mm != before:
                self.said.emit(_pixel_size(case.spacing_mm))
        self.changed.emit(case)
        self._go_on(case)

    def _go_on(self, case: Case) -> None:
        """After an answer that is kept the next finding without one is selected, where the reader is still at this."""
        if self._answered is None or self._answered[0] != case.case_id:
            return
        number = self._answered[1]
        nodule = case.finding(number)
        if nodule is not None and case.answer(nodule) is None:
            return  # something else was kept first
        self._answered = None
        if self.goes_on and case is self._case and case.selected == number:
            following = case.next_unanswered()
            if following is not None:
                self.choose(following)

    def _not_kept(self, case_id: str, reason: str) -> None:
        self._answered = None
        if self._case is not None and self._case.case_id == case_id:
            self._desk.show_unsaved(self._journal.unsaved(case_id))
        self.failed.emit(reason)

    def _told(self, case_id: str, text: str) -> None:
        if self._case is not None and self._case.case_id == case_id:
            self.said.emit(text)


def _pixel_size(mm: float | None) -> str:
    if mm is None:
        return tr("How large a pixel is is not known any more")
    return tr("One pixel is {mm:.4g} mm, as you said", mm=mm)
