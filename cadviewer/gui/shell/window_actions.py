"""What the window itself does by keys and menus: dialogs, the image alone, giving up, help."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QWidget

from cadviewer.gui.cases.case import Case
from cadviewer.gui.review.review_controller import ReviewController
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.analysis_actions import AnalysisActions
from cadviewer.gui.shell.reading_actions import ReadingActions
from cadviewer.gui.shell.tools import Tools
from cadviewer.gui.shell.view_actions import ViewActions
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.actions import Actions


class WindowActions:
    """Handlers of the actions that are of no single part.

    window: parent of the dialogs. beside: what stands beside the image, and is hidden where the image is shown alone.
    """

    actions: Actions

    def __init__(
        self,
        window: QWidget,
        beside: Sequence[QWidget],
        workspace: Workspace,
        tools: Tools,
        review: ReviewController,
        view_actions: ViewActions,
        analysis_actions: AnalysisActions,
        reading_actions: ReadingActions,
        preferences: Preferences,
    ) -> None:
        self._window, self._beside, self._workspace, self._tools = window, beside, workspace, tools
        self._review, self._view_actions, self._analysis_actions = review, view_actions, analysis_actions
        self._reading_actions, self._preferences = reading_actions, preferences
        workspace.grid.maximise_asked.connect(self.maximise)

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        return {
            "annotate": self._tools.open_batch,
            "open_results": self._tools.open_results,
            "train": self._tools.open_trainer,
            "settings": self._tools.open_settings,
            "quit": self._window.close,
            "maximise": self.maximise,
            "escape": self.escape,
            "shortcuts": self.show_shortcuts,
            "new_version": self.ask_for_new_version,
            "about": self.about,
        }

    def refresh(self, case: Case | None) -> None:
        """These can always be chosen."""

    def maximise(self) -> None:
        """The image alone, or with its sides again."""
        shown = self._beside[0].isVisible()
        for widget in self._beside:
            widget.setVisible(not shown)

    def show_sides(self) -> None:
        """What stands beside the image is wanted."""
        if self._beside[0].isHidden():
            self.maximise()

    def escape(self) -> None:
        """Give up what is drawn; else put the tool back, else end what runs, else the selection, else the view."""
        if not (
            self._workspace.cancel()
            or self._view_actions.tool_back()
            or self._analysis_actions.cancel()
            or self._review.unselect()
        ):
            self._view_actions.reset()
            self._reading_actions.refresh(self._workspace.grid.case)

    def show_shortcuts(self) -> None:
        """Every key and what the mouse does."""
        from cadviewer.gui.help import dialogs

        now, presets = self._preferences.now, self._preferences.presets
        dialogs.shortcuts(self._window, self.actions.keys, now, presets).open()

    def ask_for_new_version(self) -> None:
        """Ask whether there is a newer version; the program never does so by itself."""
        from cadviewer.gui.help.new_version import NewVersionDialog

        NewVersionDialog(self._window, self._preferences.now.versions_address).open()

    def about(self) -> None:
        """What this program is, and what it is not."""
        from cadviewer.gui.help import dialogs

        dialogs.about(self._window).open()
