"""In which window an image is shown: its own one, a CT that is searched for nodules in that of the lung."""

from __future__ import annotations

from pathlib import Path

from dicom_made import mr_slices
from gui_desk import Desk
from gui_images import write_ct
from PySide6.QtCore import Qt

from cadviewer.imaging.series import Window
from cadviewer.imaging.windowing import LUNG


def test_the_view_follows_until_the_reader_chooses_one(desk: Desk, tmp_path: Path) -> None:
    mr_slices(tmp_path / "mr", [{"WindowCenter": c, "WindowWidth": c // 2} for c in (100, 200, 300)])
    desk.open(tmp_path / "mr")
    view = desk.viewport

    def shown() -> float:
        assert view.view is not None
        return view.view.window.centre

    seen = []
    for index in (0, 1, 2, 1):
        view.go_to(index)
        seen.append(shown())
    assert seen == [100, 200, 300, 200]
    view.set_window(Window(7, 70))
    view.go_to(2)
    assert shown() == 7
    view.reset()
    assert shown() == 300
    view.go_to(0)
    assert shown() == 100


def test_a_chest_ct_opens_in_the_lung_window_and_0_shows_that_of_the_file(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "ct", WindowCenter=40, WindowWidth=400))
    view = desk.viewport
    assert view.view is not None
    assert view.view.window == LUNG
    desk.bot.keyClick(view, Qt.Key.Key_0)
    assert (view.view.window.centre, view.view.window.width) == (40, 400)
    view.reset()
    assert view.view.window == LUNG
