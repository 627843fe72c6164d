"""The comparison with an earlier CT: what became of each finding, and what the reader is asked."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from cadviewer.gui.cases.case import Case, Compared
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.buttons import answer_button
from cadviewer.gui.widgets.fields import Choice
from cadviewer.store.comparison import Change, Comparison, State
from cadviewer.store.reading import facts_of

CHANGE = Qt.ItemDataRole.UserRole
LOUD = (State.NEW, State.GROWN)


def signed(value: float, unit: str, digits: int = 0) -> str:
    """ "+3.9 mm", with a real minus sign."""
    return f"{value:+.{digits}f} {unit}".replace("-", "−")


def head(change: Change) -> tuple[str, str]:
    """(which findings and what became of them, the change in mm)."""
    names = " ← ".join(seen.name if seen is not None else "–" for seen in (change.now, change.prior))
    word = tr(change.state.value)
    said = f"{names}   {word}" if change.sure else f"{names}   {tr('{state}?', state=word)}"
    return said, signed(change.delta_mm, "mm", 1) if change.delta_mm is not None else ""


def foot(change: Change) -> tuple[str, str]:
    """(mean diameters now and then, the change of the volume and how fast it doubles)."""
    sizes = [f"{seen.mean_mm:.1f}" if seen is not None and seen.mean_mm else "–" for seen in (change.now, change.prior)]
    measured = " ← ".join(sizes) + " mm" if any(size != "–" for size in sizes) else ""
    parts = [signed(change.delta_volume_percent, "%")] if change.delta_volume_percent is not None else []
    if change.doubling_days is not None:
        parts.append(tr("×2 in {days:.0f} d", days=change.doubling_days))
    return measured, ", ".join(parts)


def summary(comparison: Comparison) -> str:
    """ "1 grown, 1 new, 2 stable"; what is not sure apart."""
    sure = [c.state for c in comparison.changes if c.sure]
    parts = [f"{sure.count(state)} {tr(state.value)}" for state in State if state in sure]
    if comparison.unsure:
        parts.append(tr("{n} to be answered", n=len(comparison.unsure)))
    return ", ".join(parts) or tr("No findings in either CT")


class _Row(QStyledItemDelegate):
    """One change in two lines: what became of which, and by how much."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(200, round(option.fontMetrics.height() * 2.2) + 14)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        change: Change = index.data(CHANGE)
        rect: QRect = option.rect.adjusted(2, 2, -2, -2)
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(style.colour("accent"), 1) if selected else Qt.PenStyle.NoPen)
            painter.setBrush(style.colour("accent_dark" if selected else "raised"))
            painter.drawRoundedRect(rect, 6, 6)
        loud = change.state in LOUD or not change.sure
        bold = QFont(option.font)
        bold.setBold(True)
        painter.setFont(bold)
        self._line(painter, rect, rect.top() + 5, head(change), style.colour("warning" if loud else "text"))
        painter.setFont(option.font)
        low = rect.bottom() - 5 - option.fontMetrics.height()
        self._line(painter, rect, low, foot(change), style.colour("dim"))
        painter.restore()

    @staticmethod
    def _line(painter: QPainter, rect: QRect, top: int, texts: tuple[str, str], colour: QColor) -> None:
        """A text on the left, shortened where there is no room, and one on the right."""
        metrics = painter.fontMetrics()
        left, right = rect.left() + 9, rect.right() - 9
        painter.setPen(style.colour("text") if texts[1] and painter.font().bold() else colour)
        width = metrics.horizontalAdvance(texts[1])
        painter.drawText(QRect(right - width, top, width + 1, metrics.height()), Qt.AlignmentFlag.AlignRight, texts[1])
        painter.setPen(colour)
        room = right - width - 8 - left
        shown = metrics.elidedText(texts[0], Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRect(left, top, room, metrics.height()), Qt.AlignmentFlag.AlignLeft, shown)


class ComparisonPanel(QWidget):
    """Signals: compare_asked(Case): match with this earlier CT; cancel_asked(); looked_at(row): show both places;
    answered(bool): whether the two findings of the row looked at are one nodule.

    earlier: the CTs that a case can be compared with, the latest first.
    """

    compare_asked = Signal(object)
    cancel_asked = Signal()
    looked_at = Signal(int)
    answered = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.earlier: Callable[[Case], list[Case]] = lambda case: []
        self._earlier: list[Case] = []
        self.choice = Choice()
        self.choice.setAccessibleName(tr("Earlier CT"))
        self.choice.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.choice.setMinimumContentsLength(3)
        self.choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button = QPushButton(tr("Match"))
        self.button.setProperty("action", "match")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self._pressed)
        self.bar = QProgressBar()
        self.bar.setRange(0, 100)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.summary, self.note, self.question = QLabel(), QLabel(), QLabel()
        for label in (self.summary, self.note, self.question):
            label.setWordWrap(True)
        self.note.setObjectName("dim")
        self.list = QListWidget()
        self.list.setItemDelegate(_Row(self.list))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMouseTracking(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys are the window's; the list follows
        self.list.setAccessibleName(tr("Earlier CT"))
        self.list.itemClicked.connect(lambda item: self.looked_at.emit(self.list.row(item)))
        self.same = answer_button("accept", tr("Same nodule"), "same_nodule")
        self.other = answer_button("reject", tr("Not the same"), "other_nodule")
        self.same.clicked.connect(lambda: self.answered.emit(True))
        self.other.clicked.connect(lambda: self.answered.emit(False))
        self._arrange()

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 0)
        column.setSpacing(6)
        head_row = QHBoxLayout()
        head_row.setSpacing(4)
        head_row.addWidget(self.choice, 1)
        head_row.addWidget(self.button)
        column.addLayout(head_row)
        for widget in (self.bar, self.summary, self.note):
            column.addWidget(widget)
        column.addWidget(self.list, 1)
        column.addWidget(self.question)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.same)
        row.addWidget(self.other)
        column.addLayout(row)

    def show_case(self, case: Case) -> None:
        """Show the comparison of a case as it is now."""
        compared = case.compared
        self._show_choice(case, compared)
        running = compared is not None and compared.done is not None
        self.button.setText(tr("Cancel") if running else tr("Match"))
        self.button.setEnabled(running or bool(self._earlier))
        self.bar.setVisible(running)
        self.bar.setValue(round(100 * (compared.done or 0.0)) if compared is not None else 0)
        comparison = compared.comparison if compared is not None else None
        self.summary.setText(self._state(compared))
        self.note.setText(_notes(comparison) if comparison is not None else "")
        self.note.setVisible(bool(self.note.text()))
        self._show_rows(comparison, compared.row if compared is not None else None)
        change = compared.change if compared is not None else None
        self.question.setText(_question(change) if change is not None else "")
        self.question.setVisible(bool(self.question.text()))
        pair = change is not None and change.now is not None and change.prior is not None
        alone = change is not None and not pair and not change.sure
        for button, shown, down in ((self.same, pair, True), (self.other, pair or alone, False)):
            button.setVisible(comparison is not None)
            button.setEnabled(shown)
            button.setChecked(down and change is not None and change.answered and pair)

    def _show_choice(self, case: Case, compared: Compared | None) -> None:
        earlier = self.earlier(case)
        if [id(c) for c in earlier] != [id(c) for c in self._earlier] or not self.choice.count():
            self._earlier = earlier
            self.choice.clear()
            self.choice.addItems([_title(c) for c in earlier] or [tr("No earlier CT is open")])
        self.choice.setEnabled(bool(earlier))
        if compared is not None and compared.prior in earlier:
            self.choice.setCurrentIndex(earlier.index(compared.prior))

    def _state(self, compared: Compared | None) -> str:
        if compared is None:
            if self._earlier:
                return tr("What became of the findings since then? Both CTs are registered and their findings matched.")
            return tr("Open an earlier CT of the same patient to compare the findings with it.")
        if compared.done is not None:
            return tr("The two CTs are being registered…")
        if compared.reason:
            return tr("Not compared: {reason}.", reason=compared.reason)
        return summary(compared.comparison) if compared.comparison is not None else ""

    def _show_rows(self, comparison: Comparison | None, row: int | None) -> None:
        changes = comparison.changes if comparison is not None else ()
        self.list.blockSignals(True)
        shown = [self.list.item(k).data(CHANGE) for k in range(self.list.count())]
        if shown != list(changes):
            self.list.clear()
            for change in changes:
                item = QListWidgetItem()
                item.setData(CHANGE, change)
                texts = [*head(change), *foot(change), translate(change.doubt)]
                item.setData(Qt.ItemDataRole.AccessibleTextRole, ", ".join(text for text in texts if text))
                item.setToolTip(translate(change.doubt) if change.doubt else _tip(change))
                self.list.addItem(item)
        if row is not None and row < len(changes):
            self.list.setCurrentRow(row)
            self.list.scrollToItem(self.list.item(row))
        else:
            self.list.clearSelection()
            self.list.setCurrentRow(-1)
        self.list.blockSignals(False)

    def _pressed(self) -> None:
        if self.bar.isVisible():
            self.cancel_asked.emit()
        elif self._earlier:
            self.compare_asked.emit(self._earlier[max(0, self.choice.currentIndex())])


def _title(case: Case) -> str:
    on = facts_of(case.series).scan_date
    return " · ".join(part for part in (on.isoformat() if on else "", case.series.description) if part) or tr("no date")


def _notes(comparison: Comparison) -> str:
    """How it was registered, and what the reader should know."""
    parts = [translate(warning) for warning in comparison.warnings]
    if comparison.residual_mm is not None:
        parts.insert(0, tr("Registered to about ± {mm:.0f} mm", mm=max(1.0, comparison.residual_mm)))
    return "; ".join(parts)


def _question(change: Change) -> str:
    """What the reader is asked of a row, "" where nothing."""
    if change.sure:
        return ""
    asked = tr("One nodule?") if change.now is not None and change.prior is not None else tr("Is that so?")
    doubt = translate(change.doubt)
    return f"{asked} {doubt[:1].upper()}{doubt[1:]}."


def _tip(change: Change) -> str:
    if change.answered:
        return tr("As you answered")
    if change.distance_mm is not None:
        return tr("{mm:.1f} mm from where it is expected", mm=change.distance_mm)
    return ""
