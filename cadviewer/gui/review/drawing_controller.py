"""What the reader draws: shapes, boxes of findings, key images. Kept by the journal, then shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from cadviewer.findings import Box, Nodule, overlap
from cadviewer.gui.canvas.shapes import Drawing, to_measure
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.cases.case import Case, JournalState
from cadviewer.gui.cases.journal_thread import JournalThread
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.review.finding_measurement import FindingMeasurement
from cadviewer.gui.review.measures_panel import MeasureRow, MeasuresPanel
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.shortcuts import hint
from cadviewer.store.reading import Origin
from cadviewer.store.session import Deleted, Drawn, KeyImage


class DrawingController(QObject):
    """Signals: added(number): a finding was drawn and is kept; met(number): one was there already; measured(Case,
    number): a finding was drawn or changed, is kept, and was outlined by its density; said(text): a remark for the
    status line.
    """

    added = Signal(int)
    met = Signal(int)
    measured = Signal(object, int)
    said = Signal(str)

    def __init__(self, cases: Cases, journal: JournalThread, desk: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases, self._journal, self._desk = cases, journal, desk
        self.outlining = FindingMeasurement(self)
        self._awaited: dict[str, tuple[int, Drawn]] = {}  # case -> the finding that was drawn last and is not kept yet
        self._changed: dict[str, tuple[Nodule, str]] = {}  # the same of a changed box: as it was, its record
        desk.drawings.changed.connect(self._shaped)
        desk.drawings.said.connect(self.said)
        desk.editing.said.connect(self.said)
        desk.editing.asked.connect(self._pointed)
        desk.editing.drawn.connect(self._boxed)
        self.outlining.done.connect(self._outlined)
        self.outlining.nothing.connect(self._nothing)
        journal.kept.connect(self._kept)
        journal.failed.connect(self._not_kept)

    def listen(self, measures: MeasuresPanel) -> None:
        """Do what the reader asks for in the list of measures, which follows what is drawn."""
        drawings = self._desk.drawings
        drawings.repaint.connect(lambda: measures.select(drawings.selected))
        measures.chosen.connect(self.go_to)
        measures.rename_asked.connect(self.rename)
        measures.delete_asked.connect(self.drop)

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
            text = tr("Nothing of yours is selected; a finding of the model is rejected{key}", key=hint("reject"))
            self.said.emit(text)

    def edit_text(self) -> None:
        """Change the text of the selected arrow or text, or name the selected measure."""
        if not self._desk.write_again():
            self.said.emit(tr("Nothing drawn is selected"))

    def go_to(self, row: MeasureRow) -> None:
        """Show a measure or a key image of the list."""
        shape = next((s for s in self._case.shapes if s.key == row.key), None) if self._case is not None else None
        if shape is not None:
            self._desk.go_to_shape(shape)
        elif not row.key:
            self._desk.drawings.select(None)
            self._desk.go_to_image(row.slice)

    def rename(self, row: MeasureRow) -> None:
        """Have a measure of the list named, where it lies on the image."""
        self.go_to(row)
        self.edit_text()

    def drop(self, row: MeasureRow) -> None:
        """Take away a measure or the mark of a key image."""
        if self._case is not None:
            mark = Deleted(row.key) if row.key else KeyImage(row.slice, False)
            self._journal.record(self._case.series, mark)

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
        """A finding was clicked: one that is there is chosen, a missed one is outlined."""
        case = self._case
        if case is None:
            return
        number = finding_at(case, index, x, y)
        if number is not None:
            self._meet(case, number)
        else:
            self.outlining.point(case, index, x, y)

    def _meet(self, case: Case, number: int) -> None:
        """Nothing is drawn where a finding is: it is chosen."""
        self._desk.editing.drop_draft()
        self.met.emit(number)
        self.said.emit(tr("Finding {number} is here already: chosen, nothing added", number=case.name(number)))

    def _boxed(self, number: int, box: Box) -> None:
        """A box was drawn, or one changed; where it covers a finding it is that one's."""
        case = self._case
        if case is None:
            return
        if not number:
            number = covered(case, [box]) or 0
            if number:
                self.met.emit(number)
                self.said.emit(tr("Finding {number} is here already: this is its box now", number=case.name(number)))
        self.outlining.box(case, box, number)

    def _outlined(self, case: Case, number: int, drawn: Drawn) -> None:
        """What was drawn is measured: keep it. It has no place on a case that was left, and none is lost there."""
        if not number:
            self._new(case, drawn)
            return
        place, origin, key = case.reference(number), case.origin(number), case.drawn_by(number)
        if place is None:
            return
        kept = number if origin is Origin.READER else 0
        drawn = replace(drawn, replaces=place, number=kept, label=case.name(number) if kept else "")
        if (before := case.finding(number)) is not None:
            self._changed[case.case_id] = before, key
        if key:
            self._journal.replace(case.series, key, drawn)
        else:
            self._journal.record(case.series, drawn)

    def _new(self, case: Case, drawn: Drawn) -> None:
        """A finding for the list, unless it turned out to be one that is there: clicked at its rim, or twice."""
        boxes = _boxes(drawn)
        number = covered(case, boxes)
        waiting = self._awaited.get(case.case_id)
        if number is None and waiting is not None and _cover(boxes, _boxes(waiting[1])):
            return  # it is chosen as soon as it is kept
        if number is not None:
            if case is self._case:
                self._meet(case, number)
            return
        number = case.number_for_new()
        self._awaited[case.case_id] = number, drawn
        self._journal.record(case.series, replace(drawn, number=number, label=case.name_for_new()))

    def _nothing(self, case: Case, text: str) -> None:
        if case is self._case:
            self._desk.editing.drop_draft()
            self.said.emit(text)

    # the journal answers -----------------------------------------------------------------------------------------

    def _kept(self, case_id: str, kept: JournalState) -> None:
        case = self._cases.get(case_id)
        if case is None or case is not self._case:
            return
        self._desk.editing.drop_draft()
        number, _ = self._awaited.get(case_id, (0, None))
        if number and case.finding(number) is not None:  # else something else was kept first
            del self._awaited[case_id]
            self.added.emit(number)
            self.measured.emit(case, number)
        if case_id in self._changed:
            before, key = self._changed[case_id]
            now = case.finding(before.number)
            if now is not None and case.drawn_by(now.number) not in ("", key):
                del self._changed[case_id]
                self.said.emit(_changes(case.name(now.number), before, now))
                self.measured.emit(case, now.number)

    def _not_kept(self, case_id: str, reason: str) -> None:
        self._awaited.pop(case_id, None)
        self._changed.pop(case_id, None)


def _changes(name: str, before: Nodule, now: Nodule) -> str:
    """Which figures of a finding are others, its box having been changed."""
    pairs = (
        (tr("long axis"), "mm", before.long_mm, now.long_mm),
        (tr("volume"), "mm³", before.volume_mm3, now.volume_mm3),
    )
    figures = [f"{what} {_figure(old)} → {_figure(new)} {unit}" for what, unit, old, new in pairs if old != new]
    said = tr("The box of finding {number} was changed{key}", number=name, key=hint("undo"))
    return f"{said}: {', '.join(figures)}" if figures else said


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


SAME = 0.4
"""Overlap (intersection over union) on a slice from which two findings are one."""


def finding_at(case: Case, index: int, x: float, y: float) -> int | None:
    """The shown finding that a point of an acquired slice lies in, the smallest of several: in its box or outline."""
    hits = []
    for nodule in case.findings():
        box = next((b for b in nodule.boxes if b.slice == index), None)
        outline = nodule.outlines.get(index)
        if (box is not None and box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1) or (
            outline is not None and _inside(outline, x, y)
        ):
            sized = box or nodule.box
            hits.append(((sized.x1 - sized.x0) * (sized.y1 - sized.y0), nodule.number))
    return min(hits)[1] if hits else None


def covered(case: Case, boxes: Sequence[Box]) -> int | None:
    """The shown finding that lies where these boxes do."""
    return next((n.number for n in case.findings() if _cover(boxes, n.boxes)), None)


def _cover(some: Sequence[Box], others: Sequence[Box]) -> bool:
    return any(overlap(a, b) >= SAME for a in some for b in others if a.slice == b.slice)


def _boxes(drawn: Drawn) -> list[Box]:
    others = [Box(b.slice, b.x0, b.y0, b.x1, b.y1, 1.0) for b in drawn.others]
    return [Box(drawn.slice, drawn.x0, drawn.y0, drawn.x1, drawn.y1, 1.0), *others]


def _inside(outline: NDArray[np.float32], x: float, y: float) -> bool:
    """Even–odd rule."""
    x0, y0 = outline.T
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    crossed = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (x1 - x0) * (y - y0) / (y1 - y0) + x0
    return bool(np.count_nonzero(crossed & (x < at)) % 2)
