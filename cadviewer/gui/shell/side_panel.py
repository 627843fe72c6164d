"""The right side: the state of the case in words, then the findings or the breast result, warnings and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from cadviewer.findings import Task, resolve
from cadviewer.gui.breast.panel import BreastPanel
from cadviewer.gui.cases import wording
from cadviewer.gui.cases.case import Case, Status
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.nodules.panel import NodulesPanel
from cadviewer.gui.nodules.priors import Prior
from cadviewer.gui.widgets import style

UNKNOWN = "ANALYSIS"

SIGNS = {
    Status.NOT_ANALYSED: "○",
    Status.RUNNING: "◌",
    Status.NOTHING: "✓",
    Status.FINDINGS: "●",
    Status.FAILED: "✕",
    Status.OUT_OF_SCOPE: "–",
}


MARGIN = 14


class Panel(Protocol):
    """The widget of a task beside the image (`findings.TaskSpec.panel`); made without arguments."""

    def shows(self, case: Case) -> bool:
        """Whether there is something to show of a case of its task."""
        ...

    def show_case(self, case: Case, frame: int, priors: Sequence[Prior]) -> None:
        """Show a case as it is now. frame: of the image on screen. priors: findings of earlier CTs of the patient."""
        ...


class SidePanel(QFrame):
    """What is known of the open case."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.heading = QLabel()
        self.heading.setObjectName("heading")
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.state.setStyleSheet("font-weight: 600; font-size: 14px;")
        self.reason = QLabel()
        self.reason.setObjectName("dim")
        self.reason.setWordWrap(True)
        self.reason.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.lines = QLabel()  # of a task that has no panel of its own
        self.lines.setWordWrap(True)
        self.lines.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.lines.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.pages = QStackedWidget()
        self.pages.addWidget(QWidget())
        self.pages.addWidget(self.lines)
        self._panels: dict[Task, Panel] = {}
        self.foot = QLabel()
        self.foot.setWordWrap(True)
        self.foot.setTextFormat(Qt.TextFormat.RichText)
        self.foot.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.foot.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._unfolded = False
        self._shown: Case | None = None
        self.foot.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.foot.linkActivated.connect(self._fold)
        self.foot_area = QScrollArea()
        self.foot_area.setWidgetResizable(True)
        self.foot_area.setWidget(self.foot)
        self.foot_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.foot_area.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.foot_area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, 12, MARGIN, 12)
        column.setSpacing(8)
        for widget in (self.heading, self.state, self.reason):
            column.addWidget(widget)
        column.addSpacing(4)
        column.addWidget(self.pages, 1)
        column.addWidget(self.foot_area)

    def show_case(self, case: Case | None, frame: int = 0, priors: Sequence[Prior] = ()) -> None:
        """Show a case as it is now; None when none is open. priors: findings of earlier CTs of the same patient."""
        if case is None:
            self.heading.setText(tr(UNKNOWN))
            self.state.setText(tr("Nothing is open"))
            self.reason.setText(tr("Open a file or a folder, or drop it here."))
            self.pages.setCurrentIndex(0)
            self.foot_area.hide()
            return
        headline, reason = wording.state(case)
        self.heading.setText(tr(case.task.heading).upper() if case.task is not None else tr(UNKNOWN))
        self.state.setText(f"{SIGNS[case.status]}  {headline}")
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
        panel = self.panel(case.task) if case.task is not None else None
        if panel is not None and panel.shows(case):
            panel.show_case(case, frame, priors)
            self.pages.setCurrentWidget(panel)  # type: ignore[arg-type]
        elif panel is None and case.result is not None:
            self.lines.setText("\n".join(case.result.lines))
            self.pages.setCurrentWidget(self.lines)
        else:
            self.pages.setCurrentIndex(0)
        self._show_foot(case)

    def panel(self, task: Task) -> Panel | None:
        """The panel of a task (`TaskSpec.panel`), made when it is first needed; None where it has none."""
        if task not in self._panels and task.spec.panel:
            made: Panel = resolve(task.spec.panel)()
            self._panels[task] = made
            self.pages.addWidget(made)  # type: ignore[arg-type]
        return self._panels.get(task)

    @property
    def nodules(self) -> NodulesPanel:
        """The panel of a chest CT."""
        found = self.panel(Task.NODULES)
        assert isinstance(found, NodulesPanel)
        return found

    @property
    def breast(self) -> BreastPanel:
        """The panel of breast ultrasound."""
        found = self.panel(Task.BREAST)
        assert isinstance(found, BreastPanel)
        return found

    def toggle_risk(self) -> None:
        """From the findings to the rules and back."""
        if self.pages.currentWidget() is self.nodules:
            shown = self.nodules.currentWidget() is self.nodules.risk
            self.nodules.setCurrentWidget(self.nodules.findings if shown else self.nodules.risk)

    def _show_foot(self, case: Case) -> None:
        from html import escape

        self._shown = case
        lines = []
        if case.result is not None:
            warn = style.colour("warning").name()
            lines += [
                f"<p style='color:{warn}; margin:0 0 6px 0'>⚠ {escape(wording.sentence(w))}</p>"
                for w in case.result.warnings
            ]
            dim = style.colour("dim").name()
            origin = escape(wording.provenance(case.result))
            if case.made:
                lines.append(f"<p style='color:{dim}; margin:0; font-size:11px'>{escape(wording.made(case.made))}</p>")
            if not self._unfolded:
                by = case.result.provenance
                origin = f"{escape(by.model)} {escape(by.model_version)}"
            sign = "▾" if self._unfolded else "▸"
            link = f"<a href='fold' style='color:{dim}; text-decoration:none'>{sign} {origin}</a>"
            lines.append(f"<p style='color:{dim}; margin:0; font-size:11px'>{link}</p>")
        self.foot.setText("".join(lines))
        self.foot_area.setVisible(bool(lines))
        self._fit_foot()

    def _fold(self, _: str) -> None:
        """By what the result was made, in full or the model's name alone."""
        self._unfolded = not self._unfolded
        if self._shown is not None:
            self._show_foot(self._shown)

    def _fit_foot(self) -> None:
        """As high as its text, up to a third of the panel: warnings must be read without scrolling."""
        width = self.width() - 2 * MARGIN - 14  # as if there were a scroll bar: it must not be what makes one necessary
        self.foot_area.setFixedHeight(min(self.foot.heightForWidth(width) + 6, max(self.height() // 3, 60)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_foot()
