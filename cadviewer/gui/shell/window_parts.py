"""The parts of the main window, as the handlers of its actions know them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import QMainWindow, QMenu, QSplitter, QWidget

from cadviewer.gui.breast.score_map import ScoreMaps
from cadviewer.gui.cases.journal_thread import JournalThread
from cadviewer.gui.cases.kept_results import KeptResults
from cadviewer.gui.cases.loader import Loader
from cadviewer.gui.cases.opener import Opener, OpenReport
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.cases.studies_panel import StudiesPanel
from cadviewer.gui.engine.analysis import Analysis
from cadviewer.gui.engine.bridge import EngineLike
from cadviewer.gui.review.drawing_controller import DrawingController
from cadviewer.gui.review.measures_panel import MeasuresPanel
from cadviewer.gui.review.review_controller import ReviewController
from cadviewer.gui.review.saving import Saving
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.side_panel import SidePanel
from cadviewer.gui.shell.status_line import StatusLine
from cadviewer.gui.shell.tools import Tools
from cadviewer.gui.viewing.comparison import Comparison
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.actions import Actions
from cadviewer.gui.widgets.fields import Line


class WindowParts(QMainWindow):
    """A window whose parts are there; `MainWindow` makes and connects them."""

    engine: EngineLike
    preferences: Preferences
    cases: Cases
    loader: Loader
    opener: Opener
    analysis: Analysis
    journal: JournalThread
    results: KeptResults
    studies: StudiesPanel
    workspace: Workspace
    side: SidePanel
    status: StatusLine
    measures: MeasuresPanel
    review_controller: ReviewController
    drawing_controller: DrawingController
    score_map: ScoreMaps
    comparison: Comparison
    saving: Saving
    tools: Tools
    actions_: Actions
    left: QWidget
    split: QSplitter
    search: Line
    recent_menu: QMenu
    preset_menu: QMenu
    slab_menu: QMenu
    compare_menu: QMenu
    model_menu: QMenu
    file_windows: QMenu

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open files and folders, and remember them."""
        raise NotImplementedError

    def show_text(self, report: OpenReport) -> None:
        """Which files were not opened, and why."""
        raise NotImplementedError
