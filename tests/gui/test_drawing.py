"""Measuring and pointing in the real window: each tool drawn with the mouse, changed, undone, kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui_desk import Desk
from labelled import DIRECTIONS, geometry, volume
from PySide6.QtCore import QPoint, QPointF, Qt

from cadviewer.gui.canvas import shapes
from cadviewer.gui.canvas.mouse import SHAPES, Tool
from cadviewer.gui.canvas.shapes import Drawing
from cadviewer.gui.canvas.text_entry import TextLine
from cadviewer.phantoms import files as phantom_files
from cadviewer.store.session import JournalError, Measure, MeasureKind, Session, case_key

KEY = Qt.Key
LEFT, NONE, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier


def _at(viewport: Any, point: tuple[float, float]) -> QPoint:
    return viewport.to_screen(*point).toPoint()  # type: ignore[no-any-return]


def drag(desk: Desk, *points: tuple[float, float], viewport: Any = None) -> None:
    """Drag through image points with the left button."""
    view = viewport or desk.viewport
    desk.bot.mousePress(view, LEFT, NONE, _at(view, points[0]))
    for a, b in pairwise(points):
        for part in (0.5, 1.0):
            desk.bot.mouseMove(view, _at(view, (a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part)))
    desk.bot.mouseRelease(view, LEFT, NONE, _at(view, points[-1]))


def click(desk: Desk, point: tuple[float, float], viewport: Any = None) -> None:
    view = viewport or desk.viewport
    desk.bot.mouseMove(view, _at(view, point))
    desk.bot.mouseClick(view, LEFT, NONE, _at(view, point))


def _only(desk: Desk) -> Drawing:
    (shape,) = desk.case.shapes
    return shape  # type: ignore[no-any-return]


def _measure(desk: Desk) -> Measure:
    """The only measure, as another program would read it from the disk."""
    (entry,) = [e for e in Session(case_key(desk.case.series)).entries() if isinstance(e.mark, Measure)]
    assert isinstance(entry.mark, Measure)
    return entry.mark


def _lines(desk: Desk) -> Sequence[str]:
    shape = _only(desk)
    flat = shapes.on_plane(shape, desk.viewport.stack, desk.viewport.index)
    assert flat is not None
    return shapes.value(shape.kind, flat, desk.viewport.stack, desk.viewport.index, shape.text).lines


@pytest.mark.parametrize(
    ("key", "modifiers", "tool"),
    [
        (KEY.Key_D, NONE, Tool.DISTANCE),
        (KEY.Key_A, NONE, Tool.ANGLE),
        (KEY.Key_M, NONE, Tool.BIDIRECTIONAL),
        (KEY.Key_O, NONE, Tool.ELLIPSE),
        (KEY.Key_O, SHIFT, Tool.RECTANGLE),
        (KEY.Key_G, NONE, Tool.FREEHAND),
        (KEY.Key_A, SHIFT, Tool.ARROW),
        (KEY.Key_T, SHIFT, Tool.TEXT),
        (KEY.Key_E, NONE, Tool.FINDING),
    ],
)
def test_each_drawing_tool_has_a_key(ct: Desk, key: Qt.Key, modifiers: Qt.KeyboardModifier, tool: Tool) -> None:
    ct.bot.keyClick(ct.window, key, modifiers)
    assert ct.viewport.mouse.tool is tool


def test_an_angle_is_an_arm_by_dragging_and_the_other_by_a_click(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_A)
    drag(ct, (10, 10), (30, 10))
    assert ct.case.shapes == ()
    ct.wait_kept(lambda: click(ct, (30, 30)))
    assert _lines(ct) == ("90.0°",) or float(_lines(ct)[0].rstrip("°")) == pytest.approx(90, abs=1)
    assert _measure(ct).unit == "°"


def test_escape_gives_up_an_angle_that_is_half_drawn(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_A)
    drag(ct, (10, 10), (30, 10))
    ct.bot.keyClick(ct.window, KEY.Key_Escape)
    click(ct, (30, 30))
    ct.bot.wait(30)
    assert ct.case.shapes == ()
    assert ct.case.running  # Escape was for the drawing, not for the analysis


def test_both_axes_of_a_nodule_are_measured_at_right_angles(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_M)
    drag(ct, (10, 10), (30, 20))
    ct.wait_kept(lambda: click(ct, (18, 20)))
    a, b, c, d = (np.array(p[1:]) for p in _only(ct).points)
    assert float((b - a) @ (d - c)) == pytest.approx(0, abs=1e-6)
    assert _measure(ct).value == pytest.approx(math.hypot(20, 10) * 0.7, abs=0.4)
    assert "×" in _lines(ct)[0]


def test_a_handle_of_the_short_axis_stays_at_right_angles(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_M)
    drag(ct, (10, 10), (40, 10))
    ct.wait_kept(lambda: click(ct, (25, 16)))
    ct.wait_kept(lambda: drag(ct, (25, 16), (20, 20)))
    _, _, c, d = _only(ct).points
    assert c[1] == pytest.approx(d[1])
    assert (c[1], c[2]) == pytest.approx((20, 20), abs=0.4)
    assert d[2] == pytest.approx(4, abs=0.4)  # the other end keeps its distance


@pytest.mark.parametrize("key", [NONE, SHIFT])
def test_a_region_has_mean_spread_range_and_area(ct: Desk, key: Qt.KeyboardModifier) -> None:
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_O, key)
    ct.wait_kept(lambda: drag(ct, (40, 5), (50, 15)))
    lines = _lines(ct)
    assert lines[0] == "mean −700.0 ± 0.0 HU"
    assert lines[1] == "−700 to −700 HU"
    expected = 100 * 0.49 * (1 if key is SHIFT else math.pi / 4)
    assert float(lines[2].split()[1]) == pytest.approx(expected, rel=0.08)
    assert _measure(ct).unit == "HU"
    assert _measure(ct).value == -700


def test_a_freehand_region_closes_itself(ct: Desk) -> None:
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_G)
    ct.wait_kept(lambda: drag(ct, (40, 5), (50, 5), (50, 15), (40, 15)))
    lines = _lines(ct)
    assert lines[0] == "mean −700.0 ± 0.0 HU"
    assert float(lines[2].split()[1]) == pytest.approx(49, rel=0.12)


def test_the_statistics_are_those_of_the_pixels_inside(ct: Desk) -> None:
    ct.viewport.go_to(3)
    frame = ct.case.stack.frame(3)
    flat = ((20.0, 16.0), (30.0, 26.0))
    found = shapes.value(MeasureKind.RECTANGLE, flat, ct.case.stack, 3)
    inside = frame[16:26, 20:30]
    assert found.number == pytest.approx(float(inside.mean()))
    assert found.lines[1] == f"{inside.min():g} to {inside.max():g} HU".replace("-", "−")


def _type_text(desk: Desk, text: str) -> None:
    (line,) = desk.viewport.findChildren(TextLine)
    desk.bot.keyClicks(line, text)
    desk.bot.keyClick(line, KEY.Key_Return)


def test_an_arrow_has_a_text_and_keys_typed_into_it_are_its_own(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_A, SHIFT)
    drag(ct, (20, 20), (40, 30))
    ct.wait_kept(lambda: _type_text(ct, "new, 4 mm"))
    shape = _only(ct)
    assert shape.text == "new, 4 mm"
    assert shape.points[0] == pytest.approx((6, 20, 20), abs=0.3)
    assert _measure(ct).label == "new, 4 mm"
    assert ct.viewport.mouse.tool is Tool.ARROW  # the "n" and "m" were letters


def test_a_text_is_written_where_the_image_was_clicked_and_can_be_changed(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_T, SHIFT)
    click(ct, (20, 20))
    ct.wait_kept(lambda: _type_text(ct, "scar"))
    assert _only(ct).text == "scar"
    ct.bot.keyClick(ct.window, KEY.Key_F2)
    ct.wait_kept(lambda: _type_text(ct, "s"))
    assert _only(ct).text == "scars"
    ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_Z, CTRL))
    assert _only(ct).text == "scar"


def test_an_empty_text_is_none(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_T, SHIFT)
    click(ct, (20, 20))
    (line,) = ct.viewport.findChildren(TextLine)
    ct.bot.keyClick(line, KEY.Key_Escape)
    ct.bot.wait(30)
    assert ct.case.shapes == ()
    assert ct.window.journal.pending == 0


@pytest.mark.parametrize("tool", [Tool.DISTANCE, Tool.ELLIPSE, Tool.RECTANGLE, Tool.FREEHAND])
def test_every_shape_moves_by_its_line_and_changes_by_its_handles_with_any_tool(ct: Desk, tool: Tool) -> None:
    ct.viewport.mouse.set_tool(tool)
    path = [(20.0, 20.0), (30.0, 20.0), (30.0, 30.0)] if tool is Tool.FREEHAND else [(20.0, 20.0), (30.0, 30.0)]
    ct.wait_kept(lambda: drag(ct, *path))
    before = _only(ct)
    ct.viewport.mouse.set_tool(Tool.WINDOW)
    window = ct.viewport.view.window
    flat = shapes.on_plane(before, ct.viewport.stack, ct.viewport.index)
    assert flat is not None
    handle = shapes.handles(before.kind, flat)[0]
    ct.wait_kept(lambda: drag(ct, handle, (handle[0] - 4, handle[1] - 4)))
    changed = _only(ct)
    assert changed.points != before.points
    outline = shapes.outline(changed.kind, shapes.on_plane(changed, ct.viewport.stack, ct.viewport.index) or ())[0]
    middle = outline[len(outline) // 2 - 1], outline[len(outline) // 2]
    on_line = ((middle[0][0] + middle[1][0]) / 2, (middle[0][1] + middle[1][1]) / 2)
    if tool is Tool.ELLIPSE:
        k = len(outline) // 8  # between two handles
        on_line = outline[k]
    ct.wait_kept(lambda: drag(ct, on_line, (on_line[0] + 5, on_line[1] + 3)))
    shift = np.array(_only(ct).points) - np.array(changed.points)
    assert np.abs(shift - np.array([0, 5, 3])).max() < 0.5
    assert ct.viewport.view.window == window
    for expected in (changed.points, before.points):
        ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_Z, CTRL))
        assert _only(ct).points == expected
    ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_Y, CTRL))
    assert _only(ct).points == changed.points


def test_a_shape_is_deleted_by_backspace_and_comes_back_by_undo(ct: Desk) -> None:
    ct.viewport.mouse.set_tool(Tool.ELLIPSE)
    ct.wait_kept(lambda: drag(ct, (20, 20), (30, 30)))
    ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_Backspace))
    assert ct.case.shapes == ()
    ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_Z, CTRL))
    assert _only(ct).kind is MeasureKind.ELLIPSE


@pytest.mark.parametrize("tool", [t for t in SHAPES if t is not Tool.TEXT])
def test_a_mere_click_draws_nothing(ct: Desk, tool: Tool) -> None:
    ct.viewport.mouse.set_tool(tool)
    click(ct, (20, 20))
    ct.bot.wait(20)
    assert ct.case.shapes == ()
    assert ct.window.journal.pending == 0


def test_a_length_on_a_coronal_view_is_in_millimetres_of_the_patient(ct: Desk) -> None:
    """Slices are 3 mm apart and columns 0.7 mm: four slices and ten columns."""
    ct.bot.keyClick(ct.window, KEY.Key_F7)
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (20.5, 2.5), (30.5, 6.5)))
    mark = _measure(ct)
    expected = math.hypot(10 * 0.7, 4 * 3.0)
    assert mark.value == pytest.approx(expected, abs=0.5)
    a, b = (np.array(p) for p in mark.patient_mm)
    assert float(np.linalg.norm(a - b)) == pytest.approx(mark.value, abs=0.01)
    assert mark.depths  # its ends lie on different slices
    flat = shapes.on_plane(_only(ct), ct.viewport.stack, ct.viewport.index)
    assert flat is not None
    ct.bot.keyClick(ct.window, KEY.Key_F5)
    assert shapes.on_plane(_only(ct), ct.viewport.stack, ct.viewport.index) is None


def test_a_length_on_an_acquired_slice_is_seen_edge_on_in_no_other_plane_but_its_own(ct: Desk) -> None:
    ct.viewport.go_to(4)
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (10, 10), (30, 10)))
    shape = _only(ct)
    ct.bot.keyClick(ct.window, KEY.Key_F6)  # axial: the same slices here
    stack = ct.viewport.stack
    planes = [k for k in range(len(stack)) if shapes.on_plane(shape, stack, k) is not None]
    assert planes == [4]
    flat = shapes.on_plane(shape, stack, 4)
    assert flat is not None
    assert shapes.value(shape.kind, flat, stack, 4).number == pytest.approx(14, abs=0.4)


@pytest.mark.parametrize("name", ["axial", "prone", "transposed"])
def test_lengths_are_right_where_rows_and_columns_are_not_equally_far_apart(
    desk: Desk, tmp_path: Path, name: str
) -> None:
    """Rows 0.9 mm and columns 1.4 mm apart, in any acquisition: the view turns, the millimetres stay."""
    desk.open(phantom_files.write_mhd(volume(geometry(DIRECTIONS[name])), tmp_path / "volume.mhd"))
    desk.bot.keyClick(desk.window, KEY.Key_D)
    desk.wait_kept(lambda: drag(desk, (10, 10), (20, 10)))
    assert _measure(desk).value == pytest.approx(14.0, abs=0.7)
    desk.wait_kept(lambda: desk.bot.keyClick(desk.window, KEY.Key_Backspace))
    desk.wait_kept(lambda: drag(desk, (10, 10), (10, 20)))
    assert _measure(desk).value == pytest.approx(9.0, abs=0.5)


def test_a_right_angle_is_one_in_anisotropic_pixels(desk: Desk, tmp_path: Path) -> None:
    desk.open(phantom_files.write_mhd(volume(geometry(DIRECTIONS["axial"])), tmp_path / "volume.mhd"))
    stack = desk.case.stack
    diagonal = ((0.0, 0.0), (9.0, 14.0), (9.0 + 14.0 * 0.9 / 1.4, 14.0 - 9.0 * 1.4 / 0.9))
    found = shapes.value(MeasureKind.ANGLE, diagonal, stack, 3)
    assert found.number == pytest.approx(90, abs=1e-6)
    square = shapes.value(MeasureKind.RECTANGLE, ((0.0, 0.0), (9.0, 14.0)), stack, 3)
    assert square.lines[-1] == f"area {9 * 1.4 * 14 * 0.9:.1f} mm²"


def test_drawing_on_a_turned_view_gives_the_same_points(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_Right, CTRL)
    assert ct.viewport.view.turns == 1
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (10, 10), (30, 12)))
    a, b = _only(ct).points
    assert a[1:] == pytest.approx((10, 10), abs=0.3)
    assert b[1:] == pytest.approx((30, 12), abs=0.3)


def test_what_was_drawn_is_there_when_the_journal_is_read_again(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (10, 10), (30, 12)))
    before = ct.case.shapes
    ct.wait_kept(lambda: ct.window.review_controller.begin(ct.case))
    assert ct.case.shapes == before


def test_scrolling_while_an_angle_is_half_drawn_draws_on_no_other_slice(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_A)
    drag(ct, (10, 10), (30, 10))
    ct.bot.mouseMove(ct.viewport, _at(ct.viewport, (30, 25)))
    ct.viewport.step(1)
    ct.wait_kept(lambda: click(ct, (35, 30)))
    assert {p[0] for p in _only(ct).points} == {6.0}


class _FullDisk:
    """While `full`, no journal takes anything."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.full = True
        take = Session.record_all

        def record_all(session: Session, *marks: Any) -> Any:
            if self.full:
                raise JournalError("no space left on device")
            return take(session, *marks)

        patch.setattr(Session, "record_all", record_all)


def test_what_a_full_disk_does_not_take_stays_drawn_as_unsaved_until_it_does(
    ct: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, drawings = _FullDisk(monkeypatch), ct.window.workspace.drawings
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (10, 10), (30, 10)))
    assert ct.case.shapes == ()  # it does not count
    assert len(drawings._drafts) == 1
    picture = ct.viewport.grab().toImage()
    row = [picture.pixelColor(ct.viewport.to_screen(x / 10, 10).toPoint()).yellow() for x in range(120, 280)]
    assert max(row) > 60 > min(row)  # dotted
    ct.wait_kept(lambda: ct.window.review_controller.begin(ct.case))  # the case is left and turned to again
    drawings.drop_drafts()
    ct.wait_kept(lambda: ct.window.review_controller.begin(ct.case))
    assert len(drawings._drafts) == 1
    assert any("Not saved: no space left" in text for text in ct.window.workspace.notifications.texts())
    disk.full = False
    ct.wait_kept(lambda: ct.window.workspace.notifications.answer("journal", "Try again"))
    assert len(ct.case.shapes) == 1
    assert drawings._drafts == {}
    assert "journal" not in ct.window.workspace.notifications.topics()
    assert len(Session(case_key(ct.case.series)).entries()) == 1


def test_what_was_not_saved_goes_to_the_disk_with_the_next_mark_and_before_it(
    ct: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = _FullDisk(monkeypatch)
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (10, 10), (30, 10)))
    disk.full = False
    ct.wait_kept(lambda: drag(ct, (10, 20), (30, 20)))
    assert [round(s.points[0][2]) for s in ct.case.shapes] == [10, 20]


def test_an_error_nobody_foresaw_is_told_and_loses_nothing(ct: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Session, "record_all", lambda *_: 1 / 0)
        ct.bot.keyClick(ct.window, KEY.Key_D)
        ct.wait_kept(lambda: drag(ct, (10, 10), (30, 10)))
    assert any("ZeroDivisionError" in text for text in ct.window.workspace.notifications.texts())
    ct.window.journal.close()  # tries once more
    assert len(Session(case_key(ct.case.series)).entries()) == 1


def test_a_region_over_voxels_without_a_value_is_kept_and_measures_the_others(ct: Desk) -> None:
    stack = ct.case.stack
    stack.pixels = stack.pixels.astype(np.float32)
    stack.pixels[:, 15, 15] = np.nan
    stack.pixels[:, 30:40, :] = np.inf
    ct.case.stack.pixels = ct.window.workspace.drawings.pixels = stack.pixels
    for top in (12, 31):
        ct.viewport.mouse.set_tool(Tool.RECTANGLE)
        ct.wait_kept(lambda top=top: drag(ct, (10, top), (20, top + 6)))
    partly, nowhere = (e.mark for e in Session(case_key(ct.case.series)).entries())
    assert isinstance(partly, Measure)
    assert partly.value == pytest.approx(np.nanmean(stack.pixels[ct.viewport.index, 12:18, 10:20]), abs=0.01)
    assert isinstance(nowhere, Measure)
    assert nowhere.value is None
    assert len(ct.case.shapes) == 2


def test_k_marks_a_key_image_and_takes_the_mark_away(ct: Desk) -> None:
    ct.viewport.go_to(5)
    ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_K))
    assert ct.case.key_images == {5}
    assert ct.case.reading().key_images == (5,)
    ct.wait_kept(lambda: ct.bot.keyClick(ct.window, KEY.Key_K))
    assert ct.case.key_images == frozenset()


def test_shapes_of_the_open_case_are_not_drawn_on_a_view_of_another(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.wait_kept(lambda: drag(ct, (10, 10), (30, 10)))
    ct.window.workspace.drawings.pixels = None
    ct.viewport.mouse.set_tool(Tool.DISTANCE)
    drag(ct, (10, 20), (30, 20))
    ct.bot.wait(20)
    assert len(ct.case.shapes) == 1
    assert ct.window.workspace.drawings.grip_at(ct.viewport, QPointF(_at(ct.viewport, (10, 10)))) is None
