"""The list on the left: patients, studies and series, each series with a picture and the state of its analysis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from cadviewer.gui.canvas import render
from cadviewer.gui.cases.case import Case, Status
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n import language
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.widgets import style
from cadviewer.imaging.series import Series
from cadviewer.imaging.windowing import default_window
from cadviewer.store.reporting.phrases import date

CASE = Qt.ItemDataRole.UserRole
PICTURE = Qt.ItemDataRole.UserRole + 1
HEADING = Qt.ItemDataRole.UserRole + 2
SIDE = 58


def title(series: Series) -> str:
    """What a radiologist calls a series; the name of the file where the file says nothing."""
    number = f"{series.series_number} · " if series.series_number is not None else ""
    return number + (series.description or (series.source.name if series.format != "dicom" else tr("Series")))


def study_title(series: Series) -> str:
    """Date and description of a study, else the folder."""
    parts = [date(series.study_date), series.study_description]
    return "  ".join(p for p in parts if p) or series.source.parent.name or tr("Images")


def content(series: Series) -> str:
    """ "CT · 99 images"."""
    count = series.geometry.shape[0]
    kind = series.modality or {"image": tr("image"), "sitk": tr("volume")}.get(series.format, "")
    images = language.count(count, "{n} image", "{n} images")
    return f"{kind} · {images}" if count > 1 or series.modality else kind


def short_state(case: Case) -> tuple[str, str]:
    """A sign and a few words for the state of a case."""
    if case.concealed and case.status in (Status.FINDINGS, Status.NOTHING):
        return "●", tr("analysed, hidden")
    match case.status:
        case Status.RUNNING:
            percent = f" {100 * case.done // case.total} %" if case.total else "…"
            return "◌", tr("analysing{percent}", percent=percent)
        case Status.FINDINGS:
            if case.result is not None and case.result.breast:
                best = [f.probability.value for f in case.result.breast if f.probability is not None]
                if not best:
                    return "●", tr("analysed")
                several = len(case.result.breast) > 1  # the image on screen may have a lower one
                value = max(best) * 100
                if several:
                    return "●", tr("up to {percent:.0f} %", percent=value)
                return "●", tr("malignancy {percent:.0f} %", percent=value)
            count = len(case.findings())
            return "●", language.count(count, "{n} finding", "{n} findings")
        case Status.NOTHING:
            breast = case.result is not None and bool(case.result.breast)
            return "○", tr("no lesion outlined") if breast else tr("nothing found")
        case Status.FAILED:
            return "!", tr("failed")
        case Status.OUT_OF_SCOPE:
            return "–", tr("out of scope")
    return "", tr("not analysed")


def patient_title(series: Series) -> str:
    """Name, ID and date of birth; "" where the file names nobody."""
    p = series.patient
    number = p.patient_id if p.patient_id != p.name else ""
    return "  ".join(part for part in (p.name, number, date(p.birth_date)) if part)


def answered(case: Case) -> str:
    """How much of a case the reader has answered: "✓", "✓ 2/4", or "" for nothing."""
    if case.concealed:
        return ""
    if case.result is None:
        return tr("answered before") if case.kept.answers else ""
    if case.result.breast:
        frames = [f.frame for f in case.result.breast]
        given = [case.frame_answer(k) is not None or bool(case.frame_values(k)) for k in frames]
    else:
        given = [case.answer(nodule) is not None for nodule in case.findings()]
    count = sum(given)
    if not count:
        return ""
    return "✓" if count == len(given) else f"✓ {count}/{len(given)}"


@dataclass(frozen=True)
class Heading:
    """A line above series. patient: of a patient, else of a study; cases: all of it, those too that are not listed."""

    text: str
    patient: bool
    cases: tuple[Case, ...]


class StudiesModel(QAbstractListModel):
    """Rows: a heading for each patient and each study, and the series (cases).

    wanted: words of which every one must be in what a series is called, its study or its patient; the open series is
    always listed.
    """

    def __init__(self, cases: Cases) -> None:
        super().__init__()
        self._cases = cases
        self._rows: list[Heading | Case] = []
        self._pictures: dict[str, QPixmap] = {}
        self.wanted = ""

    def refresh(self) -> None:
        """Series were added or taken away, or others are wanted."""
        rows: list[Heading | Case] = []
        for studies in self._cases.patients():
            listed = [[c for c in cases if self._is_wanted(c)] for cases in studies]
            whose = patient_title(studies[0][0].series)
            if whose and any(listed):
                rows.append(Heading(whose, True, tuple(c for cases in studies for c in cases)))
            for cases, kept in zip(studies, listed, strict=True):
                if kept:
                    rows += [Heading(study_title(cases[0].series), False, tuple(cases)), *kept]
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def _is_wanted(self, case: Case) -> bool:
        if not self.wanted or case is self._cases.current:
            return True
        series = case.series
        text = " ".join((patient_title(series), study_title(series), title(series), content(series))).casefold()
        return all(word in text for word in self.wanted.casefold().split())

    def listed(self) -> list[Case]:
        """The series as they stand in the list."""
        return [entry for entry in self._rows if isinstance(entry, Case)]

    def neighbour(self, step: int) -> Case | None:
        """The series `step` further down the list than the open one; None beyond its ends."""
        every = self.listed()
        if self._cases.current not in every:
            return every[0] if every else None
        at = every.index(self._cases.current) + step
        return every[at] if 0 <= at < len(every) else None

    def changed(self, case: Case) -> None:
        """The row of a case says something else now."""
        row = self.row_of(case)
        if row >= 0:
            self.dataChanged.emit(self.index(row), self.index(row))

    def row_of(self, case: Case | None) -> int:
        return next((k for k, entry in enumerate(self._rows) if entry is case), -1) if case is not None else -1

    def add_picture(self, case_id: str, frame: NDArray[np.generic], series: Series) -> None:
        """Show a frame (rows, columns[, 3]) as the thumbnail of a case, in its window and its true proportions."""
        image = render.to_image(frame, default_window(series, frame), series.inverted)
        row_mm, column_mm = series.geometry.pixel_spacing or (series.pixel_aspect, 1.0)
        height = round(image.height() * row_mm / column_mm) or 1
        side = SIDE * 2  # sharp on a screen of double density too
        scaled = image.scaled(image.width(), height).scaled(
            side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        self._pictures[case_id] = QPixmap.fromImage(scaled)
        case = self._cases.get(case_id)
        if case is not None:
            self.changed(case)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._rows)

    def flags(self, index: QModelIndex | QPersistentModelIndex) -> Qt.ItemFlag:
        if index.isValid() and isinstance(self._rows[index.row()], Heading):
            return Qt.ItemFlag.NoItemFlags
        return super().flags(index)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        entry = self._rows[index.row()]
        if isinstance(entry, Heading):
            if role == HEADING:
                return entry
            told = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole)
            return entry.text if role in told else None
        if role == CASE:
            return entry
        if role == PICTURE:
            return self._pictures.get(entry.case_id)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            said = (title(entry.series), content(entry.series), short_state(entry)[1], answered(entry))
            return ", ".join(text for text in said if text)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(
                line
                for line in map(str, (entry.series.source, translate(entry.series.not_volume), translate(entry.reason)))
                if line
            )
        return None


class _Row(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        height = option.fontMetrics.height()
        return QSize(160, height + 14 if index.data(CASE) is None else max(SIDE + 12, 3 * height + 14))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        case: Case | None = index.data(CASE)
        rect: QRect = option.rect.adjusted(2, 2, -2, -2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if case is None:
            heading: Heading = index.data(HEADING)
            font = QFont(option.font)
            font.setBold(heading.patient)
            painter.setFont(font)
            painter.setPen(style.colour("text" if heading.patient else "dim"))
            text = painter.fontMetrics().elidedText(heading.text, Qt.TextElideMode.ElideRight, rect.width() - 8)
            painter.drawText(rect.adjusted(4, 0, -4, 0), Qt.AlignmentFlag.AlignVCenter, text)
            painter.restore()
            return
        state: QStyle.StateFlag = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(style.colour("accent"), 1) if selected else Qt.PenStyle.NoPen)
            painter.setBrush(style.colour("accent_dark" if selected else "raised"))
            painter.drawRoundedRect(rect, 6, 6)
        frame = QRect(rect.left() + 5, rect.center().y() - SIDE // 2, SIDE, SIDE)
        painter.fillRect(frame, Qt.GlobalColor.black)
        picture: QPixmap | None = index.data(PICTURE)
        if picture is not None:
            size = picture.size().scaled(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio)
            target = QRect(
                frame.center().x() - size.width() // 2,
                frame.center().y() - size.height() // 2,
                size.width(),
                size.height(),
            )
            painter.drawPixmap(target, picture)
        self._text(painter, option, rect, case)
        painter.restore()

    @staticmethod
    def _text(painter: QPainter, option: QStyleOptionViewItem, rect: QRect, case: Case) -> None:
        metrics = option.fontMetrics
        height = metrics.height()
        left = rect.left() + SIDE + 14
        width = rect.right() - left - 6
        top = rect.center().y() - (3 * height) // 2
        state = " · ".join(text for text in (" ".join(short_state(case)).strip(), answered(case)) if text)
        lines = [
            (title(case.series), "text", True),
            (content(case.series), "dim", False),
            (state, "dim" if case.status is not Status.FAILED else "warning", False),
        ]
        for k, (text, tint, bold) in enumerate(lines):
            font = QFont(option.font)
            font.setBold(bold)
            painter.setFont(font)
            painter.setPen(style.colour(tint))
            elided = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
            painter.drawText(QRect(left, top + k * height, width, height), Qt.AlignmentFlag.AlignVCenter, elided)


class StudiesPanel(QListView):
    """Signals: asked(Case): open it; close_asked(Cases): take them out of the list."""

    asked = Signal(object)
    close_asked = Signal(object)

    def __init__(self, cases: Cases, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = StudiesModel(cases)
        self.setModel(self.rows)
        self.setItemDelegate(_Row(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(tr("Studies and series"))
        self.clicked.connect(self._clicked)

    def refresh(self, current: Case | None) -> None:
        self.rows.refresh()
        self.select(current)

    def select(self, current: Case | None) -> None:
        """Highlight what is on screen, and only that."""
        if self.rows.wanted:
            self.rows.refresh()  # it is listed whatever is wanted
        row = self.rows.row_of(current)
        self.setCurrentIndex(self.rows.index(row) if row >= 0 else QModelIndex())

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.rows.rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(style.colour("faint"))
            text = tr("Nothing in the list is called so") if self.rows.wanted else tr("No study is open")
            flags = Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(10, 8, -10, 0), flags, text)

    def want(self, text: str) -> None:
        """List only what is called so."""
        self.rows.wanted = text
        current = self.currentIndex().data(CASE)
        self.refresh(current)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with the series, study or patient under the mouse; nothing is highlighted by that."""
        index = self.indexAt(event.pos())
        case, heading = index.data(CASE), index.data(HEADING)
        if case is None and heading is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if case is not None:
            menu.addAction(tr("Open")).triggered.connect(lambda: self.asked.emit(case))
            menu.addAction(tr("Close this series")).triggered.connect(lambda: self.close_asked.emit((case,)))
        else:
            text = tr("Close all of this patient") if heading.patient else tr("Close this study")
            menu.addAction(text).triggered.connect(lambda: self.close_asked.emit(heading.cases))
        menu.popup(event.globalPos())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Only what opens a series highlights it: what is highlighted is what is on screen."""
        if event.button() == Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() == Qt.MouseButton.NoButton:
            super().mouseMoveEvent(event)  # a drag over the list would highlight one row after another

    def _clicked(self, index: QModelIndex) -> None:
        case = index.data(CASE)
        if case is not None:
            self.asked.emit(case)
