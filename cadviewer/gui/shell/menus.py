"""The menus, the tool bar and the menu of a right click, made of the table of actions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMainWindow, QMenu, QToolBar

from cadviewer.gui.canvas.mouse import SHAPES
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.shell.analysis_actions import AnalysisActions
from cadviewer.gui.shell.case_actions import CaseActions
from cadviewer.gui.shell.view_actions import ViewActions
from cadviewer.gui.widgets.actions import ANALYSE, FILE, IMAGE, PRESETS, STEPS, TOOLBAR, VIEW, Actions


class Menus:
    """Menus of the table, and between them those whose entries are found when they are opened."""

    def __init__(
        self,
        window: QMainWindow,
        actions: Actions,
        case_actions: CaseActions,
        view_actions: ViewActions,
        analysis_actions: AnalysisActions,
    ) -> None:
        self._window, self._actions = window, actions
        menus = actions.fill(window.menuBar())
        self.recent = self._filled(tr("&Recent"), case_actions.fill_recent)
        menus[FILE].insertMenu(actions["open_demo"], self.recent)
        self.presets = QMenu(tr(PRESETS), window)
        menus[IMAGE].insertMenu(actions["turn_right"], self.presets)
        self.file_windows = self._filled(tr("Windows of the &file"), view_actions.fill_file_windows)
        menus[IMAGE].insertMenu(actions["turn_right"], self.file_windows)
        self.slabs = self._filled(tr("Slab thi&ckness"), view_actions.fill_slabs)
        menus[IMAGE].addMenu(self.slabs)
        menus[IMAGE].addMenu(menus[STEPS])
        self.compare = self._filled(tr("&Compare with"), view_actions.fill_compare)
        menus[VIEW].insertMenu(actions["plane_acquired"], self.compare)
        self.models = self._filled(tr("With &model"), analysis_actions.fill_models)
        menus[ANALYSE].insertMenu(actions["threshold"], self.models)
        self.toolbar = self._make_toolbar()

    def _filled(self, title: str, fill: Callable[[QMenu], None]) -> QMenu:
        menu = QMenu(title, self._window)
        menu.aboutToShow.connect(partial(fill, menu))
        return menu

    def _make_toolbar(self) -> QToolBar:
        bar = QToolBar(tr("Tools"))
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        for name in TOOLBAR:
            if name:
                bar.addAction(self._actions[name])
            else:
                bar.addSeparator()
        self._window.addToolBar(bar)
        return bar

    def context_menu(self) -> QMenu:
        """The menu of a right click on the image."""
        actions = self._actions
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in ("tool_select", "tool_window", "tool_scroll", "tool_pan", "tool_zoom", "tool_finding"):
            menu.addAction(actions[name])
        measure = menu.addMenu(tr("Measure and point"))
        for tool in SHAPES:
            measure.addAction(actions[f"tool_{tool.value}"])
        menu.addSeparator()
        menu.addMenu(self.presets)
        for name in ("fit", "invert", "marks", "cine", "slab"):
            menu.addAction(actions[name])
        menu.addMenu(self.slabs)
        menu.addSeparator()
        for name in ("plane_acquired", "plane_axial", "plane_coronal", "plane_sagittal"):
            menu.addAction(actions[name])
        menu.addMenu(self.compare)
        menu.addSeparator()
        for name in ("accept", "reject", "unsure", "copy", "delete"):
            menu.addAction(actions[name])
        return menu

    def popup(self, at: QPoint) -> None:
        """Open the menu of a right click there (screen coordinates)."""
        self.context_menu().popup(at)
