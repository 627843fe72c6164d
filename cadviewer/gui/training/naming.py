"""Asks what a trained model is to be called, and whether it is used from now on. Nothing that is there is replaced."""

from __future__ import annotations

from PySide6.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from cadviewer.gui.i18n.language import tr
from cadviewer.models import own_models
from cadviewer.models.catalogue import CardError

WIDTH = 520


class NameDialog(QDialog):
    """name: what the model is to be called; usual: a tick for using it wherever no model is named, off at first."""

    def __init__(self, proposed: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Use in the viewer"))
        self.name = QLineEdit(proposed)
        self.name.selectAll()
        self.usual = QCheckBox(tr("Use it for every new case from now on, instead of the one that is used now"))
        about = QLabel(
            tr(
                "The model is kept under this name beside those that ship, none of which is replaced. Every result "
                "names the model that made it. Analyse → With model → Models… changes back, or removes it."
            ),
            wordWrap=True,
        )
        self.say = QLabel(wordWrap=True)
        self.say.setObjectName("said")
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Ok | standard.Cancel)
        self.ok = self.buttons.button(standard.Ok)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow(tr("Name"), self.name)
        column = QVBoxLayout(self)
        column.addWidget(about)
        column.addLayout(form)
        column.addWidget(self.usual)
        column.addWidget(self.say)
        column.addWidget(self.buttons)
        self.name.textChanged.connect(self._check)
        about.setMinimumHeight(about.heightForWidth(WIDTH - 40))  # a wrapped label asks for one line alone
        self.resize(WIDTH, 0)
        self._check()

    def chosen(self) -> str:
        """The name as it will be used."""
        return self.name.text().strip()

    def _check(self) -> None:
        name = self.chosen()
        problem = ""
        if own_models.taken(name):
            problem = tr("A model has this name already; none is replaced.")
        else:
            try:
                own_models.check_name(name)
            except CardError:
                problem = tr("A name is made of letters a to z, digits, dots, hyphens and underscores, up to 60.")
        self.say.setText(problem)
        self.ok.setEnabled(not problem)
