"""The middle of the window: notices and the views of a case. It shows a case; it decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QPointF, Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from cadviewer.findings import Nodule, Task, resolve
from cadviewer.gui.breast.score_map import ScoreMapLayer
from cadviewer.gui.canvas.drawings import Drawings
from cadviewer.gui.canvas.handles import AllHandles
from cadviewer.gui.canvas.overlay_text import CornerText
from cadviewer.gui.canvas.plane_intersections import home
from cadviewer.gui.canvas.shapes import Drawing, on_plane, seen
from cadviewer.gui.canvas.slice_scrollbar import SliceScrollbar, Stretch
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.text_entry import TextLine
from cadviewer.gui.canvas.viewport import Layer, OverlayMode, Viewport
from cadviewer.gui.cases.annotation_files import AnnotationFile, Laid
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.nodules.boxes import LOOKS, planes_of
from cadviewer.gui.nodules.editing import BoxEditing
from cadviewer.gui.viewing.annotation_layer import AnnotationLayer
from cadviewer.gui.viewing.grid.grid import Grid
from cadviewer.gui.viewing.grid.layout import Layout
from cadviewer.gui.viewing.grid.pane import Pane
from cadviewer.gui.viewing.key_image_layer import KeyImageLayer
from cadviewer.gui.viewing.welcome import Welcome
from cadviewer.gui.widgets.notifications import Notification, Notifications
from cadviewer.imaging.planes import Plane
from cadviewer.imaging.series import ULTRASOUND, Shape
from cadviewer.imaging.windowing import default_window
from cadviewer.store.session import Answer


class TaskLayer(Layer, Protocol):
    """What a task draws over the image (`findings.TaskSpec.layer`); made without arguments."""

    case: Case | None
    """The one on screen; of another task's results nothing is drawn."""


class Workspace(QWidget):
    """Signals: finding_clicked(number); index_changed(slice). What is drawn is told by `drawings` and `editing`."""

    finding_clicked = Signal(int)
    index_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.case: Case | None = None
        self.notifications = Notifications()
        self.grid = Grid()
        self.score_map = ScoreMapLayer()
        self.task_layers: list[TaskLayer] = [resolve(task.spec.layer)() for task in Task if task.spec.layer]
        self.drawings = Drawings(self)
        self.editing = BoxEditing(self)
        self.key_mark = KeyImageLayer()
        self.annotations = AnnotationLayer()
        self.drawings.repaint.connect(self._repaint)
        self.editing.repaint.connect(self._repaint)
        self.drawings.wanted_text.connect(self._write)
        self.grid.own_layers = self._layers
        self.grid.scrolled.connect(self.index_changed)
        self.grid.clicked.connect(self._clicked)
        self.grid.layout_changed.connect(self._arranged)
        self.welcome = Welcome()
        self.first_start = False
        self._arrange()

    def _arranged(self) -> None:
        """What was said of a comparison ends with it."""
        if self.grid.layout_now is not Layout.PAIR:
            self.notifications.dismiss("patients", "link")
        self.refresh()

    def say_welcome(self) -> None:
        """What is said where nothing is open, with the keys and colours as they are now."""
        self.welcome.say(first=self.first_start)

    def _arrange(self) -> None:
        self.pages = QStackedWidget()
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(self.grid)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.notifications)
        column.addWidget(self.pages, 1)

    @property
    def viewport(self) -> Viewport:
        """The first view: findings are shown in it, and lengths."""
        return self.grid.panes[0].viewport

    @property
    def active(self) -> Viewport:
        """The view that keys act on."""
        return self.grid.active.viewport

    @property
    def scrollbar(self) -> SliceScrollbar:
        """Beside the first view."""
        return self.grid.panes[0].scrollbar

    @property
    def corners(self) -> CornerText:
        """Over the first view."""
        return self.grid.panes[0].corners

    def _layers(self, pane: Pane) -> list[Layer]:
        pane.viewport.mouse.handles = AllHandles(self.drawings, self.editing)
        marks: list[Layer] = [self.score_map, *self.task_layers, self.annotations, pane.boxes]
        return [*marks, self.editing, self.drawings, self.key_mark]

    def show_case(self, case: Case | None) -> None:
        """Put another case on screen, where the reader left it."""
        self._leave()
        self.case = self.editing.case = self.key_mark.case = self.annotations.case = case
        for layer in self.task_layers:
            layer.case = case
        self.drawings.pixels = case.stack.pixels if case is not None and case.stack is not None else None
        self.editing.drop_draft()
        self.notifications.dismiss("volume", "input", "task", "half", "lungs", "planes", "patients", "link")
        if case is None or case.stack is None:
            self.grid.show_case(None)
            self.pages.setCurrentIndex(0)
            return
        self.pages.setCurrentIndex(1)
        case.stack.given_mm = case.spacing_mm
        self.drawings.drop_drafts()
        self.drawings.show(case.shapes)
        first = len(case.stack) // 2 if case.index is None else case.index
        window = default_window(case.series, case.stack.frame(first), first)
        self.grid.show_case(case, window, first)
        if case.view is not None:
            self.viewport.restore(case.view, case.index or 0)
        self._say_what_is_wrong(case)
        self.refresh()

    def _leave(self) -> None:
        if self.case is not None and self.viewport.stack is not None and self.viewport.stack is self.case.stack:
            self.case.view, self.case.index = self.viewport.view, self.viewport.index

    def _say_what_is_wrong(self, case: Case) -> None:
        series = case.series
        if series.shape is Shape.STACK and series.not_volume and series.modality not in ULTRASOUND:
            self.notifications.say(
                Notification(
                    "volume",
                    tr("Not a volume: {not_volume}. Shown as a stack of images.", not_volume=series.not_volume),
                )
            )
        if series.warnings:
            self.notifications.say(Notification("input", "  ".join(map(translate, series.warnings))))

    def say_again(self) -> None:
        """The pixels are all there: the reader of the file may know more now."""
        if self.case is not None:
            self._say_what_is_wrong(self.case)

    def pixels_arrived(self) -> None:
        self.grid.pixels_arrived()

    def refresh(self) -> None:
        """The findings or the decisions of the case are others."""
        if self.case is None:
            return
        findings = list(reversed(self.case.findings()))
        for pane in self.grid.shown:
            stack = pane.viewport.stack
            if pane.own and stack is not None and pane.case is self.case:
                pane.scrollbar.show_findings([s for n in findings if (s := stretch(self.case, n, stack)) is not None])
                pane.scrollbar.show_marked(marked(self.case, stack))
            pane.viewport.update()

    def show_kept(self) -> None:
        """The journal has something new."""
        if self.case is not None:
            if self.case.stack is not None:
                self.case.stack.given_mm = self.case.spacing_mm
            self.drawings.show(self.case.shapes)
            self.refresh()

    def show_unsaved(self, shapes: tuple[Drawing, ...]) -> None:
        """What was drawn could not be kept so far: it stays on screen, dotted."""
        self.drawings.show_unsaved(shapes)
        self.refresh()

    def cancel(self) -> bool:
        """Give up what is being drawn in a view; False when nothing is."""
        cancelled = [pane.viewport.mouse.cancel() for pane in self.grid.panes]
        return any(cancelled)

    def _repaint(self) -> None:
        for pane in self.grid.shown:
            pane.viewport.update()

    def _write(self, viewport: Viewport, shape: Drawing, new: bool) -> None:
        """Have the text of an arrow or a text typed where it will be."""
        assert viewport.stack is not None
        _, at = seen(viewport.stack, shape.points[-1])
        TextLine(
            viewport,
            viewport.to_screen(*at),
            shape.text,
            lambda text: self.drawings.written(viewport, shape, text, new),
        )

    def write_again(self) -> bool:
        """Change the text of the selected arrow or text, or name the selected measure; False when none is selected."""
        shape = self.drawings.selected_shape()
        if shape is None:
            return False
        self.go_to_shape(shape)
        for pane in self.grid.shown:
            viewport = pane.viewport
            if pane.own and viewport.stack is not None and on_plane(shape, viewport.stack, viewport.index) is not None:
                self._write(viewport, shape, False)
                return True
        return False

    def go_to_finding(self, number: int) -> None:
        """Show the best image of a finding, with it in sight."""
        nodule = self.case.finding(number) if self.case is not None else None
        if self.case is None or nodule is None:
            return
        geometry, main = self.case.series.geometry, self.viewport
        self.active.stop_cine()
        if main.stack is self.case.stack:
            main.go_to(nodule.box.slice)
            main.centre_on(*nodule.box.centre)
            main.update()
        if geometry.placed:
            x, y = nodule.box.centre
            self.grid.show_point(geometry.to_patient((nodule.box.slice, y - 0.5, x - 0.5)), centre=True)

    def go_to_shape(self, shape: Drawing) -> None:
        """Show a shape in a view of the plane that it was drawn on, and select it."""
        found = home(shape, self.case.stack) if self.case is not None and self.case.stack is not None else None
        if self.case is None or found is None:
            return
        stack, index = found
        panes = [p for p in self.grid.shown if p.own and p.viewport.stack is not None and p.case is self.case]
        pane = next((p for p in panes if p.viewport.stack is not None and p.viewport.stack.plane is stack.plane), None)
        if pane is None:  # none shows such planes: the active view does from now on
            self.grid.use(self.grid.active if self.grid.active in panes else panes[0])
            self.grid.set_plane(stack.plane)
            pane = self.grid.active
        if pane.viewport.marks is not OverlayMode.ALL:
            self.grid.set_marks(OverlayMode.ALL)
        self.grid.set_measures(True)
        pane.viewport.stop_cine()
        flat = on_plane(shape, stack, index)
        assert flat is not None
        x, y = (sum(p[k] for p in flat) / len(flat) for k in (0, 1))
        pane.viewport.go_to(index)
        pane.viewport.centre_on(x, y)
        if stack.geometry.placed:
            self.grid.show_point(stack.geometry.to_patient((index, y - 0.5, x - 0.5)), centre=True)
        self.drawings.select(shape.key)

    def show_annotations(self, files: Sequence[AnnotationFile]) -> None:
        """What lies over the open case from other files."""
        self.annotations.files = files
        self._repaint()

    def go_to_annotation(self, laid: Laid) -> None:
        """Show the middle one of the images that an annotation is on, with it in sight."""
        slices = sorted({p.index for p in laid.placed})
        if not slices:
            return
        index = slices[len(slices) // 2]
        self.annotations.selected = laid
        self.active.stop_cine()
        self.go_to_image(index)
        self.grid.set_measures(True)
        if self.viewport.marks is not OverlayMode.ALL:
            self.grid.set_marks(OverlayMode.ALL)
        x, y = next(p.points.mean(axis=0).tolist() for p in laid.placed if p.index == index)
        self.viewport.centre_on(x, y)
        self._repaint()

    def go_to_image(self, index: int) -> None:
        """Show an acquired image in the first view."""
        if self.case is not None and self.viewport.stack is not self.case.stack:
            self.grid.use(self.grid.panes[0])
            self.grid.set_plane(Plane.ACQUIRED)
        self.viewport.go_to(index)

    def _clicked(self, pane: Pane, at: QPointF) -> None:
        number = pane.boxes.at(pane.viewport, at) if pane.own else None
        if number is not None:
            self.finding_clicked.emit(number)


def stretch(case: Case, nodule: Nodule, stack: Stack) -> Stretch | None:
    """Where a finding lies beside the planes of a stack; None where that cannot be told."""
    reach = planes_of(nodule, stack)
    if reach is None:
        return None
    answer = case.answer(nodule)
    return Stretch(*reach, LOOKS[answer][0], selected=nodule.number == case.selected, hollow=answer is Answer.REJECTED)


def marked(case: Case, stack: Stack) -> frozenset[int]:
    """Planes of a stack that something was drawn on, and of the acquired ones the key images."""
    homes = [home(shape, stack) for shape in case.shapes]
    drawn = {found[1] for found in homes if found is not None and found[0].plane is stack.plane}
    return frozenset(drawn | (case.key_images if stack.plane is Plane.ACQUIRED else frozenset()))
