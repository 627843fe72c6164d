"""Every text that a window shows, hints at or paints, collected from the live window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QTabWidget,
    QTextEdit,
    QWidget,
)

ROLES = (
    *(Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole),
    *(Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.StatusTipRole),
)


QT = ("qt_keysequenceedit_lineedit", "ScrollLeftButton", "ScrollRightButton")
"""Parts of widgets that Qt itself names."""


def of_widgets(window: QWidget) -> Iterator[tuple[str, str]]:
    """(where, text) of a window with everything in it, hidden or not; not what Qt itself says, nor what the published
    rules say in their own words."""
    for widget in (window, *window.findChildren(QWidget)):
        if widget.objectName() in QT or (widget.parent() is not None and widget.parent().objectName() == "card"):
            continue
        where = f"{type(widget).__name__} {widget.objectName()}"
        for text in (widget.toolTip(), widget.windowTitle(), widget.accessibleName(), widget.accessibleDescription()):
            yield where, text
        yield from ((where, text) for text in _own(widget))
    for action in window.findChildren(QAction):
        if not isinstance(action.parent(), QLineEdit) and not action.text().startswith("Export"):  # of Qt, of a chart
            yield f"action {action.text()}", action.text()
            yield f"action {action.text()}", action.toolTip()


def _own(widget: QWidget) -> Iterator[str]:
    if isinstance(widget.parent(), QDialogButtonBox) and not widget.toolTip():
        return  # a standard button
    if isinstance(widget, QLabel | QAbstractButton):
        yield widget.text()
    elif isinstance(widget, QLineEdit):
        yield widget.placeholderText()
    elif isinstance(widget, QTextEdit):
        yield widget.toPlainText()
    elif isinstance(widget, QComboBox):
        yield from (widget.itemText(k) for k in range(widget.count()))
    elif isinstance(widget, QTabWidget):
        yield from (widget.tabText(k) for k in range(widget.count()))
    elif isinstance(widget, QMenu):
        yield widget.title()
    elif isinstance(widget, QAbstractItemView) and widget.model() is not None:
        model = widget.model()
        columns = 1 if isinstance(widget, QListView) else model.columnCount()
        for row in range(model.rowCount()):
            for column in range(columns):
                yield from (str(model.index(row, column).data(role) or "") for role in ROLES)
        if columns > 1:
            yield from (str(model.headerData(k, Qt.Orientation.Horizontal) or "") for k in range(columns))


@contextmanager
def painted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """(where, text) of what is painted letter by letter meanwhile."""
    found: list[tuple[str, str]] = []
    draw: Callable[..., Any] = QPainter.drawText

    def listen(painter: QPainter, *args: Any) -> Any:
        found.extend(("painted", arg) for arg in args if isinstance(arg, str))
        return draw(painter, *args)

    with monkeypatch.context() as patch:
        patch.setattr(QPainter, "drawText", listen)
        yield found
