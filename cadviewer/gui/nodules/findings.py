"""The list of findings of a CT: what the model found, how sure it is, what the reader says."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from cadviewer.findings import Nodule
from cadviewer.gui.cases import wording
from cadviewer.gui.cases.case import Case, ListFilter, SortOrder
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.nodules.boxes import LOOKS
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.buttons import answer_button
from cadviewer.gui.widgets.fields import Choice, Editor
from cadviewer.gui.widgets.shortcuts import hint
from cadviewer.imaging.series import Series, Shape
from cadviewer.risk.form import FINDING_FIELDS
from cadviewer.store.reading import Origin, proposed_type
from cadviewer.store.session import Answer

NODULE = Qt.ItemDataRole.UserRole
ANSWER = Qt.ItemDataRole.UserRole + 1
ORIGIN = Qt.ItemDataRole.UserRole + 2
NAME = Qt.ItemDataRole.UserRole + 3
ALSO = Qt.ItemDataRole.UserRole + 4
WHERE = Qt.ItemDataRole.UserRole + 5
STEPS = 1000


Shown = tuple[Nodule, Answer | None, Origin, str, Nodule | None]
"""A row: the finding, the answer, who found it, its name, and the model's finding that is the same nodule."""


class FindingsModel(QAbstractListModel):
    """The shown findings of a case, by falling score."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Shown] = []
        self._series: Series | None = None

    def show(self, rows: list[Shown], series: Series) -> None:
        """List these findings; where they are the same ones, the selection and the scroll position stay."""
        self._series = series
        if [n.number for n, *_ in rows] == [n.number for n, *_ in self._rows] and rows:
            self._rows = rows
            self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def row_of(self, number: int | None) -> int:
        return next((k for k, (n, *_) in enumerate(self._rows) if n.number == number), -1)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        nodule, answer, origin, name, also = self._rows[index.row()]
        if role == NODULE:
            return nodule
        if role == ANSWER:
            return answer
        if role == ORIGIN:
            return origin
        if role == NAME:
            return name
        if role == ALSO:
            return also
        if role == WHERE:
            return wording.slices(nodule, self._series) if self._series is not None else ""
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            parts = [
                tr("Finding {number}, {score}", number=name, score=wording.score(nodule, origin, also)),
                wording.size(nodule.long_mm),
                wording.slices(nodule, series) if (series := self._series) is not None else "",
            ]
            return ", ".join([part for part in parts if part] + [tr(wording.ANSWERS[answer])])
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(filter(None, (wording.place(nodule), wording.lung_place(nodule)))) or None
        return None


class _Row(QStyledItemDelegate):
    """One finding in two lines: number, score as bar and number, size; images and the reader's answer."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(200, round(option.fontMetrics.height() * 2.2) + 20)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        nodule: Nodule = index.data(NODULE)
        answer: Answer | None = index.data(ANSWER)
        overlay, line = LOOKS[answer]
        colour = style.on_panel(overlay, 5.5)  # enough for the selected row too
        rect: QRect = option.rect.adjusted(2, 2, -2, -2)
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(style.colour("accent"), 1) if selected else Qt.PenStyle.NoPen)
            painter.setBrush(style.colour("accent_dark" if selected else "raised"))
            painter.drawRoundedRect(rect, 6, 6)
        self._badge(painter, rect, index.data(NAME), colour, line)
        origin, also, where = (index.data(role) for role in (ORIGIN, ALSO, WHERE))
        self._text(painter, option, rect, nodule, answer, origin, also, where, colour)
        painter.restore()

    @staticmethod
    def _badge(painter: QPainter, rect: QRect, name: str, colour: QColor, line: Qt.PenStyle) -> None:
        square = QRectF(rect.left() + 9, rect.center().y() - 13, 26, 26)
        painter.setPen(QPen(colour, 1.6, line))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(square)
        painter.setPen(colour)
        painter.drawText(square, Qt.AlignmentFlag.AlignCenter, name)

    @staticmethod
    def _text(
        painter: QPainter,
        option: QStyleOptionViewItem,
        rect: QRect,
        nodule: Nodule,
        answer: Answer | None,
        origin: Origin,
        also: Nodule | None,
        where: str,
        colour: QColor,
    ) -> None:
        height = option.fontMetrics.height()
        left, right = rect.left() + 46, rect.right() - 10
        first, second = rect.top() + 8, rect.bottom() - 8 - height
        bold = QFont(painter.font())
        bold.setBold(True)
        painter.setFont(bold)
        painter.setPen(style.colour("text"))
        own = origin == Origin.READER and also is None  # a variant of Qt makes it a str
        found = (also or nodule).score
        score = tr("added") if own else f"{found:.2f}"
        advance = painter.fontMetrics().horizontalAdvance(score if own else "0.00")
        painter.drawText(QRect(left, first, advance + 4, height), Qt.AlignmentFlag.AlignLeft, score)
        bar = QRectF(left + advance + 10, first + height / 2 - 2, 0 if own else 64, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        if not own:
            painter.setBrush(style.colour("line"))
            painter.drawRoundedRect(bar, 2, 2)
            painter.setBrush(style.colour("accent"))
            end = QPointF(bar.left() + bar.width() * found, bar.bottom())
            painter.drawRoundedRect(QRectF(bar.topLeft(), end), 2, 2)
        painter.setPen(style.colour("text"))
        painter.drawText(
            QRect(round(bar.right()) + 8, first, right - round(bar.right()) - 8, height),
            Qt.AlignmentFlag.AlignRight,
            wording.size(nodule.long_mm),
        )
        painter.setFont(option.font)
        painter.setPen(style.colour("dim"))
        where += tr(", changed") if origin == Origin.EDITED else ""
        where += tr(", both found it") if also is not None else ""
        painter.drawText(QRect(left, second, right - left, height), Qt.AlignmentFlag.AlignLeft, where)
        painter.setPen(colour if answer is not None else style.colour("dim"))
        text = f"{wording.SIGNS[answer]} {tr(wording.ANSWERS[answer])}".strip()
        painter.drawText(QRect(left, second, right - left, height), Qt.AlignmentFlag.AlignRight, text)


class FindingsPanel(QWidget):
    """The right side for a CT.

    Signals: chosen(number): jump there; cut_moved(score): show findings from there on; answered(Answer | None);
    sorted_by(Order); filtered_to(Only); entered(number, {field: text or None}); reveal_asked(): the first read is done.
    """

    chosen = Signal(int)
    cut_moved = Signal(float)
    answered = Signal(object)
    sorted_by = Signal(object)
    filtered_to = Signal(object)
    entered = Signal(int, object)
    reveal_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = FindingsModel()
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setItemDelegate(_Row(self.list))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMouseTracking(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys are the window's; the list follows
        self.list.setAccessibleName(tr("Findings"))
        self.list.clicked.connect(lambda index: self.chosen.emit(index.data(NODULE).number))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(50)
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.slider.setAccessibleName(tr("Lowest score shown"))
        self.slider.setToolTip(tr("Findings scored lower are hidden. Further left shows more, also false ones."))
        self.slider.valueChanged.connect(self._slid)
        self.order = _combo(tr("Sort the list"), SortOrder)
        self.order.activated.connect(lambda row: self.sorted_by.emit(list(SortOrder)[row]))
        self.only = _combo(tr("Show of the list"), ListFilter)
        self.only.activated.connect(lambda row: self.filtered_to.emit(list(ListFilter)[row]))
        self.about = Details()
        self.about.entered.connect(self.entered)
        self.first_read = FirstRead()
        self.first_read.button.clicked.connect(self.reveal_asked)
        self.cut = QLabel()
        self.count = QLabel()
        self.count.setObjectName("dim")
        self.buttons = {
            Answer.ACCEPTED: answer_button("accept", tr("Accept")),
            Answer.REJECTED: answer_button("reject", tr("Reject")),
            Answer.UNSURE: answer_button("unsure", tr("Unsure")),
        }
        for answer, button in self.buttons.items():
            button.clicked.connect(lambda _=False, answer=answer: self.answered.emit(answer))
        self._arrange()

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 0)
        column.setSpacing(6)
        self.above = QWidget()
        inside = QVBoxLayout(self.above)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(6)
        head = QHBoxLayout()
        head.addWidget(QLabel(tr("Score at least")))
        head.addWidget(self.cut)
        head.addStretch()
        head.addWidget(self.count)
        inside.addLayout(head)
        inside.addWidget(self.slider)
        column.addWidget(self.first_read)
        column.addWidget(self.above)
        choices = QHBoxLayout()
        choices.setSpacing(4)
        choices.addWidget(self.order)
        choices.addWidget(self.only)
        column.addLayout(choices)
        column.addWidget(self.list, 1)
        column.addWidget(self.about)
        row = QHBoxLayout()
        row.setSpacing(4)
        for button in self.buttons.values():
            row.addWidget(button)
        column.addLayout(row)

    def show_case(self, case: Case) -> None:
        """Show the findings of a case as they are now."""
        analysed = case.result is not None
        shown, listed = case.findings(), case.listed()
        self.first_read.setVisible(case.concealed)
        self.first_read.say_keys()
        self.above.setVisible(not case.concealed)
        self.model.show(
            [(n, case.answer(n), case.origin(n.number), case.name(n.number), case.also(n.number)) for n in listed],
            case.series,
        )
        row = self.model.row_of(case.selected)
        if row >= 0:
            self.list.setCurrentIndex(self.model.index(row))
            self.list.scrollTo(self.model.index(row))
        else:
            self.list.clearSelection()
            self.list.setCurrentIndex(QModelIndex())
        self.slider.blockSignals(True)
        every = case.everything()
        low = min([n.score for n in every] + [case.cut]) if analysed else 0.0
        self.slider.setRange(int(low * STEPS), STEPS)
        self.slider.setValue(round(case.cut * STEPS))
        self.slider.setEnabled(analysed)
        self.slider.blockSignals(False)
        self.cut.setText(f"{case.cut:.2f}" if analysed else "–")
        below, filtered = len(every) - len(shown), len(shown) - len(listed)
        parts = [
            tr("{below} below", below=below) if below else "",
            tr("{filtered} not listed", filtered=filtered) if filtered else "",
        ]
        self.count.setText(", ".join(p for p in parts if p))
        self.order.setCurrentIndex(list(SortOrder).index(case.order))
        self.only.setCurrentIndex(list(ListFilter).index(case.only))
        nodule = next((n for n in shown if n.number == case.selected), None)
        if nodule is None:
            self.about.show_finding(None, {})
        else:
            volumetric = case.series.shape is Shape.VOLUME
            lines = (wording.measures(nodule, volumetric), wording.outline_maker(case, nodule))
            self.about.show_finding(nodule, case.values(nodule), "\n".join(line for line in lines if line))
        for answer, button in self.buttons.items():
            button.setEnabled(nodule is not None)
            button.setChecked(nodule is not None and case.answer(nodule) is answer)

    def _slid(self, value: int) -> None:
        self.cut_moved.emit(value / STEPS)


class Details(QWidget):
    """What was measured of the selected finding, and what the reader says of it: type and note.

    Signal: entered(number, {field: text or None}).
    """

    entered = Signal(int, object)

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self.measures = QLabel()
        self.measures.setWordWrap(True)
        self.measures.setObjectName("dim")
        self.measures.setToolTip(
            tr(
                "Axes and volume of the outline. The impression is what the readers of LIDC-IDRI would say of such a "
                "nodule (1 to 5; in brackets what four of five of them say), not pathology; it follows size for the "
                "most part and knows nothing of infiltrates. A type with a question mark is the model's as well."
            )
        )
        self.editors = {name: Editor(FINDING_FIELDS[name]) for name in ("type", "note")}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.measures)
        for name, editor in self.editors.items():
            label = QLabel(tr(FINDING_FIELDS[name].label))
            label.setObjectName("dim")
            label.setFixedWidth(40)
            row = QHBoxLayout()
            row.addWidget(label)
            row.addWidget(editor, 1)
            column.addLayout(row)
            editor.entered.connect(lambda field, text: self.entered.emit(self._number, {field: text}))

    def show_finding(self, nodule: Nodule | None, values: Mapping[str, str], about: str = "") -> None:
        """Show a finding with the fields that the reader entered; None hides it all. about: what was measured."""
        self.setVisible(nodule is not None)
        self._number = nodule.number if nodule is not None else 0
        if nodule is None:
            return
        self.measures.setText(about)
        self.measures.setVisible(bool(self.measures.text()))
        for name, editor in self.editors.items():
            known = tr("Add a note") if name == "note" else ""
            editor.show_value(values.get(name), known, proposed_type(nodule) if name == "type" else None)


class FirstRead(QWidget):
    """What stands in the place of the model's findings until the reader has read the case alone."""

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.button = QPushButton(tr("First read done"))
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.text)
        column.addWidget(self.button)
        self.say_keys()

    def say_keys(self) -> None:
        """The keys as they are now."""
        add, done = hint("tool_finding"), hint("reveal")
        self.text.setText(tr("First read: what the model found is hidden. Add what you see{key}, then:", key=add))
        self.button.setToolTip(tr("Show what the model found{key}. The time is kept.", key=done))


def _combo(name: str, kind: type[StrEnum]) -> Choice:
    box = Choice()
    box.setAccessibleName(name)
    box.setToolTip(name)
    box.addItems([tr(member.value) for member in kind])
    box.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(3)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box
