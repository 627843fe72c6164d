"""The right side for a chest CT: the findings to work through, what the rules for nodules say, an earlier CT."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTabWidget, QWidget

from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.nodules.comparison_panel import ComparisonPanel
from cadviewer.gui.nodules.findings import FindingsPanel
from cadviewer.gui.nodules.priors import Prior
from cadviewer.gui.nodules.risk import RiskPanel


class NodulesPanel(QTabWidget):
    """See `gui.shell.side_panel.Panel`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.findings, self.risk, self.comparison = FindingsPanel(), RiskPanel(), ComparisonPanel()
        self.setDocumentMode(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.tabBar().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.tabBar().setDrawBase(False)
        self.addTab(self.findings, tr("Findings"))
        self.addTab(self.risk, tr("Risk"))
        self.addTab(self.comparison, tr("Earlier CT"))

    def shows(self, case: Case) -> bool:
        """Before a result too, where the reader has found something."""
        return case.result is not None or bool(case.found())

    def show_case(self, case: Case, frame: int, priors: Sequence[Prior]) -> None:
        """Show a case as it is now. priors: findings of earlier CTs of the same patient."""
        self.findings.show_case(case)
        self.risk.show_case(case, priors)
        self.comparison.show_case(case)
