"""Pictures of what is on screen, by keys and menus: copied, saved, printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import count, tr
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.viewing.grid.grid import Grid
from cadviewer.gui.widgets.actions import Actions

if TYPE_CHECKING:
    from cadviewer.gui.pictures.dialog import PicturesDialog, What


class PictureActions:
    """Handlers of the actions. window: parent of the dialogs. say: a line for the status bar."""

    actions: Actions

    def __init__(self, window: QWidget, grid: Grid, preferences: Preferences, say: Callable[[str], object]) -> None:
        self._window, self._grid, self._preferences, self._say = window, grid, preferences, say
        self.dialog: PicturesDialog | None = None

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        return {
            "save_pictures": self.save,
            "print": self.print,
            "copy_view": self.copy_view,
            "copy_key_images": self.copy_key_images,
        }

    def refresh(self, case: Case | None) -> None:
        """Only what can be done now can be chosen."""
        shown = case is not None and case.stack is not None
        self.actions.enable(shown, "save_pictures", "print", "copy_view")
        self.actions.enable(shown and case is not None and bool(case.key_images), "copy_key_images")

    def save(self) -> None:
        """Ask what, as what, and where to."""
        self._made().open()

    def print(self) -> None:
        """The active view on paper, with a preview; the dialog of pictures prints the rest."""
        from cadviewer.gui.pictures import printing, still

        pane = self._grid.active
        image = still.Still(pane, still.Look(longest=printing.LONGEST)).image()
        printing.Preview([image], still.title(pane), self._window).open()

    def copy_view(self) -> None:
        """The active view into the clipboard, with its marks and without the patient's name."""
        from cadviewer.gui.pictures.still import Look, Still

        QGuiApplication.clipboard().setImage(Still(self._grid.active, Look()).image())
        self._say(tr("The view was copied as a picture"))

    def copy_key_images(self) -> None:
        """All key images on one sheet into the clipboard."""
        from cadviewer.gui.pictures.dialog import What

        dialog = self._made()
        self._choose(dialog, What.KEYS)
        number = len(dialog.images())
        dialog.copy()
        dialog.deleteLater()
        self._say(count(number, "{n} key image was copied", "{n} key images were copied on one sheet"))

    def _made(self) -> PicturesDialog:
        from cadviewer.gui.pictures.dialog import PicturesDialog

        self.dialog = dialog = PicturesDialog(self._grid, self._preferences.now.last_folder, self._window)
        dialog.said.connect(self._say)
        dialog.finished.connect(dialog.deleteLater)
        return dialog

    @staticmethod
    def _choose(dialog: PicturesDialog, what: What) -> None:
        dialog.what.setCurrentIndex(dialog.what.findData(what))
