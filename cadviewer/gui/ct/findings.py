"""The list of findings of a CT: what the model found, how sure it is, what the reader says."""

from __future__ import annotations

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
    QSlider,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from cadviewer.findings import Nodule
from cadviewer.gui import style, words
from cadviewer.gui.buttons import answer_button
from cadviewer.gui.case import Case
from cadviewer.gui.ct.boxes import LOOKS
from cadviewer.store.session import Answer

NODULE = Qt.ItemDataRole.UserRole
ANSWER = Qt.ItemDataRole.UserRole + 1
STEPS = 1000


class FindingsModel(QAbstractListModel):
    """The shown findings of a case, by falling score."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[tuple[Nodule, Answer | None]] = []

    def show(self, rows: list[tuple[Nodule, Answer | None]]) -> None:
        if [n.number for n, _ in rows] == [n.number for n, _ in self._rows] and rows:
            self._rows = rows
            self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def row_of(self, number: int | None) -> int:
        return next((k for k, (n, _) in enumerate(self._rows) if n.number == number), -1)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        nodule, answer = self._rows[index.row()]
        if role == NODULE:
            return nodule
        if role == ANSWER:
            return answer
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            parts = [
                f"Finding {nodule.number}, score {nodule.score:.2f}",
                words.size(nodule.long_mm),
                words.slices(nodule),
            ]
            return ", ".join([part for part in parts if part] + [words.ANSWERS[answer]])
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.place(nodule) or None
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
        colour, line = LOOKS[answer]
        rect: QRect = option.rect.adjusted(2, 2, -2, -2)
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(style.colour("accent"), 1) if selected else Qt.PenStyle.NoPen)
            painter.setBrush(style.colour("accent_dark" if selected else "raised"))
            painter.drawRoundedRect(rect, 6, 6)
        self._badge(painter, rect, nodule.number, colour, line)
        self._text(painter, option, rect, nodule, answer, colour)
        painter.restore()

    @staticmethod
    def _badge(painter: QPainter, rect: QRect, number: int, colour: QColor, line: Qt.PenStyle) -> None:
        square = QRectF(rect.left() + 9, rect.center().y() - 13, 26, 26)
        painter.setPen(QPen(colour, 1.6, line))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(square)
        painter.setPen(colour)
        painter.drawText(square, Qt.AlignmentFlag.AlignCenter, str(number))

    @staticmethod
    def _text(
        painter: QPainter,
        option: QStyleOptionViewItem,
        rect: QRect,
        nodule: Nodule,
        answer: Answer | None,
        colour: QColor,
    ) -> None:
        height = option.fontMetrics.height()
        left, right = rect.left() + 46, rect.right() - 10
        first, second = rect.top() + 8, rect.bottom() - 8 - height
        bold = QFont(painter.font())
        bold.setBold(True)
        painter.setFont(bold)
        painter.setPen(style.colour("text"))
        score = f"{nodule.score:.2f}"
        advance = painter.fontMetrics().horizontalAdvance("0.00")
        painter.drawText(QRect(left, first, advance + 4, height), Qt.AlignmentFlag.AlignLeft, score)
        bar = QRectF(left + advance + 10, first + height / 2 - 2, 64, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.colour("line"))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setBrush(style.colour("accent"))
        painter.drawRoundedRect(
            QRectF(bar.topLeft(), QPointF(bar.left() + bar.width() * nodule.score, bar.bottom())), 2, 2
        )
        painter.setPen(style.colour("text"))
        painter.drawText(
            QRect(round(bar.right()) + 8, first, right - round(bar.right()) - 8, height),
            Qt.AlignmentFlag.AlignRight,
            words.size(nodule.long_mm),
        )
        painter.setFont(option.font)
        painter.setPen(style.colour("dim"))
        painter.drawText(QRect(left, second, right - left, height), Qt.AlignmentFlag.AlignLeft, words.slices(nodule))
        painter.setPen(colour if answer is not None else style.colour("dim"))
        text = f"{words.SIGNS[answer]} {words.ANSWERS[answer]}".strip()
        painter.drawText(QRect(left, second, right - left, height), Qt.AlignmentFlag.AlignRight, text)


class FindingsPanel(QWidget):
    """The right side for a CT.

    Signals: chosen(number): jump there; cut_moved(score): show findings from there on; answered(Answer | None).
    """

    chosen = Signal(int)
    cut_moved = Signal(float)
    answered = Signal(object)

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
        self.list.setAccessibleName("Findings")
        self.list.clicked.connect(lambda index: self.chosen.emit(index.data(NODULE).number))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(50)
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.slider.setAccessibleName("Lowest score shown")
        self.slider.setToolTip("Findings scored lower are hidden. Further left shows more, also false ones.")
        self.slider.valueChanged.connect(self._slid)
        self.cut = QLabel()
        self.count = QLabel()
        self.count.setObjectName("dim")
        self.buttons = {
            Answer.ACCEPTED: answer_button("accept", "Accept", "Enter"),
            Answer.REJECTED: answer_button("reject", "Reject", "X"),
            Answer.UNSURE: answer_button("unsure", "Unsure", "U"),
        }
        for answer, button in self.buttons.items():
            button.clicked.connect(lambda _=False, answer=answer: self.answered.emit(answer))
        self._arrange()

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        head = QHBoxLayout()
        head.addWidget(QLabel("Score at least"))
        head.addWidget(self.cut)
        head.addStretch()
        head.addWidget(self.count)
        column.addLayout(head)
        column.addWidget(self.slider)
        column.addWidget(self.list, 1)
        row = QHBoxLayout()
        row.setSpacing(4)
        for button in self.buttons.values():
            row.addWidget(button)
        column.addLayout(row)

    def show_case(self, case: Case) -> None:
        """Show the findings of a case as they are now."""
        analysed = case.result is not None
        shown = case.findings()
        self.model.show([(n, case.answer(n)) for n in shown])
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
        hidden = len(every) - len(shown)
        self.count.setText(f"{hidden} below" if hidden else "")
        for answer, button in self.buttons.items():
            button.setEnabled(row >= 0)
            nodule = case.finding(case.selected)
            button.setChecked(row >= 0 and nodule is not None and case.answer(nodule) is answer)

    def _slid(self, value: int) -> None:
        self.cut_moved.emit(value / STEPS)
