"""One to four views and the point of the patient that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QPoint, QPointF, Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from cadviewer.gui.canvas.resampler import Resampler
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.view import ViewState
from cadviewer.gui.canvas.viewport import FindingMarks, Layer, OverlayMode, Viewport
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.viewing.grid.layout import MIP, PLACES, Content, Layout, contents
from cadviewer.gui.viewing.grid.linking import Link, Point, link, realign, unlinked
from cadviewer.gui.viewing.grid.pane import Pane
from cadviewer.gui.widgets.shortcuts import hint
from cadviewer.imaging.planes import Plane, why_not
from cadviewer.imaging.series import Window
from cadviewer.imaging.windowing import default_window
from cadviewer.store.reporting.phrases import date


class Grid(QWidget):
    """The views of a case, and of a second one beside it.

    wanted: the layout that was asked for; `layout_now` is simpler where the case cannot have it. equip: sets up each
    new viewport as the settings say. own_layers: the marks of the open case for one of its views, lowest first.
    registered: how two cases are linked that were registered, None for others.

    Signals: layout_changed(): another one is on screen; crosshair_changed(): on or off; clicked(Pane, QPointF): on
    nothing that takes hold; maximise_asked(): the only view is to be alone in the window; menu_asked(global QPoint);
    scrolled(index): the first view shows that image.
    """

    layout_changed = Signal()
    crosshair_changed = Signal()
    clicked = Signal(object, QPointF)
    maximise_asked = Signal()
    menu_asked = Signal(QPoint)
    scrolled = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.panes: list[Pane] = []
        self.case: Case | None = None
        self.beside: Case | None = None
        self.wanted = Layout.ONE
        self.slab = MIP  # of the fourth view
        self.point: Point | None = None  # LPS mm
        self.link = unlinked()
        self.equip: Callable[[Viewport], None] = lambda viewport: None
        self.registered: Callable[[Case, Case], Link | None] = lambda first, second: None
        self.own_layers: Callable[[Pane], list[Layer]] = lambda pane: [pane.boxes]
        self._resampler = Resampler(self)
        self._cross = {True: True, False: False}  # by whether the layout shows planes of one volume
        self._following = False
        self._alone: Pane | None = None
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(3)
        self.active = self._pane(0)
        self._arrange()

    # the views ---------------------------------------------------------------------------------------------------

    def _pane(self, number: int) -> Pane:
        """The view of that number, made when it is first needed."""
        while len(self.panes) <= number:
            pane = Pane()
            self.panes.append(pane)
            viewport = pane.viewport
            viewport.renderer.resampler = self._resampler
            if len(self.panes) > 1:
                viewport.setMinimumSize(140, 120)
                first = self.panes[0].viewport
                viewport.marks, viewport.findings, viewport.measures = first.marks, first.findings, first.measures
                viewport.interpolate = self.panes[0].viewport.interpolate
            viewport.index_changed.connect(partial(self._scrolled, pane))
            viewport.view_changed.connect(partial(self._windowed, pane))
            viewport.pointed.connect(partial(self._pointed, pane))
            viewport.used.connect(partial(self.use, pane))
            viewport.clicked.connect(partial(self.clicked.emit, pane))
            viewport.maximise_asked.connect(partial(self._maximise, pane))
            viewport.menu_asked.connect(self.menu_asked)
            self.equip(viewport)
        return self.panes[number]

    @property
    def layout_now(self) -> Layout:
        """What is on screen: a case that is no volume has no planes, and nothing beside it is no pair."""
        if self.case is None or (self.wanted.planes and why_not(self.case.series)):
            return Layout.ONE
        if self.wanted is Layout.PAIR and (self.beside is None or self.beside.stack is None):
            return Layout.ONE
        return self.wanted

    @property
    def shown(self) -> list[Pane]:
        """The views of the layout, in its order; all but one may be hidden for the moment."""
        return [self._pane(k) for k in range(len(PLACES[self.layout_now]))]

    @property
    def sharp(self) -> bool:
        """Whether no view shows a quick plane for the moment."""
        return all(pane.viewport.renderer.sharp for pane in self.shown)

    def shut(self) -> None:
        """End the thread that makes planes."""
        self._resampler.close()

    def use(self, pane: Pane) -> None:
        """Keys act on this view from now on."""
        self.active = pane
        several = len(self.shown) > 1 and self._alone is None
        for each in self.panes:
            each.set_active(several and each is pane)

    def _arrange(self) -> None:
        """Put the views of the layout where it wants them."""
        shown = self.shown
        if self._alone not in shown or len(shown) == 1:
            self._alone = None
        while self._grid.count():
            self._grid.takeAt(0)
        for k in range(3):
            self._grid.setColumnStretch(k, 0)
            self._grid.setRowStretch(k, 0)
        for pane, place in zip(shown, PLACES[self.layout_now], strict=True):
            self._grid.addWidget(pane, place.row, place.column, place.rows, place.columns)
            for k in range(place.columns):
                self._grid.setColumnStretch(place.column + k, 1)
            for k in range(place.rows):
                self._grid.setRowStretch(place.row + k, 1)
        for pane in self.panes:
            pane.set_framed(len(shown) > 1)
            pane.setVisible(pane in shown and self._alone in (None, pane))
        self.use(self.active if self.active in shown else shown[0])

    def _maximise(self, pane: Pane) -> None:
        """One view of several alone, or all again; the only view may be alone in the window."""
        if len(self.shown) == 1:
            self.maximise_asked.emit()
            return
        self._alone = pane if self._alone is None else None
        self._arrange()

    # what they show ----------------------------------------------------------------------------------------------

    def show_case(self, case: Case | None, window: Window | None = None, index: int = 0) -> None:
        """Show another case in the layout that is wanted, at a slice; None shows nothing."""
        if case is not self.case:
            # Another case was not what the second one was chosen for: it may be another patient's
            self.beside = None
            self.wanted = Layout.ONE if self.wanted is Layout.PAIR else self.wanted
        self.case = case
        self.point = None
        main = self.panes[0]
        self._following = True
        if case is None or case.stack is None or window is None:
            for pane in self.panes:
                pane.clear()
        else:
            main.show_stack(case, case.stack, window, index, own=True, layers=self.own_layers(main))
        self._following = False
        self.fill()

    def fill(self) -> None:
        """Fill the views beside the first one as the layout says, and link them."""
        self._arrange()
        case, main = self.case, self.panes[0].viewport
        if case is not None and case.stack is not None and main.view is not None:
            self._following = True
            layout = self.layout_now
            if main.stack is not case.stack and layout is not Layout.ONE:
                self._show_in(self.panes[0], Content())
            if layout.planes:
                for pane, content in list(
                    zip(self.shown, contents(case.series.geometry, layout, self.slab), strict=True)
                )[1:]:
                    self._show_in(pane, content)
            elif layout is Layout.PAIR:
                self._show_beside()
            self._following = False
        for pane in self.panes[len(self.shown) :]:
            pane.clear()
        self.panes[0].set_head((date(case.series.study_date),) if case and self.layout_now is Layout.PAIR else ())
        if self.layout_now is not Layout.PAIR:
            for pane in self.panes[1:]:
                pane.set_head(())  # the date of the other examination
        self.set_crosshair(self.crosshair)
        self._begin_point()
        self.layout_changed.emit()

    def _show_in(self, pane: Pane, content: Content) -> None:
        """Planes of the open case in a view, in the window and the gray of the first one."""
        assert self.case is not None
        assert self.case.stack is not None
        main = self.panes[0].viewport
        assert main.view is not None
        assert main.file_window is not None
        view = main.view
        stack = self.case.stack.through(content.plane)
        index = main.index if content.plane is Plane.ACQUIRED and main.stack is self.case.stack else len(stack) // 2
        pane.show_stack(
            self.case, stack, main.file_window, index, own=True, layers=self.own_layers(pane), slab=content.slab
        )
        shown = pane.viewport.view
        assert shown is not None
        pane.viewport.set_view(replace(shown, window=view.window, inverted=view.inverted))

    def _show_beside(self) -> None:
        """The second case in the second view."""
        case, pane = self.beside, self._pane(1)
        assert case is not None
        assert case.stack is not None
        index = len(case.stack) // 2 if case.index is None else case.index
        if pane.viewport.stack is not case.stack:
            window = default_window(case.series, case.stack.frame(index), index)
            pane.show_stack(case, case.stack, window, index, own=False, layers=[pane.boxes])
        assert self.case is not None
        self.link = self._linked(self.case, case)
        self.say_link()
        self._windowed(self.panes[0], forced=True)

    def _linked(self, first: Case, second: Case) -> Link:
        return self.registered(first, second) or link(first.series, second.series)

    def relink(self) -> None:
        """The two on screen were registered meanwhile, or no longer are."""
        if self.layout_now is Layout.PAIR and self.case is not None and self.beside is not None:
            self.link = self._linked(self.case, self.beside)
            self.say_link()
            if self.point is not None:
                self.show_point(self.point)
                self._windowed(self.panes[0], forced=True)

    def set_layout(self, layout: Layout) -> None:
        """Show another number of views."""
        self.wanted = layout
        self._alone = None
        self.fill()

    def set_plane(self, plane: Plane) -> bool:
        """Show other planes of its case in the active view; False when it has none."""
        pane = self.active
        if pane.case is not self.case or self.case is None or self.case.stack is None or why_not(self.case.series):
            return False
        self._following = True
        self._show_in(pane, Content(plane))
        self._following = False
        if self.point is not None:
            self.show_point(self.point)
        return True

    def pixels_arrived(self) -> None:
        """More of the open case was read."""
        for pane in self.shown:
            pane.viewport.pixels_arrived()
            pane.scrollbar.update()

    # the point ---------------------------------------------------------------------------------------------------

    def place_in(self, pane: Pane, point: Point) -> Point | None:
        """Where a point of the open case is in a view, LPS mm; None when the view goes its own way."""
        if pane.viewport.stack is None or not pane.viewport.stack.geometry.placed:
            return None
        return point if pane.case is self.case else self.link.to_second(point)

    def _place_of(self, pane: Pane, place: Point) -> Point | None:
        """The point of the open case that is at a place of a view, LPS mm; None when the view goes its own way."""
        if pane.viewport.stack is None or not pane.viewport.stack.geometry.placed:
            return None
        return place if pane.case is self.case else self.link.to_first(place)

    def _begin_point(self) -> None:
        """The point is in the middle of the image on screen, where none was chosen."""
        main = self.panes[0].viewport
        if main.stack is None or not main.stack.geometry.placed:
            self.point = None
            return
        if self.point is None:
            middle = (main.index, (main.stack.rows - 1) / 2, (main.stack.columns - 1) / 2)
            self.point = main.stack.geometry.to_patient(middle)
        self.show_point(self.point)

    def show_point(self, point: Point, centre: bool = False, moved: Pane | None = None) -> None:
        """Have every linked view show a point of the open case (LPS mm), with `centre` well in sight.

        moved: the view that is there already; it stays at its plane, whatever a registration makes of it.
        """
        self.point = point
        several = len(self.shown) > 1
        self._following = True
        for pane in self.shown:
            place, viewport = self.place_in(pane, point), pane.viewport
            if place is None or viewport.stack is None:
                viewport.point_at(None)
                continue
            slice_, row, column = viewport.stack.geometry.to_index(place).tolist()
            if pane is not moved:
                viewport.go_to(round(slice_))
            viewport.point_at((column + 0.5, row + 0.5) if several else None)
            if centre:
                viewport.centre_on(column + 0.5, row + 0.5)
        self._following = False
        if centre and self.layout_now is Layout.PAIR:
            self._windowed(self.panes[0])

    def _scrolled(self, pane: Pane, index: int) -> None:
        """A view shows another plane: the point moves into it, along its normal."""
        if pane is self.panes[0]:
            self.scrolled.emit(index)
        stack = pane.viewport.stack
        if self._following or self.point is None or stack is None or pane not in self.shown:
            return
        place = self.place_in(pane, self.point)
        if place is None:
            return
        at = stack.geometry.to_index(place)
        at[0] = index
        point = self._place_of(pane, stack.geometry.to_patient(at))
        if point is not None:
            self.show_point(point, moved=pane)

    def _pointed(self, pane: Pane, x: float, y: float) -> None:
        """Shift and the mouse: the point is under the cursor."""
        stack = pane.viewport.stack
        if stack is None or not stack.geometry.placed or len(self.shown) < 2:
            return
        x, y = min(max(x, 0.0), stack.columns), min(max(y, 0.0), stack.rows)
        point = self._place_of(pane, stack.geometry.to_patient((pane.viewport.index, y - 0.5, x - 0.5)))
        if point is not None:
            self.set_crosshair(True)
            self.show_point(point, moved=pane)

    @property
    def crosshair(self) -> bool:
        """Whether the crosshair is drawn in this kind of layout."""
        return self._cross[self.layout_now.planes]

    def set_crosshair(self, on: bool) -> None:
        """Show or hide the crosshair in all views of this layout."""
        changed, self._cross[self.layout_now.planes] = self.crosshair != on, on
        for pane in self.panes:
            if pane.crosshair.on != on:
                pane.crosshair.on = on
                pane.viewport.update()
        if changed:
            self.crosshair_changed.emit()

    # one window for all ------------------------------------------------------------------------------------------

    def _windowed(self, pane: Pane, forced: bool = False) -> None:
        """A view is looked at otherwise: in its window are the others that show the same kind of values, and a second
        examination is as large, and at the same place.
        """
        view = pane.viewport.view
        if (self._following and not forced) or view is None or pane.case is None:
            return
        was, self._following = self._following, True
        for other in self.shown:
            seen = other.viewport.view
            if other is pane or seen is None or other.case is None:
                continue
            if other.case is pane.case:
                other.viewport.set_view(replace(seen, window=view.window, inverted=view.inverted))
                continue
            if other.case.series.hounsfield and pane.case.series.hounsfield:
                seen = replace(seen, window=view.window)
            other.viewport.set_view(self._as_large(seen, other, view, pane))
        self._following = was

    def _as_large(self, seen: ViewState, other: Pane, view: ViewState, pane: Pane) -> ViewState:
        """The view of a second examination at the scale in mm of the first, and at its place where they are linked."""
        first, second = pane.viewport.stack, other.viewport.stack
        if first is None or second is None or first.pixel_mm is None or second.pixel_mm is None:
            return seen
        seen = replace(seen, zoom=view.per_mm / seen.per_mm * seen.zoom, fitted=False)
        if not first.geometry.placed:
            return seen
        x, y = view.centre
        middle = self._place_of(pane, first.geometry.to_patient((pane.viewport.index, y - 0.5, x - 0.5)))
        there = self.place_in(other, middle) if middle is not None else None
        if there is None:
            return seen
        _, row, column = second.geometry.to_index(there).tolist()
        return seen.centred(column + 0.5, row + 0.5)

    def update_places(self) -> None:
        """Images are gone through the other way."""
        for pane in self.panes:
            pane.scrollbar.update()
            pane.viewport.update()

    def set_findings(self, how: FindingMarks) -> None:
        for pane in self.panes:
            pane.viewport.set_findings(how)

    def set_measures(self, on: bool) -> None:
        for pane in self.panes:
            pane.viewport.set_measures(on)

    def set_marks(self, marks: OverlayMode) -> None:
        for pane in self.panes:
            pane.viewport.set_marks(marks)

    # a second examination ----------------------------------------------------------------------------------------

    def show_beside(self, case: Case) -> None:
        """Show a second case, whose pixels are there, beside the open one."""
        self.beside = case
        self.set_layout(Layout.PAIR)

    def leave_beside(self) -> None:
        """The case alone again, in one view."""
        if self.beside is None:
            return
        self.beside = None
        self._pane(1).set_head(())
        self._pane(1).viewport.show_stack(None)
        if self.wanted is Layout.PAIR:
            self.set_layout(Layout.ONE)

    def toggle_link(self) -> str:
        """Let the two examinations go their own ways, or link them with what they show now as the same place."""
        if self.layout_now is not Layout.PAIR or self.case is None or self.beside is None:
            return tr("Two series side by side are linked and parted{key}", key=hint("link"))
        first, second = (pane.viewport for pane in self.shown)
        if self.link.offset is not None or first.stack is None or second.stack is None:
            self.link = unlinked()
        else:
            here, there = (_middle(viewport.stack, viewport.index) for viewport in (first, second))
            series = self.case.series, self.beside.series
            self.link = realign(*series, here, there) if here is not None and there is not None else link(*series)
        self.say_link()
        if self.point is not None:
            self.show_point(self.point)
        return _sentence(self.link.said)

    def say_link(self) -> None:
        """Over the second of two examinations: its date, and how it is linked."""
        if self.layout_now is not Layout.PAIR or self.beside is None:
            return
        self.panes[1].set_head((date(self.beside.series.study_date), self.link.said))


def _middle(stack: Stack | None, index: int) -> Point | None:
    """LPS mm of the middle of an image; None where its place is unknown."""
    if stack is None or not stack.geometry.placed:
        return None
    return stack.geometry.to_patient((index, (stack.rows - 1) / 2, (stack.columns - 1) / 2))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
