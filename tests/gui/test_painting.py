"""What is on the screen, pixel by pixel where it matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gui_desk import Desk, breast_result, nodule
from gui_images import write_ct, write_ultrasound
from PySide6.QtGui import QColor, QImage

from cadviewer.findings import Task
from cadviewer.gui.breast.mask import outlines
from cadviewer.gui.canvas import overlay_text, render
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.cases import wording
from cadviewer.gui.cases.studies_panel import short_state
from cadviewer.gui.nodules import boxes
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo, Window
from cadviewer.inference.protocol import Finished
from cadviewer.store.reading import Origin


def _picture(desk: Desk) -> QImage:
    desk.viewport.repaint()
    return desk.viewport.grab().toImage()


def _colour(desk: Desk, x: float, y: float) -> QColor:
    at = desk.viewport.to_screen(x, y)
    return _picture(desk).pixelColor(round(at.x()), round(at.y()))


def _mark(desk: Desk, x: float, y: float) -> QColor:
    """The most orange pixel at or beside a place: between which pixels a line falls depends on the window."""
    at, picture = desk.viewport.to_screen(x, y), _picture(desk)
    near = [picture.pixelColor(int(at.x()) + i, int(at.y()) + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return max(near, key=lambda colour: colour.red() - colour.blue())


def _stack(**changes: object) -> Stack:
    series = Series(
        Path("x"),
        "sitk",
        tuple(SliceInfo(Path("x"), k) for k in range(3)),
        Geometry((3, 40, 50), (0.5, 0.5), 2.0, (0, 0, 10), ((0, 0, 1), (0, 1, 0), (1, 0, 0))),
        Shape.VOLUME,
        np.dtype(np.int16),
        hounsfield=True,
    )
    return Stack(replace(series, **changes), np.full((3, 40, 50), -734, np.int16))  # type: ignore[arg-type]


def test_gray_values_follow_the_window() -> None:
    frame = np.array([[-1350, -600, 150, 3000]], np.int16)
    image = render.to_image(frame, Window(-600, 1500))
    assert [image.pixelColor(k, 0).red() for k in range(4)] == [0, pytest.approx(127, abs=1), 255, 255]


def test_monochrome1_shows_low_values_bright(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "ct", inverted=True, value=-1000))
    assert _colour(desk, 5, 40).red() > 180


def test_colour_frames_keep_their_colours() -> None:
    frame = np.zeros((2, 2, 3), np.uint8)
    frame[0, 1] = (200, 30, 10)
    colour = render.to_image(frame, Window(127.5, 255)).pixelColor(1, 0)
    assert (colour.red(), colour.green(), colour.blue()) == (200, 30, 10)


def test_the_box_lies_on_the_pixels_it_names(read_ct: Desk) -> None:
    read_ct.viewport.go_to(7)
    view = read_ct.viewport.view
    edge = 2 / view.scale[0]  # boxes are drawn two screen pixels outside
    for x, y in ((30 - edge, 20), (38 + edge, 20), (34, 24 + edge)):
        colour = _mark(read_ct, x, y)
        assert colour.red() > colour.blue() + 100, (x, y, colour.name())


def test_an_outline_is_drawn_where_it_lies_also_beyond_the_last_box(ct: Desk) -> None:
    square = np.array([[31, 16], [37, 16], [37, 23], [31, 23]], np.float32)
    ct.finish(replace(nodule(1, 0.9, 6, 8, x=30), outlines={7: square, 9: square}))
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    for index in (7, 9):
        ct.viewport.go_to(index)
        on_it = _mark(ct, 34, 23)
        assert on_it.red() > on_it.blue() + 100, (index, on_it.name())
        assert _colour(ct, 34, 20).saturation() < 40  # the inside stays free
    ct.viewport.go_to(8)
    assert _colour(ct, 34, 23).saturation() < 40


def test_hiding_marks_hides_boxes_but_never_the_orientation_letters(read_ct: Desk) -> None:
    read_ct.viewport.go_to(7)
    with_marks = _picture(read_ct)
    read_ct.viewport.cycle_marks()
    read_ct.viewport.cycle_marks()
    assert _colour(read_ct, 30 - 2 / read_ct.viewport.view.scale[0], 20).saturation() < 40
    left = with_marks.copy(0, with_marks.height() // 2 - 20, 40, 40)
    assert _picture(read_ct).copy(0, with_marks.height() // 2 - 20, 40, 40) == left


def test_corner_text_says_place_thickness_and_value() -> None:
    slices = tuple(SliceInfo(Path("x"), k, instance_number=9 - k, thickness_mm=2.5) for k in range(3))
    stack = _stack(slices=slices)
    assert overlay_text.place_lines(stack, 1) == ["Image 2 / 3   (no. 8)", "z 12.0 mm", "slice 2.5 mm"]
    assert overlay_text.probe_line(stack, 1, (4.2, 7.9)) == "HU −734   x 4  y 7"
    assert overlay_text.probe_line(stack, 1, (-1, 7)) == ""


def test_an_image_without_a_place_shows_no_millimetres() -> None:
    stack = _stack(geometry=Geometry((3, 40, 50)), hounsfield=False)
    assert overlay_text.place_lines(stack, 1) == ["Image 2 / 3"]
    assert overlay_text.probe_line(stack, 1, (4, 7)) == "value −734   x 4  y 7"


def test_a_scale_bar_is_a_round_length() -> None:
    assert overlay_text.scale_bar(2.0, 800) == (200, "10 cm")
    assert overlay_text.scale_bar(0.9, 800) == (180, "20 cm")
    assert overlay_text.scale_bar(30, 800) == (150, "5 mm")


def test_the_outline_of_a_mask_runs_along_the_borders_of_its_pixels() -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[2:5, 3:6] = 255
    (points,) = outlines(mask)
    assert points.min(axis=0).tolist() == [3.0, 2.0]
    assert points.max(axis=0).tolist() == [6.0, 5.0]


def test_the_outline_of_a_mask_at_the_border_is_closed() -> None:
    (line,) = outlines(np.full((3, 4), 255, np.uint8))
    assert line[0].tolist() == line[-1].tolist()
    assert (line.min(axis=0).tolist(), line.max(axis=0).tolist()) == ([0.0, 0.0], [4.0, 3.0])


def test_a_mask_is_outlined_on_its_image(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm"))
    if not desk.engine.jobs:
        desk.window.analysis_actions.analyse(Task.BREAST)
    job = desk.engine.jobs[0]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 160, 200)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    colour = _colour(desk, 50, 60)
    assert colour.blue() > colour.red() + 60
    assert _colour(desk, 75, 60).saturation() < 40  # the inside stays free


def test_pixels_that_are_not_square_keep_their_aspect_on_screen(desk: Desk, ct_folder: Path) -> None:
    desk.open(ct_folder)
    rect = desk.viewport.image_rect()
    assert rect.width() / rect.height() == pytest.approx(64 / 48)


def test_a_moving_mouse_repaints_a_corner_only(ct: Desk) -> None:
    ct.viewport.repaint()
    rect = ct.window.workspace.corners.probe_rect
    assert 0 < rect.height() < ct.viewport.height() / 4
    assert rect.width() < ct.viewport.width() / 2


def test_a_box_has_the_score_of_its_finding_as_in_the_list(read_ct: Desk) -> None:
    first = read_ct.case.findings()[0]
    lower = replace(first, boxes=tuple(replace(b, score=b.score / (1 + b.slice)) for b in first.boxes))
    score = wording.score(lower, Origin.MODEL).removeprefix("score ")
    assert boxes.label(read_ct.case, lower) == f"{first.number} · {score}"


def test_the_list_says_that_a_loop_has_several_scores(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm", frames=2))
    job = desk.engine.jobs[-1]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 160, 200, frames=2)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    assert "up to" in short_state(desk.case)[1]
