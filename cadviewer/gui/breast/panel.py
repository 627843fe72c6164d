"""The result for a breast ultrasound image: the call, the probability with its interval, the axes, and from what."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cadviewer.findings import Estimate
from cadviewer.gui.breast.score_map import AGAINST, FOR, WEAK, ScoreMapState
from cadviewer.gui.cases import wording
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.buttons import answer_button
from cadviewer.gui.widgets.fields import Editor
from cadviewer.store.breast_form import FRAME_FIELDS
from cadviewer.store.session import Answer


class ScoreBar(QWidget):
    """A probability on a scale from 0 to 1: the interval as a band, the value as a mark."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._estimate: Estimate | None = None
        self.setFixedHeight(58)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_estimate(self, estimate: Estimate | None) -> None:
        """Show a probability with its interval, or none."""
        self._estimate = estimate
        self.setVisible(estimate is not None)
        self.setAccessibleName(wording.estimate(estimate) if estimate is not None else "")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(220, 58)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._estimate is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, right, y = 8.0, self.width() - 8.0, 24.0

        def x(value: float) -> float:
            return left + (right - left) * value

        painter.setPen(QPen(style.colour("line")))  # bright, and with high contrast, the scale is hardly seen without
        painter.setBrush(style.colour("raised"))
        painter.drawRoundedRect(QRectF(left, y - 5, right - left, 10), 5, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        band = QRectF(x(self._estimate.low), y - 5, max(x(self._estimate.high) - x(self._estimate.low), 4), 10)
        painter.setBrush(QColor(style.MASK.red(), style.MASK.green(), style.MASK.blue(), 110))
        painter.drawRoundedRect(band, 5, 5)
        mark = x(self._estimate.value)
        painter.setBrush(style.colour("text"))
        painter.drawRoundedRect(QRectF(mark - 2, y - 9, 4, 18), 2, 2)
        painter.drawPolygon(QPolygonF([QPointF(mark - 5, y - 16), QPointF(mark + 5, y - 16), QPointF(mark, y - 10)]))
        painter.setPen(QPen(style.colour("dim")))
        for value in (0, 25, 50, 75, 100):
            flags = Qt.AlignmentFlag.AlignHCenter
            box = QRectF(x(value / 100) - 20, y + 12, 40, 18)
            if value == 0:
                box, flags = QRectF(left, y + 12, 40, 18), Qt.AlignmentFlag.AlignLeft
            elif value == 100:
                box, flags = QRectF(right - 40, y + 12, 40, 18), Qt.AlignmentFlag.AlignRight
            painter.drawText(box, flags, f"{value} %" if value in (0, 100) else str(value))


class BreastPanel(QWidget):
    """The right side for breast ultrasound.

    Signals: answered(Answer): agree, disagree, unsure; entered({field: text or None}): of the form of the frame;
    score_map_asked(): show or hide what the score depends on; opacity_moved(0…1): of that.
    """

    answered = Signal(object)
    entered = Signal(object)
    score_map_asked = Signal()
    opacity_moved = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.call = QLabel()
        self.call.setWordWrap(True)
        self.call.setStyleSheet("font-size: 19px; font-weight: 600;")
        self.score = QLabel()
        self.score.setWordWrap(True)
        self.bar = ScoreBar()
        self.size_ = QLabel()
        self.size_.setWordWrap(True)
        self.count = QLabel()
        self.caution = QLabel()
        self.caution.setWordWrap(True)
        self.reason = QLabel()
        self.frame = QLabel()
        for label in (self.reason, self.frame, self.count):
            label.setObjectName("dim")
            label.setWordWrap(True)
        self.buttons: dict[Answer, QToolButton] = {
            Answer.ACCEPTED: answer_button("accept", tr("Agree")),
            Answer.REJECTED: answer_button("reject", tr("Disagree")),
            Answer.UNSURE: answer_button("unsure", tr("Unsure")),
        }
        self.editors = {name: Editor(field) for name, field in FRAME_FIELDS.items()}
        for editor in self.editors.values():
            editor.entered.connect(lambda name, text: self.entered.emit({name: text}))
        self.own = QWidget()
        form = QFormLayout(self.own)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        for name, field in FRAME_FIELDS.items():
            form.addRow(tr(field.label), self.editors[name])
        self.score_map = QToolButton()
        self.score_map.setText(tr("What the score depends on"))
        self.score_map.setObjectName("answer")
        self.score_map.setCheckable(True)
        self.score_map.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.score_map.clicked.connect(self.score_map_asked)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(50)
        self.opacity.setAccessibleName(tr("Opacity of what the score depends on"))
        self.opacity.setToolTip(tr("Opacity of the colours over the image"))
        self.opacity.valueChanged.connect(lambda value: self.opacity_moved.emit(value / 100))
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self._arrange()

    def _arrange(self) -> None:
        """What is said scrolls where it is too long for the screen; the answers stay in sight."""
        inside = QWidget()
        lines = QVBoxLayout(inside)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(8)
        said = (self.frame, self.call, self.reason, self.score, self.bar, self.caution, self.size_, self.count)
        for widget in (*said, self.score_map, self.opacity, self.legend):
            lines.addWidget(widget)
        lines.addStretch()
        self.area = QScrollArea()
        self.area.setWidget(inside)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.area, 1)
        column.addWidget(self.own)
        row = QHBoxLayout()
        row.setSpacing(4)
        for answer, button in self.buttons.items():
            button.clicked.connect(lambda _=False, answer=answer: self.answered.emit(answer))
            row.addWidget(button)
        column.addLayout(row)

    def shows(self, case: Case) -> bool:
        """See `gui.shell.side_panel.Panel`."""
        return case.result is not None

    def show_case(self, case: Case, frame: int, priors: object = ()) -> None:
        """Show what is said of a frame."""
        finding = case.frame_finding(frame)
        for widget in (self.call, self.score, self.caution, self.size_, self.count, self.reason, self.frame):
            widget.hide()
        self.bar.show_estimate(finding.probability if finding is not None else None)
        answer = case.frame_answer(frame)
        takes = case.takes_answer(frame)
        for name, button in self.buttons.items():
            button.setEnabled(takes)
            button.setChecked(answer is name)
        self.own.setVisible(finding is not None)
        values = case.frame_values(frame)
        for field, editor in self.editors.items():
            editor.show_value(values.get(field))
        if finding is None:
            return
        assert case.result is not None
        _say(
            self.frame,
            tr("Frame {frame} of {n}", frame=frame + 1, n=len(case.result.breast))
            if len(case.result.breast) > 1
            else "",
        )
        _say(self.call, tr(wording.CALLS[finding.call]))
        _say(self.reason, wording.sentence(finding.reason))
        if finding.probability is not None:
            _say(self.score, tr("Probability of malignancy {estimate}", estimate=wording.estimate(finding.probability)))
        _say(self.caution, wording.breast_caution(finding, case.result.provenance.threshold))
        size = wording.breast_size(finding)
        _say(self.size_, tr("Lesion {size}", size=size) if size else "")
        _say(self.count, wording.sentence(wording.breast_count(finding)))

    def show_score_map(self, state: ScoreMapState | None, possible: bool, on: bool) -> None:
        """Show how far the map of the frame is. possible: there is a score to explain; on: the reader wants it."""
        self.score_map.setVisible(possible)
        self.score_map.setChecked(on)
        shown = possible and on and state is not None
        self.opacity.setVisible(shown and state is not None and state.map is not None)
        self.legend.setText(_legend(state) if shown and state is not None else "")
        self.legend.setVisible(shown)


def _legend(state: ScoreMapState) -> str:
    """What the colours mean, as rich text."""
    from html import escape

    if state.reason:
        return escape(wording.sentence(state.reason))
    if state.map is None:
        return (
            tr("Computing… {percent} %", percent=100 * state.done // state.total) if state.total else tr("Computing…")
        )
    if state.map.strongest < WEAK:
        return tr("Covering any one spot changes the score hardly at all.")
    speaks = ", ".join(
        f"<span style='color:rgb{colour}'>■</span> {text}"
        for colour, text in ((FOR, tr("speaks for malignancy")), (AGAINST, tr("speaks against it")))
    )
    return (
        f"{speaks}: {tr('how the score changes when the spot is covered.')} <b>{tr('No proof')}</b>: "
        f"{tr('it shows what this model depends on, neither that the score is right nor where disease is.')}"
    )


def _say(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))
