"""What the window's actions do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QMenu

from cadviewer.findings import SPLITS, Half, Task
from cadviewer.gui.canvas.mouse import SHAPES
from cadviewer.gui.cases import wording
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.loader import small
from cadviewer.gui.cases.opener import OpenReport
from cadviewer.gui.engine.analysis import AnalysisOrder
from cadviewer.gui.i18n import language
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.shell.view_actions import ViewActions
from cadviewer.gui.shell.window_parts import WindowParts
from cadviewer.gui.widgets.notifications import Notification
from cadviewer.imaging.series import ULTRASOUND
from cadviewer.models import catalogue
from cadviewer.store.session import Answer, MeasureKind, PixelSize

HALVES = {Half.LEFT: "Left half", Half.RIGHT: "Right half"}
"""What the halves of a split screen are called, in English."""


class Commands:
    """Handlers of the actions; they call the parts of the window."""

    def __init__(self, window: WindowParts, view_actions: ViewActions) -> None:
        self._window, self._view_actions = window, view_actions

    @property
    def _case(self) -> Case | None:
        return self._window.cases.current

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        window = self._window
        decisions = window.review_controller
        return {
            "open_files": self.open_files,
            "open_folder": self.open_folder,
            "find_series": self.find_series,
            "close_series": self.close_series,
            "close_all": self.close_all,
            "open_demo": self.open_demo,
            "save": self.save,
            "annotate": window.tools.open_batch,
            "train": window.tools.open_trainer,
            "quit": window.close,
            "previous_series": lambda: self.step_series(-1),
            "next_series": lambda: self.step_series(1),
            "maximise": self.maximise,
            "escape": self.escape,
            "delete": window.drawing_controller.delete,
            "edit_text": window.drawing_controller.edit_text,
            "key_image": window.drawing_controller.toggle_key_image,
            "next_measure": lambda: self.step_measure(1),
            "previous_measure": lambda: self.step_measure(-1),
            "analyse": lambda: self.analyse(None),
            **{f"analyse_{task.value}": partial(self.analyse, task) for task in Task},
            "threshold": self.ask_threshold,
            "depends": self.toggle_score_map,
            "half_left": partial(self.analyse_half, Half.LEFT),
            "half_right": partial(self.analyse_half, Half.RIGHT),
            "half_none": partial(self.analyse_half, None),
            "spacing": self.ask_spacing,
            "cancel": self.cancel,
            "restart": self.restart,
            "next_finding": lambda: decisions.step(1),
            "previous_finding": lambda: decisions.step(-1),
            "accept": lambda: decisions.answer(Answer.ACCEPTED),
            "reject": lambda: decisions.answer(Answer.REJECTED),
            "unsure": lambda: decisions.answer(Answer.UNSURE),
            "risk": window.side.toggle_risk,
            "reveal": decisions.reveal,
            "undo": self.undo,
            "redo": decisions.redo,
            "copy": self.copy,
            "about_model": self.about_model,
            "shortcuts": self.show_shortcuts,
            "settings": window.tools.open_settings,
            "about": self.about,
        }

    def refresh(self, case: Case | None) -> None:
        """Only what can be done now can be chosen."""
        actions = self._window.actions_
        shown = case is not None and case.stack is not None
        loaded = shown and case is not None and case.stack is not None and case.stack.complete
        actions.enable(bool(loaded), "analyse", "threshold", *(f"analyse_{t.value}" for t in Task))
        actions.enable(bool(loaded and case is not None and case.task is not None), "analyse", "threshold")
        ultrasound = case is not None and case.series.modality in ULTRASOUND
        actions.enable(bool(loaded and ultrasound), "half_left", "half_right")
        actions.enable(bool(loaded and case is not None and case.half is not None), "half_none")
        actions.enable(bool(loaded and not ultrasound), f"analyse_{Task.NODULES.value}")
        actions.enable(case is not None and case.task is not Task.BREAST, "risk")
        actions.enable(bool(shown), "delete", "close_series")
        undoable = case is not None and (case.kept.can_undo or self._view_actions.can_undo_reset)
        actions.enable(bool(shown and undoable), "undo")
        actions.enable(bool(shown and case is not None and case.kept.can_redo), "redo")
        actions.enable(len(self._window.cases) > 0, "find_series", "close_all")
        actions.enable(bool(self._window.measures.rows), "next_measure", "previous_measure")
        findings = case is not None and bool(case.findings())
        breast = case is not None and case.result is not None and bool(case.result.breast)
        actions.enable(findings, "next_finding", "previous_finding")
        actions.enable(findings or breast, "accept", "reject", "unsure")
        scored = case is not None and case.result is not None and any(f.probability for f in case.result.breast)
        actions.enable(scored, "depends")
        actions.enable(bool(loaded and case is not None and case.series.geometry.pixel_spacing is None), "spacing")
        actions.enable(case is not None and case.result is not None and not case.concealed, "copy", "save")
        actions.enable(case is not None and case.running, "cancel")
        actions.enable(case is not None and case.concealed and case.task is Task.NODULES, "reveal")

    # opening -----------------------------------------------------------------------------------------------------

    def open_files(self) -> None:
        dialog = QFileDialog(self._window, tr("Open files"), self._window.preferences.now.last_folder)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self._chosen)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def open_folder(self) -> None:
        dialog = QFileDialog(self._window, tr("Open a folder"), self._window.preferences.now.last_folder)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.filesSelected.connect(self._chosen)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _chosen(self, names: list[str]) -> None:
        if names:
            self._window.preferences.change(last_folder=str(Path(names[0]).parent))
            self._window.open_paths([Path(name) for name in names])

    def open_demo(self) -> None:
        self._window.opener.open_made(demo_study)

    def fill_recent(self) -> None:
        menu = self._window.recent_menu
        menu.clear()
        for name in self._window.preferences.now.recent[:12]:
            menu.addAction(name).triggered.connect(lambda _=False, name=name: self._window.open_paths([Path(name)]))
        if not self._window.preferences.now.recent:
            menu.addAction(tr("Nothing yet")).setEnabled(False)

    def report(self, report: OpenReport) -> None:
        """Say what a request to open did not open."""
        notices = self._window.workspace.notifications
        details = ((tr("Details"), lambda: self._window.show_text(report)),) if report.rejected else ()
        only_path = report.paths[0] if len(report.paths) == 1 else None
        name = (only_path.name or str(only_path)) if only_path is not None else tr("{n} items", n=len(report.paths))
        if report.problem:
            notices.say(
                Notification(
                    "refused", tr("{name} could not be opened: {problem}", name=name, problem=report.problem), details
                )
            )
        elif len(report.refused) == 1:
            (only,) = report.refused
            notices.say(
                Notification(
                    "refused",
                    tr("{name} could not be opened: {reason}", name=only.source.name, reason=only.reason),
                    details,
                )
            )
        elif report.refused:
            first = report.refused[0]
            text = tr(
                "{n} files could not be opened; {name}: {reason}",
                n=len(report.refused),
                name=first.source.name,
                reason=first.reason,
            )
            notices.say(Notification("refused", text, details))
        elif not report.series:
            reason = report.rejected[0].reason if len(report.rejected) == 1 else tr("there is no image in it")
            notices.say(
                Notification("refused", tr("{name} could not be opened: {reason}", name=name, reason=reason), details)
            )
        else:
            notices.dismiss("refused")

    def step_series(self, by: int) -> None:
        case = self._window.studies.rows.neighbour(by)
        if case is not None:
            self._window.opener.open_case(case)

    def close_series(self) -> None:
        """Take the open series out of the list."""
        if self._window.cases.current is not None:
            self.close_cases((self._window.cases.current,))

    def close_all(self) -> None:
        """Empty the list."""
        self.close_cases(tuple(self._window.cases))

    def close_cases(self, gone: Sequence[Case]) -> None:
        """Take series out of the list: what runs for them ends, what was decided on them stays in the journal."""
        window = self._window
        if window.cases.beside in gone:
            self._view_actions.leave_comparison()
        for case in gone:
            window.analysis.leave(case)
        listed = window.studies.rows.listed()
        at = listed.index(window.cases.current) if window.cases.current in listed else 0
        after = next((c for c in listed[at:] + listed[:at][::-1] if c not in gone), None)
        window.opener.close(gone, after)
        window.studies.refresh(window.cases.current)
        window.status.say(language.count(len(gone), "{n} series closed", "{n} series are closed"))

    def open_first_listed(self) -> None:
        """What the reader typed is the name of this one."""
        listed = self._window.studies.rows.listed()
        if self._window.search.text() and listed:
            wanted = [case for case in listed if case is not self._window.cases.current] or listed
            self._window.opener.open_case(wanted[0])

    def find_series(self) -> None:
        """Type what a series, a study or a patient is called."""
        if self._window.left.isHidden():
            self.maximise()
        self._window.search.setFocus()
        self._window.search.selectAll()

    def step_measure(self, by: int) -> None:
        """Go to the next thing that the reader drew or marked."""
        row = self._window.measures.neighbour(by)
        if row is not None:
            self._window.drawing_controller.go_to(row)
            self._window.status.say(f"{row.title} · {row.place}")

    def picture_of(self, case: Case) -> None:
        """The thumbnail of a case that is read anyway."""
        assert case.stack is not None
        frame = case.stack.frame(len(case.stack) // 2)
        if frame is not None:
            self._window.studies.rows.add_picture(case.case_id, small(frame), case.series)

    # looking -----------------------------------------------------------------------------------------------------

    def maximise(self) -> None:
        """The image alone, or with its sides again."""
        window = self._window
        alone = window.left.isVisible()
        window.left.setVisible(not alone)
        window.side.setVisible(not alone)

    def escape(self) -> None:
        """Give up what is drawn; else put the tool back, else end what runs, else the selection, else the view."""
        window = self._window
        if not (
            window.workspace.cancel()
            or self._view_actions.tool_back()
            or self.cancel()
            or window.review_controller.unselect()
        ):
            self._view_actions.reset()
            self.refresh(self._case)

    def undo(self) -> None:
        """Take back the reset of a view where that was the last thing done to it, else the last answer or drawing."""
        if self._view_actions.undo_reset():
            self.refresh(self._case)
        else:
            self._window.review_controller.undo()

    def context_menu(self) -> QMenu:
        """The menu of a right click on the image."""
        actions = self._window.actions_
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in ("tool_select", "tool_window", "tool_scroll", "tool_pan", "tool_zoom", "tool_finding"):
            menu.addAction(actions[name])
        measure = menu.addMenu(tr("Measure and point"))
        for tool in SHAPES:
            measure.addAction(actions[f"tool_{tool.value}"])
        menu.addSeparator()
        menu.addMenu(self._window.preset_menu)
        for name in ("fit", "invert", "marks", "cine", "slab"):
            menu.addAction(actions[name])
        menu.addMenu(self._window.slab_menu)
        menu.addSeparator()
        for name in ("plane_acquired", "plane_axial", "plane_coronal", "plane_sagittal"):
            menu.addAction(actions[name])
        menu.addMenu(self._window.compare_menu)
        menu.addSeparator()
        for name in ("accept", "reject", "unsure", "copy", "delete"):
            menu.addAction(actions[name])
        return menu

    # analysing ---------------------------------------------------------------------------------------------------

    def analyse(self, task: Task | None, model: str | None = None, threshold: float | None = None) -> None:
        """Analyse the open case, for its own task if none is given."""
        case = self._case
        half = case.half if case is not None and task in (None, case.task) else None
        task = task or (case.task if case is not None else None)
        if case is not None and task is not None:
            self._window.analysis.run(case, AnalysisOrder(task, model, threshold, half))

    def analyse_half(self, half: Half | None) -> None:
        """One of two images side by side on an ultrasound machine's split screen, or all of the image again."""
        case = self._case
        if case is not None:
            usual = self._window.analysis.usual(Task.BREAST)
            self._window.analysis.run(case, replace(usual, model=case.model or usual.model, half=half))

    def ask_task(self, case: Case) -> None:
        """Nobody can tell what this is: ask, and guess nothing."""
        notices = self._window.workspace.notifications
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

    def fill_models(self) -> None:
        """The menu of models: analyse with one of them; the one that is used where none is named has a tick."""
        from cadviewer.gui.settings.models_dialog import label_of, usual_name

        menu = self._window.model_menu
        menu.clear()
        cards = catalogue.cards()
        for card in cards:
            usual = usual_name(self._window.preferences, card.task)
            action = menu.addAction(label_of(card, usual))
            action.setCheckable(True)
            action.setChecked(card.name == usual)
            action.triggered.connect(lambda _=False, card=card: self.analyse(card.task, card.name))
        if not cards:
            menu.addAction(tr("No model is installed")).setEnabled(False)
        menu.addSeparator()
        menu.addAction(tr("Models…")).triggered.connect(self.about_model)

    def ask_threshold(self) -> None:
        case = self._case
        if case is None:
            return
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle(tr("Analyse with another threshold"))
        dialog.setLabelText(tr("Findings scored lower are candidates only (0 to 1):"))
        dialog.setInputMode(QInputDialog.InputMode.DoubleInput)
        dialog.setDoubleRange(0.0, 1.0)
        dialog.setDoubleDecimals(2)
        dialog.setDoubleStep(0.05)
        dialog.setDoubleValue(case.cut or 0.5)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.doubleValueSelected.connect(lambda value: self.analyse(None, case.model or None, value))
        dialog.open()

    def toggle_score_map(self) -> None:
        """Show what the score of the frame on screen depends on, or hide it."""
        if self._case is not None:
            self._window.score_map.toggle(self._case, self._window.workspace.viewport.index)

    def set_score_map_opacity(self, opacity: float) -> None:
        """How strongly that is coloured, 0…1."""
        self._window.workspace.score_map.opacity = opacity
        self._window.workspace.viewport.update()

    def ask_spacing(self) -> None:
        """How large a pixel is, for an image whose file does not say: by the selected length, else in mm per pixel."""
        case = self._case
        if case is None or case.stack is None or case.series.geometry.pixel_spacing is not None:
            return
        pixels = self._selected_length()
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle(tr("Size of a pixel"))
        dialog.setInputMode(QInputDialog.InputMode.DoubleInput)
        if pixels is not None:
            dialog.setLabelText(
                tr("How many millimetres long is the selected length ({pixels:.1f} pixels)?", pixels=pixels)
            )
            dialog.setDoubleRange(0.1, 1000)
            dialog.setDoubleDecimals(1)
            dialog.setDoubleValue(10)
        else:
            dialog.setLabelText(
                tr(
                    "Millimetres per pixel, 0 where nobody knows. Or draw a length on the depth scale with the "
                    "distance tool first: then its length in millimetres is asked for."
                )
            )
            dialog.setDoubleRange(0, 10)
            dialog.setDoubleDecimals(4)
            dialog.setDoubleValue(case.spacing_mm or 0.1)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.doubleValueSelected.connect(lambda mm: self.set_spacing(case, mm, pixels))
        dialog.open()

    def _selected_length(self) -> float | None:
        """The selected distance in pixels; None where none is, or it is next to nothing."""
        shape = self._window.workspace.drawings.selected_shape()
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
        self._window.review_controller.enter_pixel_size(entered)

    def cancel(self) -> bool:
        """End what runs: the reading first, then the analysis. False when nothing runs."""
        return self._window.opener.cancel() or self._window.analysis.cancel()

    def restart(self) -> None:
        """For a kernel that no longer answers."""
        self._window.engine.kill()
        self._window.status.say(tr("The engine is being restarted"))

    def copy(self) -> None:
        if self._case is not None and self._case.result is not None:
            QApplication.clipboard().setText(wording.as_text(self._case))
            self._window.status.say(tr("Findings copied as text"))

    def save(self) -> None:
        if self._case is not None:
            self._window.saving.ask(self._case, self._window.preferences.now.last_folder)

    # helping -----------------------------------------------------------------------------------------------------

    def about_model(self) -> None:
        from cadviewer.gui.settings.models_dialog import ModelsDialog

        ModelsDialog(self._window.preferences, self._window).open()

    def show_shortcuts(self) -> None:
        from cadviewer.gui.help import dialogs

        preferences = self._window.preferences
        dialogs.shortcuts(self._window, self._window.actions_.keys, preferences.now, preferences.presets).open()

    def about(self) -> None:
        from cadviewer.gui.help import dialogs

        dialogs.about(self._window).open()


def demo_study() -> tuple[Path, ...]:
    """The built-in demo study in the user's data folder, the CT first, made if it is not there yet. Takes seconds."""
    from cadviewer import paths
    from cadviewer.phantoms import files as phantom_files

    folder = paths.user_data() / "demo"
    if not (folder / "truth.json").is_file():
        phantom_files.write_demo_study(folder)
    return tuple(sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: ("ct" not in p.name, p.name)))
