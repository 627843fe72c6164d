"""What a reader does with findings and measures by keys and menus, and what leaves the window of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtWidgets import QApplication

from cadviewer.findings import Task
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.review import reports
from cadviewer.gui.review.drawing_controller import DrawingController
from cadviewer.gui.review.measures_panel import MeasuresPanel
from cadviewer.gui.review.review_controller import ReviewController
from cadviewer.gui.review.saving import Saving
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.side_panel import SidePanel
from cadviewer.gui.shell.view_actions import ViewActions
from cadviewer.gui.widgets.actions import Actions
from cadviewer.store.export import ExportError
from cadviewer.store.reporting.content import IMPRESSION
from cadviewer.store.session import Answer


class ReadingActions:
    """Handlers of the actions of the menu Findings, of measures, and of saving.

    view_actions: a reset of the view is undone before an answer is. say: shows one line below the images.
    """

    actions: Actions

    def __init__(
        self,
        cases: Cases,
        review: ReviewController,
        drawing: DrawingController,
        measures: MeasuresPanel,
        side: SidePanel,
        saving: Saving,
        view_actions: ViewActions,
        preferences: Preferences,
        say: Callable[[str], None],
    ) -> None:
        self._cases, self._review, self._drawing = cases, review, drawing
        self._measures, self._side, self._saving = measures, side, saving
        self._view_actions, self._preferences, self._say = view_actions, preferences, say

    @property
    def _case(self) -> Case | None:
        return self._cases.current

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        review, drawing = self._review, self._drawing
        return {
            "next_finding": lambda: review.step(1),
            "previous_finding": lambda: review.step(-1),
            "accept": lambda: review.answer(Answer.ACCEPTED),
            "reject": lambda: review.answer(Answer.REJECTED),
            "unsure": lambda: review.answer(Answer.UNSURE),
            "reveal": review.reveal,
            "risk": self._side.toggle_risk,
            "undo": self.undo,
            "redo": review.redo,
            "delete": drawing.delete,
            "edit_text": drawing.edit_text,
            "key_image": drawing.toggle_key_image,
            "next_measure": lambda: self.step_measure(1),
            "previous_measure": lambda: self.step_measure(-1),
            "copy": self.copy,
            "save": self.save,
            "report": self.show_report,
        }

    def refresh(self, case: Case | None) -> None:
        """Only what can be done now can be chosen."""
        enable = self.actions.enable
        shown = case is not None and case.stack is not None
        findings = case is not None and bool(case.findings())
        breast = case is not None and case.result is not None and bool(case.result.breast)
        undoable = case is not None and (case.kept.can_undo or self._view_actions.can_undo_reset)
        enable(shown, "delete")
        enable(shown and undoable, "undo")
        enable(shown and case is not None and case.kept.can_redo, "redo")
        enable(findings, "next_finding", "previous_finding")
        enable(findings or breast, "accept", "reject", "unsure")
        enable(case is not None and not case.per_image, "risk")
        enable(case is not None and case.concealed and case.task is Task.NODULES, "reveal")
        enable(case is not None and case.result is not None and not case.concealed, "copy", "save", "report")
        enable(bool(self._measures.rows), "next_measure", "previous_measure")

    def undo(self) -> None:
        """Take back the reset of a view where that was the last thing done to it, else the last answer or drawing."""
        if self._view_actions.undo_reset():
            self.refresh(self._case)
        else:
            self._review.undo()

    def step_measure(self, by: int) -> None:
        """Go to the next thing that the reader drew or marked."""
        row = self._measures.neighbour(by)
        if row is not None:
            self._drawing.go_to(row)
            self._say(f"{row.title} · {row.place}")

    def copy(self) -> None:
        """What is selected of the findings as text, else the report without whose it is."""
        case = self._case
        if case is None or case.result is None:
            return
        number = case.selected if case.task is Task.NODULES else None
        try:
            text = reports.text_of(case, number)
        except ExportError as error:
            self._say(translate(str(error)))
            return
        QApplication.clipboard().setText(text)
        if number is None:
            self._say(tr("Report copied as text, without the patient"))
        else:
            self._say(tr("Finding {number} copied as text", number=case.name(number)))

    def show_report(self) -> None:
        """The report, to be finished and to be handed on."""
        from cadviewer.gui.review.report_preview import ReportPreview  # not at the start of the window

        case = self._case
        if case is not None and case.result is not None and not case.concealed:
            dialog = ReportPreview(case, self._saving, self._preferences.now.last_folder, self._side.window())
            dialog.impression_entered.connect(partial(self._enter_impression, case))
            dialog.open()

    def _enter_impression(self, case: Case, text: str) -> None:
        self._review.enter_of_case(case, {IMPRESSION: text})

    def save(self) -> None:
        """Ask where to, and save what was found and read."""
        if self._case is not None:
            self._saving.ask(self._case, self._preferences.now.last_folder)
