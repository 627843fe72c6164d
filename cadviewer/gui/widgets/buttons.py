"""Small buttons that look alike."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSizePolicy, QToolButton

from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.shortcuts import hint


def answer_button(icon: str, text: str, action: str = "") -> QToolButton:
    """A button that stays down while its answer holds; keys are the window's, so it takes no focus.

    action: what does the same, where it is not called as the icon is; the window keeps its key in the tool tip
    (`actions.Actions`).
    """
    action = action or icon
    button = QToolButton()
    button.setObjectName("answer")
    button.setIcon(style.icon(icon))
    button.setText(tr(text))
    button.setToolTip(tr(text) + hint(action))
    button.setProperty("action", action)
    button.setCheckable(True)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
