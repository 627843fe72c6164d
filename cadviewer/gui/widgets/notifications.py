"""A bar that says something without stopping anybody: a refused file, a series that is no volume, a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style


@dataclass(frozen=True)
class Notification:
    """topic: a later notice of the same topic takes its place. answers: buttons, each with what it does."""

    topic: str
    text: str
    answers: tuple[tuple[str, Callable[[], object]], ...] = ()
    closable: bool = True


class _Bar(QFrame):
    def __init__(self, notice: Notification, close: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("notice")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 6, 6, 6)
        sign = QLabel()
        sign.setPixmap(style.icon("warning", "warning").pixmap(18, 18))
        text = QLabel(notice.text)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setWordWrap(True)
        text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(text, 1)
        for name, act in notice.answers:
            button = QPushButton(name)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, act=act: act())
            row.addWidget(button)
        if notice.closable:
            shut = QToolButton()
            shut.setIcon(style.icon("reject", "dim"))
            shut.setToolTip(tr("Hide this message"))
            shut.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            shut.clicked.connect(close)
            row.addWidget(shut, 0, Qt.AlignmentFlag.AlignTop)


class Notifications(QWidget):
    """The bars above an image, one for each topic."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars: dict[str, tuple[Notification, _Bar]] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.hide()

    def say(self, notice: Notification) -> None:
        """Show a notice in place of what its topic said before."""
        self.dismiss(notice.topic)
        bar = _Bar(notice, lambda: self.dismiss(notice.topic))
        self._bars[notice.topic] = (notice, bar)
        self._column.addWidget(bar)
        self.show()

    def dismiss(self, *topics: str) -> None:
        """Take the notices of these topics away."""
        for topic in topics:
            entry = self._bars.pop(topic, None)
            if entry is not None:
                self._column.removeWidget(entry[1])
                entry[1].hide()
                entry[1].deleteLater()
        self.setVisible(bool(self._bars))

    def say_again(self) -> None:
        """Show the same in other colours."""
        for notice in [notice for notice, _ in self._bars.values()]:
            self.say(notice)

    def texts(self) -> Sequence[str]:
        """What is being said."""
        return [notice.text for notice, _ in self._bars.values()]

    def topics(self) -> Sequence[str]:
        return list(self._bars)

    def answer(self, topic: str, name: str) -> None:
        """Press a button of a notice."""
        notice = self._bars[topic][0]
        dict(notice.answers)[name]()
