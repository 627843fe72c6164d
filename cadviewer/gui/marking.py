"""What the reader draws: shapes, boxes of findings, key images. Kept by the journal, then shown."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from cadviewer.findings import Box
from cadviewer.gui.case import Case, Kept
from cadviewer.gui.cases import Cases
from cadviewer.gui.desk import Desk
from cadviewer.gui.image.shapes import Drawing, to_measure
from cadviewer.gui.image.stack import Stack
from cadviewer.gui.journal import Journal
from cadviewer.gui.lang import tr
from cadviewer.gui.outlining import Outlining
from cadviewer.store.reading import Origin
from cadviewer.store.session import Deleted, Drawn, KeyImage


class Marking(QObject):
    """Signals: added(number): a finding was drawn and is kept; said(text): a remark for the status line."""

    added = Signal(int)
    said = Signal(str)

    def __init__(self, cases: Cases, journal: Journal, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases, self._journal, self._desk = cases, journal, desk
        self.outlining = Outlining(self)
        self._awaited: dict[str, int] = {}  # case -> number of the finding that was drawn last and is not kept yet
        desk.drawings.changed.connect(self._shaped)
        desk.drawings.said.connect(self.said)
        desk.editing.said.connect(self.said)
        desk.editing.asked.connect(self._pointed)
        desk.editing.drawn.connect(self._boxed)
        self.outlining.done.connect(self._outlined)
        self.outlining.nothing.connect(self._nothing)
        journal.kept.connect(self._kept)
        journal.failed.connect(self._not_kept)

    @property
    def _case(self) -> Case | None:
        return self._cases.current

    # shapes ------------------------------------------------------------------------------------------------------

    def _shaped(self, before: Drawing | None, after: Drawing, stack: Stack, index: int) -> None:
        case = self._case
        if case is None or case.stack is None or stack.pixels is not case.stack.pixels:
            return
        mark = to_measure(after, stack, index)
        if before is None:
            self._journal.record(case.series, mark)
        else:
            self._journal.replace(case.series, before.key, mark)

    def delete(self) -> None:
        """Delete the selected shape; else the selected finding if the reader drew it, or his or her change of it."""
        case, shape = self._case, self._desk.drawings.selected_shape()
        if case is None:
            return
        key = shape.key if shape is not None else case.drawn_by(case.selected or 0)
        if key:
            self._journal.record(case.series, Deleted(key))
        else:
            self.said.emit(tr("Nothing of yours is selected; a finding of the model is rejected (X)"))

    def edit_text(self) -> None:
        """Change the text of the selected arrow or text."""
        if not self._desk.write_again():
            self.said.emit(tr("No text is selected"))

    def toggle_key_image(self) -> None:
        """Mark the slice on screen as a key image, or no longer."""
        case = self._case
        if case is not None and case.stack is not None and self._desk.viewport.stack is case.stack:
            index = self._desk.viewport.index
            self._journal.record(case.series, KeyImage(index, index not in case.key_images))
        elif case is not None:
            self.said.emit(tr("Key images are images as acquired"))

    # findings ----------------------------------------------------------------------------------------------------

    def _pointed(self, index: int, x: float, y: float) -> None:
        if self._case is not None:
            self.outlining.point(self._case, index, x, y)

    def _boxed(self, number: int, box: Box) -> None:
        if self._case is not None:
            self.outlining.box(self._case, box, number)

    def _outlined(self, case: Case, number: int, drawn: Drawn) -> None:
        """What was drawn is measured: keep it. It has no place on a case that was left, and none is lost there."""
        if not number:
            number = case.number_for_new()
            self._awaited[case.case_id] = number
            self._journal.record(case.series, replace(drawn, number=number))
            return
        place, origin, key = case.reference(number), case.origin(number), case.drawn_by(number)
        if place is None:
            return
        kept = number if origin is Origin.READER else 0
        drawn = replace(drawn, replaces=place, number=kept)
        if key:
            self._journal.replace(case.series, key, drawn)
        else:
            self._journal.record(case.series, drawn)

    def _nothing(self, case: Case, text: str) -> None:
        if case is self._case:
            self._desk.editing.drop_draft()
            self.said.emit(text)

    # the journal answers -----------------------------------------------------------------------------------------

    def _kept(self, case_id: str, kept: Kept) -> None:
        case = self._cases.get(case_id)
        if case is None or case is not self._case:
            return
        self._desk.editing.drop_draft()
        number = self._awaited.pop(case_id, 0)
        if number and case.finding(number) is not None:
            self.added.emit(number)

    def _not_kept(self, case_id: str, reason: str) -> None:
        self._awaited.pop(case_id, None)
