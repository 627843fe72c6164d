"""Pictures of what is on screen: what is in them, where they go, and that a series can be stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pypdf
import pytest
from gui_desk import Desk
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage, QPageLayout
from PySide6.QtPrintSupport import QPrinter, QPrintPreviewDialog

from cadviewer.gui.pictures import printing, still
from cadviewer.gui.pictures.dialog import FILM, FOLDER, GIF, KINDS, PicturesDialog, What
from cadviewer.gui.pictures.still import Look, Still, as_array
from cadviewer.gui.viewing.grid.layout import Layout
from cadviewer.imaging.planes import Plane, Projection, Slab

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
BARE = Look(marks=False, letters=False)


def active(desk: Desk) -> object:
    return desk.window.workspace.grid.active


def painted(desk: Desk, look: Look = BARE, index: int | None = None) -> np.ndarray:
    return as_array(Still(active(desk), look).image(index))


def dialog(desk: Desk, what: What) -> PicturesDialog:
    desk.window.actions_["save_pictures"].trigger()
    made = desk.window.picture_actions.dialog
    assert made is not None
    made.what.setCurrentIndex(made.what.findData(what))
    assert made.what.currentData() is what
    return made


def choose(made: PicturesDialog, kind: object) -> None:
    made.kind.setCurrentIndex(made.kind.findData(kind))


def test_the_image_alone_is_what_the_screen_shows_without_marks(read_ct: Desk) -> None:
    read_ct.viewport.go_to(3)
    screen = as_array(read_ct.viewport.grab().toImage())
    width, height = read_ct.viewport.width(), read_ct.viewport.height()
    bare, marked = painted(read_ct), painted(read_ct, Look(letters=False))
    assert bare.shape == (height, width, 3)
    gray = (np.abs(bare.astype(int) - bare[..., :1]) == 0).all()
    assert gray  # no colour of a mark
    assert not (marked[:height] == marked[:height, :, :1]).all()
    assert marked.shape[0] > height  # what found the marks stands below them
    # Where nothing lies over the image the picture is the screen, to the pixel
    same = (bare == screen).all(-1)
    assert same.mean() > 0.7
    whole = painted(read_ct, Look())[:height]
    assert (whole == screen).all(-1).mean() > 0.985  # but for the crosshair and the value under the mouse


def test_nothing_on_screen_changes_by_a_picture(read_ct: Desk) -> None:
    read_ct.viewport.go_to(3)
    before = read_ct.viewport.view, read_ct.viewport.index, as_array(read_ct.viewport.grab().toImage())
    painted(read_ct, Look(longest=300), 8)
    assert (read_ct.viewport.view, read_ct.viewport.index) == before[:2]
    assert np.array_equal(as_array(read_ct.viewport.grab().toImage()), before[2])


def test_the_patients_name_is_in_a_picture_only_where_it_was_asked_for(read_ct: Desk) -> None:
    assert PicturesDialog(read_ct.window.workspace.grid, "").name.isChecked() is False
    pane = active(read_ct)
    name = read_ct.case.series.patient.name
    assert name
    assert not any(name in line for line in still.foot_lines(pane, Look()))
    assert name in still.foot_lines(pane, Look(name=True))[0]
    assert name not in still.title(pane)
    assert "ssd-test" in still.foot_lines(pane, Look())[0]
    assert still.foot_lines(pane, BARE) == []


def test_a_size_is_that_of_the_view_in_the_picture(read_ct: Desk) -> None:
    large = painted(read_ct, Look(marks=False, longest=2048))
    assert max(large.shape[:2]) == 2048
    width, height = read_ct.viewport.width(), read_ct.viewport.height()
    assert large.shape[0] / large.shape[1] == pytest.approx(height / width, abs=0.003)


def test_a_zoomed_and_turned_view_is_so_in_the_picture(read_ct: Desk) -> None:
    read_ct.viewport.turn(1)
    read_ct.viewport.zoom(2.5)
    read_ct.viewport.invert()
    screen = as_array(read_ct.viewport.grab().toImage())
    assert (painted(read_ct) == screen).all(-1).mean() > 0.7


def test_the_view_is_copied_with_a_key(read_ct: Desk) -> None:
    read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_C, CTRL | SHIFT)
    image = QGuiApplication.clipboard().image()
    assert np.array_equal(as_array(image), painted(read_ct, Look()))


def test_a_view_is_saved_as_png_and_jpeg(read_ct: Desk, tmp_path: Path) -> None:
    made = dialog(read_ct, What.VIEW)
    for kind in KINDS[What.VIEW]:
        choose(made, kind)
        made.save(tmp_path / "a")
        read = np.asarray(Image.open(tmp_path / f"a{kind.suffix}").convert("RGB")).astype(int)
        assert np.abs(read - painted(read_ct, Look())).mean() < 3
    assert "a.jpg" in made.status.text()
    made.close()


def test_all_views_lie_in_the_picture_as_on_screen(read_ct: Desk) -> None:
    grid = read_ct.window.workspace.grid
    grid.set_layout(Layout.FOUR)
    read_ct.bot.waitUntil(lambda: grid.sharp)
    made = as_array(still.of_layout(grid, BARE))
    assert made.shape == (grid.height(), grid.width(), 3)
    for pane in grid.shown:
        at = pane.viewport.mapTo(grid, pane.viewport.rect().topLeft())
        want = as_array(Still(pane, BARE).image())
        rows, columns = want.shape[:2]
        assert np.array_equal(made[at.y() : at.y() + rows, at.x() : at.x() + columns], want)
    assert What.LAYOUT in dialog(read_ct, What.LAYOUT)._possible()


@pytest.mark.parametrize("plane", [Plane.ACQUIRED, Plane.CORONAL])
def test_a_series_is_written_with_the_marks_of_each_image(read_ct: Desk, tmp_path: Path, plane: Plane) -> None:
    if plane is not Plane.ACQUIRED:
        read_ct.window.workspace.grid.set_plane(plane)
    made = dialog(read_ct, What.SERIES)
    choose(made, FOLDER)
    with read_ct.bot.waitSignal(made.said):
        made.save(tmp_path / "images")
    files = sorted((tmp_path / "images").iterdir())
    stack = read_ct.viewport.stack
    assert len(files) == len(stack)
    for place in (0, 3, len(files) - 1):
        read = np.asarray(Image.open(files[place]).convert("RGB"))
        assert np.array_equal(read, painted(read_ct, Look(), int(stack.turned(place))))


def test_a_slab_is_a_slab_in_the_film(read_ct: Desk, tmp_path: Path) -> None:
    assert read_ct.viewport.set_slab(Slab(Projection.MIP, 12.0))
    made = dialog(read_ct, What.SERIES)
    choose(made, FILM)
    made.marks.setChecked(False)
    made.letters.setChecked(False)
    with read_ct.bot.waitSignal(made.said):
        made.save(tmp_path / "a.mp4")
    film = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    first = film.read()[1][..., ::-1].astype(int)
    want = painted(read_ct, BARE, int(read_ct.viewport.stack.turned(0)))
    assert np.abs(first[: want.shape[0], : want.shape[1]] - want).mean() < 6


def test_a_series_can_be_stopped_and_leaves_nothing(read_ct: Desk, tmp_path: Path) -> None:
    made = dialog(read_ct, What.SERIES)
    choose(made, GIF)
    made.save(tmp_path / "a.gif")
    assert made.form.isEnabled() is False
    assert made._writing is not None
    made._writing.progressed.connect(lambda done: made.close_button.click())  # before it can be through with all
    with read_ct.bot.waitSignal(made._writing.cancelled):
        pass
    assert list(tmp_path.glob("*.gif*")) == list(tmp_path.glob(".*")) == []
    assert "Stopped" in made.status.text()
    assert made.form.isEnabled()


def test_closing_the_dialog_ends_the_writing(read_ct: Desk, tmp_path: Path) -> None:
    made = dialog(read_ct, What.SERIES)
    choose(made, FOLDER)
    made.save(tmp_path / "images")
    writing = made._writing
    assert writing is not None
    made.close()
    assert writing._thread is not None
    assert not writing._thread.is_alive()
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("what", [What.VIEW, What.SERIES])
def test_where_nothing_can_be_written_one_line_says_why(read_ct: Desk, tmp_path: Path, what: What) -> None:
    (tmp_path / "file").write_text("in the way")
    made = dialog(read_ct, what)
    made.save(tmp_path / "file" / f"a{made._kind.suffix}")
    read_ct.bot.waitUntil(lambda: "Not saved" in made.status.text())
    assert made.status.text().count("\n") == 0
    assert len(made.status.text()) > len("Not saved: ")


@pytest.fixture
def marked(read_ct: Desk) -> Desk:
    """Two key images, the third and the eighth."""
    for index in (2, 7):
        read_ct.viewport.go_to(index)
        read_ct.wait_kept(lambda: read_ct.window.actions_["key_image"].trigger())
    return read_ct


def test_key_images_are_saved_together(marked: Desk, tmp_path: Path) -> None:
    made = dialog(marked, What.KEYS)
    choose(made, FOLDER)
    with marked.bot.waitSignal(made.said):
        made.save(tmp_path / "keys")
    files = sorted((tmp_path / "keys").iterdir())
    assert len(files) == 2
    for file, index in zip(files, (2, 7), strict=True):
        assert np.array_equal(np.asarray(Image.open(file).convert("RGB")), painted(marked, Look(), index))
    made.close()


def test_one_command_copies_all_key_images(marked: Desk) -> None:
    marked.window.actions_["copy_key_images"].trigger()
    sheet = as_array(QGuiApplication.clipboard().image())
    one = painted(marked, Look(), 2)
    assert sheet.shape == (one.shape[0], 2 * one.shape[1] + 8, 3)
    assert np.array_equal(sheet[:, : one.shape[1]], one)
    assert np.array_equal(sheet[:, one.shape[1] + 8 :], painted(marked, Look(), 7))


def test_key_images_are_there_whatever_plane_is_on_screen(marked: Desk) -> None:
    marked.window.workspace.grid.set_plane(Plane.SAGITTAL)
    found = still.key_images(active(marked), BARE)
    assert found is not None
    made, indices = found
    assert indices == [2, 7]
    image = as_array(made.image(2))
    marked.window.workspace.grid.set_plane(Plane.ACQUIRED)
    assert image.shape == painted(marked, BARE, 2).shape
    assert (image == painted(marked, BARE, 2)).all(-1).mean() > 0.95


def test_what_there_is_no_picture_of_cannot_be_chosen(desk: Desk, ct_folder: Path) -> None:
    names = ("save_pictures", "print", "copy_view", "copy_key_images")
    assert not any(desk.window.actions_[name].isEnabled() for name in names)
    desk.open(ct_folder)
    assert [desk.window.actions_[name].isEnabled() for name in names] == [True, True, True, False]


@pytest.mark.skipif(sys.platform == "win32", reason="prints into a file")
def test_each_picture_is_a_page(marked: Desk, tmp_path: Path) -> None:
    found = still.key_images(active(marked), Look())
    assert found is not None
    images = [found[0].image(index) for index in found[1]]
    printer = QPrinter(QPrinter.PrinterMode.HighResolution)
    printer.setOutputFormat(QPrinter.OutputFormat.PdfFormat)
    printer.setOutputFileName(str(tmp_path / "a.pdf"))
    printer.setPageOrientation(QPageLayout.Orientation.Landscape)
    printing.paint(printer, images, still.title(active(marked)))
    document = pypdf.PdfReader(tmp_path / "a.pdf")
    assert len(document.pages) == 2
    (picture,) = document.pages[1].images
    assert picture.image is not None
    assert picture.image.width > 100
    text = " ".join(document.pages[0].extract_text().split())
    assert "1 / 2" in text
    assert marked.case.series.patient.name not in text


def test_printing_begins_with_a_preview(read_ct: Desk) -> None:
    read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_P, CTRL)
    preview = read_ct.window.findChild(QPrintPreviewDialog)
    assert preview is not None
    assert preview.isVisible()
    preview.close()


def test_a_picture_of_colours_keeps_them() -> None:
    image = QImage(3, 2, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    assert as_array(image).tolist() == [[[255, 0, 0]] * 3] * 2


def test_a_folder_may_have_a_dot_in_its_name(marked: Desk, tmp_path: Path) -> None:
    (tmp_path / "Dr. Smith").mkdir()
    made = dialog(marked, What.KEYS)
    choose(made, FOLDER)
    made.save(tmp_path / "Dr. Smith")
    marked.bot.waitUntil(lambda: made._writing is None)
    assert len(list((tmp_path / "Dr. Smith-2").glob("*.png"))) == 2


def test_a_series_is_not_written_on_with_the_marks_of_another(read_ct: Desk, tmp_path: Path) -> None:
    made = dialog(read_ct, What.SERIES)
    choose(made, FOLDER)
    made.save(tmp_path / "out")
    made._writing._still._pane.case = None  # another case comes on screen
    read_ct.bot.waitUntil(lambda: made._writing is None)
    assert "another series came on screen" in made.status.text()
    assert not (tmp_path / "out").exists()


def test_a_sheet_of_many_key_images_stays_small(marked: Desk) -> None:
    from cadviewer.gui.pictures.dialog import SHEET

    made = dialog(marked, What.KEYS)
    made.longest.setCurrentIndex(made.longest.findData(2048))
    sheet = made._sheet()
    assert max(sheet.width(), sheet.height()) <= SHEET + 100
