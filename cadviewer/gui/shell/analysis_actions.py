"""Analysing the open case: with which task, model, threshold, half or pixel size, and ending what runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from cadviewer.findings import SPLITS, Half, Task
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.opener import Opener
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.engine.analysis import Analysis, AnalysisOrder
from cadviewer.gui.engine.bridge import EngineLike
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.review.review_controller import ReviewController
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.actions import Actions
from cadviewer.gui.widgets.notifications import Notification
from cadviewer.imaging.series import ULTRASOUND
from cadviewer.models import catalogue
from cadviewer.store.session import MeasureKind, PixelSize

HALVES = {Half.LEFT: "Left half", Half.RIGHT: "Right half"}
"""What the halves of a split screen are called, in English."""


class AnalysisActions:
    """Handlers of the actions that ask the engine for something, or end it.

    window: parent of the dialogs. opener: reading ends before an analysis does. say: shows one line below the images.
    """

    actions: Actions

    def __init__(
        self,
        window: QWidget,
        cases: Cases,
        analysis: Analysis,
        opener: Opener,
        engine: EngineLike,
        workspace: Workspace,
        review: ReviewController,
        preferences: Preferences,
        say: Callable[[str], None],
    ) -> None:
        self._window, self._cases, self._analysis, self._opener = window, cases, analysis, opener
        self._engine, self._workspace, self._review = engine, workspace, review
        self._preferences, self._say = preferences, say
        analysis.usual = self._usual

    @property
    def _case(self) -> Case | None:
        return self._cases.current

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        return {
            "analyse": lambda: self.analyse(None),
            **{f"analyse_{task.value}": partial(self.analyse, task) for task in Task},
            "threshold": self.ask_threshold,
            "half_left": partial(self.analyse_half, Half.LEFT),
            "half_right": partial(self.analyse_half, Half.RIGHT),
            "half_none": partial(self.analyse_half, None),
            "spacing": self.ask_spacing,
            "cancel": self.cancel,
            "restart": self.restart,
            "about_model": self.show_models,
        }

    def refresh(self, case: Case | None) -> None:
        """Only what can be done now can be chosen; what cannot be told of the image is asked."""
        enable = self.actions.enable
        loaded = case is not None and case.stack is not None and case.stack.complete
        enable(loaded, *(f"analyse_{t.value}" for t in Task))
        enable(loaded and case is not None and case.task is not None, "analyse", "threshold")
        ultrasound = case is not None and case.series.modality in ULTRASOUND
        enable(loaded and ultrasound, "half_left", "half_right")
        enable(loaded and case is not None and case.half is not None, "half_none")
        enable(loaded and not ultrasound, f"analyse_{Task.NODULES.value}")
        enable(loaded and case is not None and case.series.geometry.pixel_spacing is None, "spacing")
        enable(case is not None and case.running, "cancel")

    def _usual(self, task: Task) -> AnalysisOrder:
        """The model and the threshold that the settings name for a task."""
        spec, settings = task.spec, self._preferences.now
        return AnalysisOrder(
            task,
            (getattr(settings, spec.model_setting) or None) if spec.model_setting else None,
            getattr(settings, spec.threshold_setting) if spec.threshold_setting else None,
        )

    def analyse(self, task: Task | None, model: str | None = None, threshold: float | None = None) -> None:
        """Analyse the open case, for its own task if none is given."""
        case = self._case
        half = case.half if case is not None and task in (None, case.task) else None
        task = task or (case.task if case is not None else None)
        if case is not None and task is not None:
            self._analysis.run(case, AnalysisOrder(task, model, threshold, half))

    def analyse_half(self, half: Half | None) -> None:
        """One of two images side by side on an ultrasound machine's split screen, or all of the image again."""
        case = self._case
        if case is not None:
            usual = self._analysis.usual(Task.BREAST)
            self._analysis.run(case, replace(usual, model=case.model or usual.model, half=half))

    def ask_task(self, case: Case) -> None:
        """Nobody can tell what this is: ask, and guess nothing."""
        notices = self._workspace.notifications
        if case.out_of_scope and case.reason in SPLITS and not case.running:
            if "half" not in notices.topics():
                answers = tuple((tr(text), lambda half=half: self.analyse_half(half)) for half, text in HALVES.items())
                notices.say(Notification("half", tr("Two images side by side. Analyse one of them:"), answers))
        else:
            notices.dismiss("half")
        if case.task is not None or not case.question or case.out_of_scope or case.running or case.result is not None:
            notices.dismiss("task")
        elif "task" not in notices.topics():
            answers = tuple((task.image, lambda task=task: self.analyse(task)) for task in Task)
            notices.say(Notification("task", tr("It is not clear what this image shows. Analyse as:"), answers))

    def fill_models(self, menu: QMenu) -> None:
        """The menu of models: analyse with one of them; the one that is used where none is named has a tick."""
        from cadviewer.gui.settings.models_dialog import label_of, usual_name

        menu.clear()
        cards = catalogue.cards()
        for card in cards:
            usual = usual_name(self._preferences, card.task)
            action = menu.addAction(label_of(card, usual))
            action.setCheckable(True)
            action.setChecked(card.name == usual)
            action.triggered.connect(lambda _=False, card=card: self.analyse(card.task, card.name))
        if not cards:
            menu.addAction(tr("No model is installed")).setEnabled(False)
        menu.addSeparator()
        menu.addAction(tr("Models…")).triggered.connect(self.show_models)

    def show_models(self) -> None:
        """What models there are, and what is known of them."""
        from cadviewer.gui.settings.models_dialog import ModelsDialog

        ModelsDialog(self._preferences, self._window).open()

    def ask_threshold(self) -> None:
        """Ask for another threshold, and analyse with it."""
        case = self._case
        if case is None:
            return
        dialog = self._number_dialog(tr("Analyse with another threshold"), 0.0, 1.0, 2)
        dialog.setLabelText(tr("Findings scored lower are candidates only (0 to 1):"))
        dialog.setDoubleStep(0.05)
        dialog.setDoubleValue(case.cut or 0.5)
        dialog.doubleValueSelected.connect(lambda value: self.analyse(None, case.model or None, value))
        dialog.open()

    def ask_spacing(self) -> None:
        """How large a pixel is, for an image whose file does not say: by the selected length, else in mm per pixel."""
        case = self._case
        if case is None or case.stack is None or case.series.geometry.pixel_spacing is not None:
            return
        pixels = self._selected_length()
        if pixels is not None:
            dialog = self._number_dialog(tr("Size of a pixel"), 0.1, 1000, 1)
            dialog.setLabelText(
                tr("How many millimetres long is the selected length ({pixels:.1f} pixels)?", pixels=pixels)
            )
            dialog.setDoubleValue(10)
        else:
            dialog = self._number_dialog(tr("Size of a pixel"), 0, 10, 4)
            dialog.setLabelText(
                tr(
                    "Millimetres per pixel, 0 where nobody knows. Or draw a length on the depth scale with the "
                    "distance tool first: then its length in millimetres is asked for."
                )
            )
            dialog.setDoubleValue(case.spacing_mm or 0.1)
        dialog.doubleValueSelected.connect(lambda mm: self.set_spacing(case, mm, pixels))
        dialog.open()

    def _number_dialog(self, title: str, low: float, high: float, decimals: int) -> QInputDialog:
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle(title)
        dialog.setInputMode(QInputDialog.InputMode.DoubleInput)
        dialog.setDoubleRange(low, high)
        dialog.setDoubleDecimals(decimals)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return dialog

    def _selected_length(self) -> float | None:
        """The selected distance in pixels; None where none is, or it is next to nothing."""
        shape = self._workspace.drawings.selected_shape()
        if shape is None or shape.kind is not MeasureKind.DISTANCE:
            return None
        (_, x0, y0), (_, x1, y1) = shape.points
        pixels = math.hypot(x1 - x0, y1 - y0)
        return pixels if pixels >= 1 else None

    def set_spacing(self, case: Case, mm: float, pixels: float | None = None) -> None:
        """The reader says how large a pixel is (0: not known), or how long a length of so many pixels is.

        It goes to the journal; once it is there, lengths get millimetres and the case is analysed again with them.
        """
        if case is not self._case:
            return
        entered = PixelSize(mm if mm > 0 else None) if pixels is None else PixelSize(mm / pixels, pixels, mm)
        self._review.enter_pixel_size(entered)

    def cancel(self) -> bool:
        """End what runs: the reading first, then the analysis. False when nothing runs."""
        return self._opener.cancel() or self._analysis.cancel()

    def restart(self) -> None:
        """For a kernel that no longer answers."""
        self._engine.kill()
        self._say(tr("The engine is being restarted"))
