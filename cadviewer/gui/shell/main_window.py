"""The window: its parts and how they hang together. What the parts do is theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QByteArray, QEvent, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QPaintEvent
from PySide6.QtWidgets import QApplication, QFrame, QMainWindow, QSplitter, QVBoxLayout, QWidget

from cadviewer import background
from cadviewer.gui.breast.score_map import ScoreMaps
from cadviewer.gui.canvas.mouse import Tool
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.viewport import FindingMarks, OverlayMode, Viewport
from cadviewer.gui.cases.annotation_files import AnnotationFiles
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.journal_thread import JournalThread
from cadviewer.gui.cases.kept_results import KeptResults
from cadviewer.gui.cases.loader import Loader
from cadviewer.gui.cases.opener import Opener
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.cases.studies_panel import StudiesPanel
from cadviewer.gui.engine.analysis import Analysis
from cadviewer.gui.engine.bridge import Bridge, EngineLike
from cadviewer.gui.engine.prefetch import Prefetch
from cadviewer.gui.engine.requests import JobRequests
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.nodules.comparing import Comparing
from cadviewer.gui.nodules.outline_requests import OutlineRequests
from cadviewer.gui.nodules.priors import priors
from cadviewer.gui.review.annotations_panel import AnnotationsPanel
from cadviewer.gui.review.drawing_controller import DrawingController
from cadviewer.gui.review.measures_panel import MeasuresPanel
from cadviewer.gui.review.review_controller import ReviewController
from cadviewer.gui.review.saving import Saving
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.analysis_actions import AnalysisActions
from cadviewer.gui.shell.banner import Banner
from cadviewer.gui.shell.case_actions import CaseActions
from cadviewer.gui.shell.comparison_actions import ComparisonActions
from cadviewer.gui.shell.finding_opener import FindingOpener
from cadviewer.gui.shell.menus import Menus
from cadviewer.gui.shell.picture_actions import PictureActions
from cadviewer.gui.shell.reading_actions import ReadingActions
from cadviewer.gui.shell.score_map_actions import ScoreMapActions
from cadviewer.gui.shell.side_panel import SidePanel
from cadviewer.gui.shell.status_line import StatusLine
from cadviewer.gui.shell.tools import Tools
from cadviewer.gui.shell.view_actions import ViewActions
from cadviewer.gui.shell.window_actions import WindowActions
from cadviewer.gui.viewing import keyboard_navigation
from cadviewer.gui.viewing.comparison import Comparison
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.actions import Actions
from cadviewer.gui.widgets.fields import Line
from cadviewer.gui.widgets.notifications import Notification
from cadviewer.inference.protocol import DeviceReady
from cadviewer.settings import Settings


class Controller(Protocol):
    """Who does some of the actions of the table."""

    actions: Actions

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        ...

    def refresh(self, case: Case | None) -> None:
        """Switch the actions on and off that can be chosen for a case, or for none."""
        ...


class MainWindow(QMainWindow):
    """Signal: first_frame(): the window has been painted once."""

    first_frame = Signal()
    _unforeseen = Signal(str)  # from any thread

    def __init__(
        self, engine: EngineLike, bridge: Bridge, preferences: Preferences, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.engine, self.preferences = engine, preferences
        self.cases = Cases()
        self.loader = Loader(self)
        self.opener = Opener(self.cases, self.loader, self)
        self.requests = JobRequests(self.cases, engine, bridge, self)
        self.analysis = Analysis(self.cases, self.requests, self)
        self.score_map = ScoreMaps(self.requests, self)
        self.journal, self.results = JournalThread(self), KeptResults(self)
        self.prefetch = Prefetch(self.cases, self.loader, self.opener, self.analysis, self)
        self.banner, self.studies, self.workspace = Banner(), StudiesPanel(self.cases), Workspace()
        self.side, self.status, self.measures = SidePanel(), StatusLine(), MeasuresPanel()
        self.review_controller = ReviewController(self.cases, self.journal, self.workspace, self)
        self.drawing_controller = DrawingController(self.cases, self.journal, self.workspace, self)
        self.outline_requests = OutlineRequests(self.cases, self.requests, self.journal, self)
        self.tools = Tools(self, engine, bridge, preferences)
        self.saving = Saving(self)
        self.annotation_files, self.annotations = AnnotationFiles(self.cases, self), AnnotationsPanel()
        self.comparison = Comparison(self.cases, self.loader, self)
        self.finding_opener = FindingOpener(
            self.cases, self.opener, self.analysis, self.review_controller, self.workspace, self
        )
        self.comparing = Comparing(self.cases, self.journal, self)
        self._painted = False
        self._arrange()
        self._make_actions()
        self._connect(bridge)
        self.setWindowTitle("cadviewer")
        self.setWindowIcon(style.app_icon())
        self.setAcceptDrops(True)
        self.actions_.tell_buttons()
        self.workspace.first_start = not preferences.now.recent
        self.workspace.say_welcome()
        self.workspace.grid.equip = self.equip
        self.workspace.viewport.marks = OverlayMode[preferences.now.annotations.upper()]
        self.workspace.viewport.findings = FindingMarks[preferences.now.finding_marks.upper()]
        self._use_settings(None, preferences.now)
        self.show_case(None)
        self._place()

    def _make_actions(self) -> None:
        """Who does what the table of actions names; each with the parts that it needs, none with the window's."""
        cases, desk, preferences, say = self.cases, self.workspace, self.preferences, self.status.say
        self.view_actions = ViewActions(desk, cases, self.comparison, preferences, say)
        self.analysis_actions = AnalysisActions(
            self, cases, self.analysis, self.opener, self.engine, desk, self.review_controller, preferences, say
        )
        self.comparison_actions = ComparisonActions(cases, self.comparing, self.comparison, desk, self.side, say)
        self.score_map_actions = ScoreMapActions(cases, self.score_map, desk, self.side)
        self.reading_actions = ReadingActions(
            cases,
            self.review_controller,
            self.drawing_controller,
            self.measures,
            self.side,
            self.saving,
            self.view_actions,
            preferences,
            say,
        )
        self.window_actions = WindowActions(
            self,
            (self.left, self.side),
            desk,
            self.tools,
            self.review_controller,
            self.view_actions,
            self.analysis_actions,
            self.reading_actions,
            preferences,
        )
        self.case_actions = CaseActions(
            self,
            cases,
            self.opener,
            self.studies,
            self.search,
            self.analysis,
            desk,
            self.view_actions,
            preferences,
            say,
            self.window_actions.show_sides,
        )
        self.picture_actions = PictureActions(self, desk.grid, preferences, say)
        self._controllers: tuple[Controller, ...] = (
            self.case_actions,
            self.picture_actions,
            self.analysis_actions,
            self.score_map_actions,
            self.comparison_actions,
            self.reading_actions,
            self.view_actions,
            self.window_actions,
        )
        handlers = keyboard_navigation.handlers(desk.grid)
        for each in self._controllers:
            handlers |= each.handlers()
        self.actions_ = Actions(self, handlers, preferences.now.keys)
        for each in self._controllers:
            each.actions = self.actions_
        self.menus = Menus(self, self.actions_, self.case_actions, self.view_actions, self.analysis_actions)

    def _place(self) -> None:
        """Size and place as they were left, as far as there still is a screen there."""
        self.resize(1366, 768)
        settings = self.preferences.now
        if settings.window_geometry:
            self.restoreGeometry(QByteArray.fromBase64(settings.window_geometry.encode()))
        if settings.window_state:
            self.split.restoreState(QByteArray.fromBase64(settings.window_state.encode()))
        screen = QApplication.screenAt(self.frameGeometry().center())
        if screen is None:  # it was on one that is gone
            room = QApplication.primaryScreen().availableGeometry()
            self.resize(self.size().boundedTo(room.size()))
            self.move(room.center() - self.rect().center())

    def fit_screen(self) -> None:
        """The first start: in the middle of the screen, never larger than it, and all of it where it is a small one."""
        room = QApplication.primaryScreen().availableGeometry()
        self.resize(self.size().boundedTo(room.size()))
        self.move(room.center() - self.rect().center())
        if room.width() < 1.2 * self.width() or room.height() < 1.2 * self.height():
            self.setWindowState(Qt.WindowState.WindowMaximized)

    def equip(self, viewport: Viewport) -> None:
        """Have a viewport do what the settings say."""
        settings, mouse = self.preferences.now, viewport.mouse
        mouse.set_tool(self.view_actions.tool)
        mouse.down_brighter = settings.vertical_drag == "down_brighter"
        mouse.wheel_down_next = settings.wheel == "down_next"
        mouse.wheel_zooms = settings.wheel_does == "zoom"
        mouse.buttons = {
            Qt.MouseButton.MiddleButton: Tool(settings.mouse_middle),
            Qt.MouseButton.RightButton: Tool(settings.mouse_right),
        }
        viewport.interpolate = settings.interpolate
        viewport.set_cine_rate(settings.cine_rate)
        viewport.update()

    def _use_settings(self, before: Settings | None, now: Settings) -> None:
        """What can be changed while the window is open, at the start and after a change."""
        if before is None or _of_viewports(before) != _of_viewports(now):  # what was switched by keys meanwhile stays
            for pane in self.workspace.grid.panes:
                self.equip(pane.viewport)
        if before is None or before.mouse_left != now.mouse_left:
            self.view_actions.use_tool(Tool(now.mouse_left))
        self.saving.candidates = now.save_candidates
        self.review_controller.goes_on = now.after_answer == "next"
        if before is None or before.slice_order != now.slice_order:
            Stack.head_first = now.slice_order == "head_first"
            self.workspace.grid.update_places()
        if before is None or before.presets != now.presets:
            self.actions_.name_presets(self.menus.presets, self.preferences.presets, self.view_actions.use_preset)
        if before is not None and before.keys != now.keys:
            self.use_keys(now)
        if before is not None and before.theme != now.theme:
            self.use_theme(now.theme)

    def use_keys(self, now: Settings) -> None:
        """Other keys, at once, also in the sentences that name one."""
        self.actions_.use_keys(now.keys)
        self.workspace.say_welcome()
        self.workspace.grid.say_link()
        if "link" in self.workspace.notifications.topics():
            self.view_actions.say_link()
        if self.cases.current is not None:
            self._changed(self.cases.current)

    def use_theme(self, theme: str) -> None:
        """Other colours, at once."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        style.apply(app, theme)
        self.workspace.notifications.say_again()
        self.workspace.say_welcome()
        self.tools.use_theme()
        if self.cases.current is not None:
            self._changed(self.cases.current)

    # layout ------------------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        left = QFrame()
        left.setObjectName("panel")
        self.search = Line()
        self.search.setPlaceholderText(tr("Find a patient, study or series"))
        self.search.setAccessibleName(tr("Find a patient, study or series"))
        self.search.setClearButtonEnabled(True)
        self.search.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # keys are the image's until it is clicked or called
        column = QVBoxLayout(left)
        column.setContentsMargins(4, 6, 4, 6)
        column.addWidget(self.search)
        column.addWidget(self.studies, 1)
        column.addWidget(self.measures)
        column.addWidget(self.annotations)
        self.left = left
        self.split = QSplitter(Qt.Orientation.Horizontal)
        for widget, width in ((left, 150), (self.workspace, 300), (self.side, 230)):
            widget.setMinimumWidth(width)
            self.split.addWidget(widget)
        self.split.setChildrenCollapsible(False)
        self.split.setStretchFactor(1, 1)
        self.split.setSizes([230, 800, 300])
        middle = QWidget()
        inner = QVBoxLayout(middle)
        inner.setContentsMargins(6, 6, 6, 6)
        inner.addWidget(self.split)
        whole = QWidget()
        rows = QVBoxLayout(whole)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self.banner)
        rows.addWidget(middle, 1)
        rows.addWidget(self.status)
        self.setCentralWidget(whole)

    # wiring ------------------------------------------------------------------------------------------------------

    def _connect(self, bridge: Bridge) -> None:
        """What happens in one part and concerns another; what concerns one part alone it connects itself."""
        opener, desk, review, drawing = self.opener, self.workspace, self.review_controller, self.drawing_controller
        say, notices = self.status.say, self.workspace.notifications
        for part in (self.tools, self.saving, review, drawing, self.outline_requests, self.comparison, self.comparing):
            part.said.connect(say)
        self.results.failed.connect(say)
        for changed in (self.analysis.changed, review.changed, self.outline_requests.changed):
            changed.connect(self.comparing.refresh)  # before it is shown
            changed.connect(self._changed)
        self.comparing.changed.connect(self._changed)
        self.comparison_actions.listen()
        opener.added.connect(self._added)
        opener.opened.connect(self._opened)
        opener.removed.connect(self.comparing.forget)
        opener.closed.connect(lambda: self.show_case(None))
        opener.arrived.connect(lambda case: desk.pixels_arrived())
        opener.loaded.connect(self._loaded)
        opener.busy.connect(self.status.show_opening)
        self.loader.thumbnail.connect(self.studies.rows.add_picture)
        self.analysis.progressed.connect(self._progressed)
        self.analysis.found.connect(self.results.keep)
        self.score_map.made.connect(self.results.keep)
        self.tools.open_case.connect(lambda path: self.open_paths([path]))
        self.tools.open_finding.connect(self.finding_opener.go)
        review.listen(self.side.nodules, self.side.breast)
        review.changed.connect(self.analysis.follow)
        drawing.listen(self.measures)
        drawing.added.connect(review.select)
        drawing.added.connect(lambda number: self.view_actions.added())
        drawing.met.connect(review.select)
        drawing.measured.connect(self.outline_requests.ask)
        review.failed.connect(self._not_saved)
        review.saved.connect(lambda: notices.dismiss("journal"))
        self.saving.failed.connect(lambda text: notices.say(Notification("saving", text)))
        self.preferences.failed.connect(lambda text: notices.say(Notification("settings", text)))
        self._unforeseen.connect(
            lambda what: notices.say(Notification("unforeseen", tr("Something went wrong: {what}", what=what)))
        )
        self._unlisten = background.listen(lambda name, said: self._unforeseen.emit(f"{name}: {said}"))
        self.preferences.changed.connect(self._use_settings)
        self._connect_annotations()
        desk.index_changed.connect(self._moved)
        desk.grid.menu_asked.connect(self.menus.popup)
        desk.grid.layout_changed.connect(lambda: self.view_actions.refresh(self.cases.current))
        self.status.cancel_asked.connect(self.analysis_actions.cancel)
        bridge.device_ready.connect(self._device_ready)

    def _connect_annotations(self) -> None:
        """What other files say of the images."""
        files, panel, notices = self.annotation_files, self.annotations, self.workspace.notifications
        self.opener.annotated.connect(files.open)
        self.opener.added.connect(files.match)
        self.opener.reported.connect(files.settle)
        files.said.connect(self.status.say)
        files.changed.connect(self._show_annotations)
        files.told.connect(
            lambda text: notices.say(Notification("annotations", text)) if text else notices.dismiss("annotations")
        )
        panel.chosen.connect(self.workspace.go_to_annotation)
        panel.switched.connect(self._show_annotations)
        panel.removed.connect(files.forget)

    def _show_annotations(self) -> None:
        files = self.annotation_files.of(self.cases.current)
        self.workspace.show_annotations(files)
        self.annotations.show_files(self.cases.current, files)

    def _device_ready(self, event: DeviceReady) -> None:
        self.status.show_device(event.device, event.why)

    def _added(self, case: Case) -> None:
        case.second_read = self.preferences.now.reading == "second"
        self.studies.refresh(self.cases.current)
        self.journal.open(case.series)  # what was answered before is marked in the list
        self.loader.make_thumbnail(case.series)

    def _opened(self, case: Case) -> None:
        """Another case is on screen: what still runs for the one before is not wanted any more."""
        for other in self.cases:
            if other is not case and not other.ahead:
                self.analysis.leave(other)
        self.score_map.leave()
        case.ahead = False
        self.workspace.notifications.dismiss("open")
        self.show_case(case)
        self.review_controller.begin(case)

    def show_case(self, case: Case | None) -> None:
        """Everything of the window shows this case."""
        self.view_actions.prepare(case)
        self.banner.show_series(case.series if case is not None else None)
        self.workspace.show_case(case)
        self.measures.show_case(case)
        self._show_annotations()
        self.studies.select(case)
        self.status.show_case(case)
        self.side.show_case(case, priors=priors(case, self.cases) if case is not None else ())
        self.score_map_actions.show(case)
        self._refresh_actions(case)

    def _refresh_actions(self, case: Case | None) -> None:
        for each in self._controllers:
            each.refresh(case)

    def _loaded(self, case: Case) -> None:
        self.workspace.say_again()
        if self.preferences.now.analyse_on_open:
            self.analysis.consider(case)
        self._changed(case)
        self.case_actions.make_thumbnail(case)

    def _changed(self, case: Case) -> None:
        """The analysis or the decisions of a case are further on."""
        self.studies.rows.changed(case)
        if case is not self.cases.current:
            return
        self.workspace.refresh()
        self.measures.show_case(case)
        self.measures.select(self.workspace.drawings.selected)
        self.side.show_case(case, self.workspace.viewport.index, priors(case, self.cases))
        self.score_map_actions.show(case)
        self.status.show_case(case)
        self._refresh_actions(case)
        self.analysis_actions.ask_task(case)

    def _progressed(self, case: Case) -> None:
        """Many times a second: what is painted for it must not cost a frame."""
        self.studies.rows.changed(case)
        if case is self.cases.current:
            self.status.show_case(case)

    def _moved(self, index: int) -> None:
        case = self.cases.current
        if case is not None and case.result is not None and case.result.breast:
            self.side.show_case(case, index)
            self.score_map_actions.show(case)

    # events ------------------------------------------------------------------------------------------------------

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open files and folders, and remember them."""
        self.case_actions.open_paths(paths)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.open_paths(paths)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            self.first_frame.emit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.ActivationChange and self.isActiveWindow():
            case = self.cases.current
            if case is not None and case.stack is not None:
                self.review_controller.begin(case)  # another window may have gone on with the same case

    def closeEvent(self, event: QCloseEvent) -> None:
        geometry = bytes(self.saveGeometry().toBase64().data()).decode()
        panels = bytes(self.split.saveState().toBase64().data()).decode()
        self.preferences.change(window_geometry=geometry, window_state=panels)
        super().closeEvent(event)
        QApplication.quit()

    def _not_saved(self, text: str) -> None:
        again = (tr("Try again"), self.journal.again)
        self.workspace.notifications.say(Notification("journal", text, (again,) if self.journal.any_unsaved else ()))

    def shut(self) -> None:
        """End the threads: the journal writes what it has first."""
        self._unlisten()
        self.view_actions.stop()
        self.tools.shut()
        self.drawing_controller.outlining.close()
        self.comparing.close()
        self.journal.close()
        self.results.close()
        self.saving.close()
        self.annotation_files.close()
        self.loader.close()
        self.preferences.close()
        self.workspace.show_case(None)
        self.workspace.grid.shut()


def _of_viewports(s: Settings) -> tuple[object, ...]:
    """The settings that `MainWindow.equip` uses."""
    return s.vertical_drag, s.wheel, s.wheel_does, s.mouse_middle, s.mouse_right, s.interpolate, s.cine_rate
