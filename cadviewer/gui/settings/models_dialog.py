"""The models that can be used: what each is, which one is used where none is named, and removing one's own."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from cadviewer.findings import Task
from cadviewer.gui.cases import wording
from cadviewer.gui.help import dialogs
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.models import catalogue, own_models
from cadviewer.models.catalogue import CardError, ModelCard


def usual_name(preferences: Preferences, task: Task) -> str:
    """The model that is used for a task where none is named; "" when there is none."""
    if chosen := chosen_name(preferences, task):
        return chosen
    try:
        return catalogue.default(task).name
    except CardError:
        return ""


def chosen_name(preferences: Preferences, task: Task) -> str:
    """The model that the settings name for a task, "" for the default; a task need not have such a setting."""
    setting = task.spec.model_setting
    return str(getattr(preferences.now, setting)) if setting else ""


def label_of(card: ModelCard, usual: str) -> str:
    """A model in a list: title, name, whose it is, and whether it is the one that is used."""
    marks = [tr("own")] if own_models.is_own(card) else []
    marks += [tr("in use")] if card.name == usual else []
    return " · ".join([f"{card.title or card.name}  ({card.name} {card.version})", *marks])


class ModelsDialog(QDialog):
    """A list of all models, the card of the chosen one, and what can be done with it."""

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self._cards: list[ModelCard] = []
        self.setWindowTitle(tr("Models"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Models"))
        self.list.currentRowChanged.connect(self._chosen)
        self.card = QTextBrowser()
        self.card.setOpenExternalLinks(True)
        self.card.setAccessibleName(tr("What is known of this model"))
        self.say = QLabel(wordWrap=True)
        self.say.setObjectName("said")
        self.use = QPushButton(tr("Use from now on"))
        self.use.setToolTip(tr("For every new case; results that are there stay those of the model that made them"))
        self.back = QPushButton(tr("Back to the shipped model"))
        self.remove = QPushButton(tr("Remove…"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        for button, act in ((self.use, self._use), (self.back, self._back), (self.remove, self._ask_remove)):
            button.setAutoDefault(False)
            button.clicked.connect(act)
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.list)
        split.addWidget(self.card)
        split.setStretchFactor(1, 1)
        column = QVBoxLayout(self)
        column.addWidget(split, 1)
        column.addWidget(self.say)
        column.addWidget(buttons)
        self.resize(760, 600)
        split.setSizes([170, 380])
        self._fill("")

    def _fill(self, name: str) -> None:
        """Read the models anew; name: of the one to show, "" for the first."""
        self._cards = sorted(catalogue.cards(role=None), key=lambda c: (list(Task).index(c.task), c.role, c.name))
        self.list.clear()
        for card in self._cards:
            usual = "" if card.role else usual_name(self._preferences, card.task)
            item = QListWidgetItem(f"{tr(card.task.heading)}: {label_of(card, usual)}")
            font = item.font()
            font.setBold(card.name == usual)
            item.setFont(font)
            self.list.addItem(item)
        rows = [row for row, card in enumerate(self._cards) if card.name == name]
        self.list.setCurrentRow(rows[0] if rows else 0)
        self._chosen()

    def chosen(self) -> ModelCard | None:
        """The model on screen."""
        row = self.list.currentRow()
        return self._cards[row] if 0 <= row < len(self._cards) else None

    def choose(self, name: str) -> None:
        """Show the model of that name."""
        self._fill(name)

    def _chosen(self) -> None:
        card = self.chosen()
        problems = "".join(f"<p>⚠ {escape(problem)}</p>" for problem in catalogue.problems())
        shown = dialogs.card_html(card) if card is not None else f"<p>{tr('No model is installed')}.</p>"
        self.card.setHtml(f"{shown}{problems}<p><b>{tr(wording.RESEARCH)}</b></p>")
        usual = usual_name(self._preferences, card.task) if card is not None and not card.role else ""
        can_choose = card is not None and not card.role and bool(card.task.spec.model_setting)
        self.use.setEnabled(can_choose and card is not None and card.name != usual)
        self.back.setEnabled(card is not None and not card.role and bool(chosen_name(self._preferences, card.task)))
        self.remove.setEnabled(card is not None and own_models.is_own(card))

    def _use(self) -> None:
        card = self.chosen()
        if card is not None:
            use(self._preferences, card)
            self._fill(card.name)
            self.say.setText(tr("“{name}” is used from now on.", name=card.name))

    def _back(self) -> None:
        card = self.chosen()
        if card is not None:
            self._preferences.change(**{card.task.spec.model_setting: ""})
            usual = usual_name(self._preferences, card.task)
            self._fill(usual)
            self.say.setText(tr("“{name}” is used from now on.", name=usual))

    def _ask_remove(self) -> None:
        card = self.chosen()
        if card is None:
            return
        asked = QMessageBox(
            QMessageBox.Icon.Question,
            tr("Remove a model"),
            tr("Delete the model “{name}”? Its training run and all results stay.", name=card.name),
            QMessageBox.StandardButton.Cancel,
            self,
        )
        delete = asked.addButton(tr("Delete"), QMessageBox.ButtonRole.DestructiveRole)
        asked.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        asked.buttonClicked.connect(lambda button: self._remove(card) if button is delete else None)
        asked.open()

    def _remove(self, card: ModelCard) -> None:
        try:
            own_models.remove(card)
        except (CardError, OSError) as error:
            self.say.setText(tr("It cannot be removed: {error}", error=error))
            return
        if not card.role and chosen_name(self._preferences, card.task) == card.name:
            self._preferences.change(**{card.task.spec.model_setting: ""})
        self._fill("")
        self.say.setText(tr("The model “{name}” is gone.", name=card.name))


def use(preferences: Preferences, card: ModelCard) -> None:
    """Use a model wherever none is named; the shipped default is not named, so that a better one replaces it."""
    usual = catalogue.default(card.task).name
    preferences.change(**{card.task.spec.model_setting: "" if card.name == usual else card.name})
