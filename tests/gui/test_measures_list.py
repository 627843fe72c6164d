"""What was drawn, in the list and in the other planes: found again, named, taken away, seen where it goes through."""

from __future__ import annotations

from pathlib import Path

import pytest
from gui_desk import Desk
from gui_images import write_ultrasound
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from test_drawing import click, drag

from cadviewer.gui.canvas import shapes
from cadviewer.gui.canvas.mouse import Tool
from cadviewer.gui.canvas.plane_intersections import crossings, home
from cadviewer.gui.canvas.text_entry import TextLine
from cadviewer.gui.canvas.viewport import OverlayMode
from cadviewer.imaging.planes import Plane
from cadviewer.store.session import Measure, Session, case_key

KEY = Qt.Key
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def drawn(ct: Desk) -> Desk:
    """A length on no. 4, a region on no. 9, and no. 6 a key image, counted from the head; no. 12 is on screen."""
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_O)
    ct.wait_kept(lambda: drag(ct, (40, 30), (50, 38)))
    ct.viewport.go_to(8)
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (10, 20), (30, 20)))
    ct.viewport.go_to(6)
    ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_K))
    ct.viewport.go_to(0)
    ct.window.workspace.drawings.select(None)
    return ct


def _texts(desk: Desk) -> list[str]:
    items = desk.window.measures.list
    return [items.item(k).text().replace("\n", " | ") for k in range(items.count())]


def _click_row(desk: Desk, row: int, *, double: bool = False) -> None:
    items = desk.window.measures.list
    at = items.visualItemRect(items.item(row)).center()
    QTest.mouseClick(items.viewport(), LEFT, NONE, at)
    if double:
        QTest.mouseDClick(items.viewport(), LEFT, NONE, at)


def _yellow(desk: Desk, pane: int, x: float, y: float) -> bool:
    """Whether something drawn shows within a few screen units of an image point of a view."""
    viewport = desk.window.workspace.grid.panes[pane].viewport
    at, picture = viewport.to_screen(x, y), viewport.grab().toImage()
    near = [picture.pixelColor(round(at.x()) + i, round(at.y()) + j) for i in range(-6, 7) for j in range(-6, 7)]
    return any(_alike(colour) for colour in near)


def _alike(colour: QColor) -> bool:
    """As yellow as what is drawn, though fainter: nothing else on a gray image is."""
    return colour.red() - colour.blue() > 35 and abs(colour.red() - colour.green()) < 30


def test_the_list_is_there_once_something_is_drawn(ct: Desk) -> None:
    assert not ct.window.measures.isVisible()
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (10, 20), (30, 20)))
    assert ct.window.measures.isVisible()
    assert _texts(ct) == ["14.0 mm | Distance, no. 6"]
    ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_Z, CTRL))
    assert not ct.window.measures.isVisible()


def test_rows_say_value_kind_and_image_from_first_to_last(drawn: Desk) -> None:
    length, key, region = _texts(drawn)
    assert length == "14.0 mm | Distance, no. 4"
    assert key == "Key image | no. 6"
    assert region.startswith("−700.0 HU | Ellipse, no. 9")


def test_the_strip_has_dots_at_measures_and_key_images(drawn: Desk) -> None:
    assert drawn.window.workspace.scrollbar.marked == {3, 6, 8}
    drawn.bot.keyClick(drawn.window, KEY.Key_F7)
    assert drawn.window.workspace.scrollbar.marked == frozenset()
    drawn.bot.keyClick(drawn.window, KEY.Key_F5)
    assert drawn.window.workspace.scrollbar.marked == {3, 6, 8}


def test_a_click_on_a_row_goes_there_and_selects(drawn: Desk) -> None:
    _click_row(drawn, 0)
    assert drawn.viewport.index == 8
    assert drawn.window.workspace.drawings.selected == drawn.case.shapes[1].key
    _click_row(drawn, 1)
    assert drawn.viewport.index == 6
    assert drawn.window.workspace.drawings.selected is None


def test_keys_go_through_the_rows_round_and_round(drawn: Desk) -> None:
    seen = []
    for _ in range(4):
        drawn.bot.keyClick(drawn.window, KEY.Key_J)
        seen.append(drawn.viewport.index)
    assert seen == [8, 6, 3, 8]
    drawn.bot.keyClick(drawn.window, KEY.Key_J, SHIFT)
    assert drawn.viewport.index == 3
    assert "Ellipse" in drawn.window.status.text.text()


def test_what_is_gone_to_is_in_sight_even_where_marks_were_hidden_and_the_image_moved(drawn: Desk) -> None:
    drawn.bot.keyClick(drawn.window, KEY.Key_I)
    drawn.viewport.zoom(6)
    assert drawn.viewport.marks is not OverlayMode.ALL
    drawn.bot.keyClick(drawn.window, KEY.Key_J)
    assert drawn.viewport.marks is OverlayMode.ALL
    assert drawn.viewport.rect().contains(drawn.viewport.to_screen(20, 20).toPoint())


def test_a_measure_is_named_from_the_list_and_keeps_its_value(drawn: Desk) -> None:
    _click_row(drawn, 0, double=True)
    line = drawn.viewport.findChild(TextLine)
    assert drawn.viewport.index == 8
    drawn.bot.keyClicks(line, "largest")
    drawn.wait_kept(lambda: drawn.bot.keyClick(line, KEY.Key_Return))
    assert _texts(drawn)[0] == "largest  14.0 mm | Distance, no. 4"
    marks = [e.mark for e in Session(case_key(drawn.case.series)).entries() if isinstance(e.mark, Measure)]
    assert [(m.label, m.value) for m in marks if m.unit == "mm"] == [("largest", 14.0)]
    drawn.wait_kept(lambda: drawn.bot.keyClick(drawn.window, KEY.Key_Z, CTRL))
    assert _texts(drawn)[0] == "14.0 mm | Distance, no. 4"


def test_the_key_for_names_works_on_what_is_selected_wherever_it_is(drawn: Desk) -> None:
    _click_row(drawn, 2)
    drawn.viewport.go_to(0)
    drawn.window.workspace.drawings.select(drawn.case.shapes[0].key)
    drawn.bot.keyClick(drawn.window, KEY.Key_F2)
    assert drawn.viewport.index == 3
    line = drawn.viewport.findChild(TextLine)
    drawn.bot.keyClicks(line, "lung")
    drawn.wait_kept(lambda: drawn.bot.keyClick(line, KEY.Key_Return))
    assert _texts(drawn)[2].startswith("lung  −700.0 HU")


def test_rows_are_deleted_from_the_list_and_by_key(drawn: Desk) -> None:
    measures = drawn.window.measures
    drawn.wait_kept(lambda: measures.menu(measures.rows[1]).actions()[-1].trigger())
    assert drawn.case.key_images == frozenset()
    _click_row(drawn, 0)
    drawn.wait_kept(lambda: drawn.bot.keyClick(drawn.window, KEY.Key_Backspace))
    assert len(_texts(drawn)) == 1
    drawn.wait_kept(lambda: drawn.bot.keyClick(drawn.window, KEY.Key_Z, CTRL))
    assert len(_texts(drawn)) == 2


def test_what_is_clicked_on_the_image_is_marked_in_the_list(drawn: Desk) -> None:
    drawn.viewport.go_to(8)
    drawn.viewport.mouse.set_tool(Tool.WINDOW)
    click(drawn, (20, 20))
    assert drawn.window.measures.list.currentRow() == 0


def test_measures_of_ultrasound_are_listed_too(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm"))
    desk.bot.keyClick(desk.window, KEY.Key_D)
    desk.wait_kept(lambda: drag(desk, (20, 20), (60, 50)))
    (text,) = _texts(desk)
    assert float(text.split()[0]) == pytest.approx(50, abs=0.5)
    assert text.endswith("px | Distance, image 1")


# other planes --------------------------------------------------------------------------------------------------------


def test_a_length_shows_faintly_where_a_coronal_plane_cuts_it(ct: Desk) -> None:
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (20, 12), (20, 28)))  # from front to back: every coronal plane cuts it
    ct.bot.keyClick(ct.window, KEY.Key_2, CTRL)
    coronal = ct.window.workspace.grid.panes[1].viewport
    assert coronal.stack.plane is Plane.CORONAL
    (shape,) = ct.case.shapes
    plane, at = shapes.seen(coronal.stack, (3.0, 20.0, 22.0))
    coronal.go_to(round(plane))
    assert _yellow(ct, 1, *at)
    coronal.go_to(round(shapes.seen(coronal.stack, (3.0, 20.0, 40.0))[0]))
    assert not _yellow(ct, 1, *at)
    assert crossings(shape, coronal.stack, coronal.index) == ()


def test_a_neighbouring_slice_shows_nothing_of_a_measure(ct: Desk) -> None:
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (40, 12), (40, 28)))
    assert _yellow(ct, 0, 40, 20)
    ct.viewport.go_to(4)
    assert not _yellow(ct, 0, 40, 20)


def test_a_region_is_cut_at_both_sides(ct: Desk) -> None:
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_O)
    ct.wait_kept(lambda: drag(ct, (30, 10), (50, 30)))
    (shape,) = ct.case.shapes
    coronal = ct.case.stack.through(Plane.CORONAL)
    index, _ = shapes.seen(coronal, (3.0, 40.0, 20.0))
    marks = sorted(crossings(shape, coronal, round(index)))
    assert len(marks) == 2
    assert [x for x, _ in marks] == pytest.approx([30, 50], abs=0.6)


def test_a_measure_of_a_coronal_plane_is_gone_to_in_one_and_marked_on_the_slices(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_F7)
    plane = ct.viewport.stack
    index, (x, y) = shapes.seen(plane, (3.0, 20.0, 20.0))
    ct.viewport.go_to(round(index))
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (x, y - 2), (x, y + 2)))
    (shape,) = ct.case.shapes
    assert home(shape, ct.case.stack) is not None
    assert _texts(ct)[0].endswith(f"Coronal {round(index) + 1}")
    ct.bot.keyClick(ct.window, KEY.Key_F5)
    ct.viewport.go_to(3)
    assert _yellow(ct, 0, 20, ct.case.shapes[0].points[0][2])
    ct.bot.keyClick(ct.window, KEY.Key_J)
    assert ct.viewport.stack.plane is Plane.CORONAL
    assert ct.viewport.index == round(index)
    ct.bot.keyClick(ct.window, KEY.Key_2, CTRL)
    ct.window.workspace.grid.panes[1].viewport.go_to(0)
    ct.bot.keyClick(ct.window, KEY.Key_J)
    assert ct.window.workspace.grid.panes[0].viewport.stack.plane is Plane.ACQUIRED
    assert ct.window.workspace.grid.panes[1].viewport.index == round(index)
