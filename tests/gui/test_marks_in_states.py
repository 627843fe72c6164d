"""How findings are drawn, measures hidden by themselves, and no text over an image on another."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from gui_desk import Desk, breast_result, nodule
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor
from test_drawing import drag
from test_painting import _mark, _picture

from cadviewer.gui.canvas.mouse import Tool
from cadviewer.gui.canvas.text_places import TextPlaces
from cadviewer.gui.canvas.viewport import FindingMarks
from cadviewer.gui.widgets import style
from cadviewer.inference.protocol import Finished

KEY, SHIFT = Qt.Key, Qt.KeyboardModifier.ShiftModifier
OUTLINE = np.array([[32, 18], [35, 18], [35, 21], [32, 21]], np.float32)


def drawn(desk: Desk, x: float, y: float) -> bool:
    """Whether a line in the colour of open findings goes through an image point."""
    colour = _mark(desk, x, y)
    return colour.red() > 150 and colour.red() - colour.blue() > 60


@pytest.fixture
def outlined(ct: Desk) -> Desk:
    """One finding with an outline on slice 7, where it is shown; its box is (30, 16) to (38, 24)."""
    from dataclasses import replace

    ct.finish(replace(nodule(1, 0.9, 6, 8, x=30), outlines={7: OUTLINE}))
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    ct.window.review_controller.unselect()
    ct.viewport.go_to(7)
    return ct


def test_a_key_goes_through_the_ways_of_drawing_findings(outlined: Desk) -> None:
    edge = 2 / outlined.viewport.view.scale[0]
    side, corner, line = (30 - edge, 20.0), (30 - edge, 16.3), (32.0, 19.5)
    seen = {}
    for _ in range(4):
        seen[outlined.viewport.findings] = tuple(drawn(outlined, *at) for at in (side, corner, line))
        outlined.bot.keyClick(outlined.window, KEY.Key_M, SHIFT)
    assert seen == {
        FindingMarks.BOTH: (True, True, True),
        FindingMarks.OUTLINE: (False, False, True),
        FindingMarks.CORNERS: (False, True, False),
        FindingMarks.NONE: (False, False, False),
    }
    assert outlined.viewport.findings is FindingMarks.BOTH


def test_a_finding_without_an_outline_keeps_its_box(read_ct: Desk) -> None:
    read_ct.window.review_controller.unselect()
    read_ct.viewport.go_to(7)
    read_ct.bot.keyClick(read_ct.window, KEY.Key_M, SHIFT)
    assert read_ct.viewport.findings is FindingMarks.OUTLINE
    assert drawn(read_ct, 30 - 2 / read_ct.viewport.view.scale[0], 20)


def test_hidden_findings_take_no_click_and_the_image_says_so(outlined: Desk) -> None:
    at = outlined.viewport.to_screen(34, 20)
    boxes = outlined.window.workspace.grid.panes[0].boxes
    assert boxes.at(outlined.viewport, at) == 1
    outlined.window.workspace.grid.set_findings(FindingMarks.NONE)
    assert boxes.at(outlined.viewport, at) is None
    corner = outlined.window.workspace.corners
    from PySide6.QtGui import QFontMetricsF

    texts = [text for _, text in corner._lines(outlined.viewport, QFontMetricsF(outlined.viewport.font()))]
    assert any(text.startswith("findings hidden") for text in texts)


def test_the_way_is_there_again_at_the_next_start_but_hidden_findings_are_not(outlined: Desk) -> None:
    preferences = outlined.window.preferences
    for _ in range(3):
        outlined.bot.keyClick(outlined.window, KEY.Key_M, SHIFT)
    assert outlined.viewport.findings is FindingMarks.NONE
    assert preferences.now.finding_marks == "corners"


def test_measures_are_hidden_by_themselves_and_are_back_when_one_is_drawn(outlined: Desk) -> None:
    outlined.window.view_actions.use_tool(Tool.DISTANCE)
    outlined.wait_kept(lambda: drag(outlined, (5, 40), (25, 40)))
    yellow = QColor(255, 233, 130)

    def shown() -> bool:
        at, picture = outlined.viewport.to_screen(15, 40), _picture(outlined)
        near = [picture.pixelColor(round(at.x()), round(at.y()) + k) for k in (-1, 0, 1)]
        return any(abs(c.red() - yellow.red()) + abs(c.blue() - yellow.blue()) < 120 for c in near)

    before = shown()
    outlined.bot.keyClick(outlined.window, KEY.Key_D, SHIFT)
    assert (before, shown()) == (True, False)
    assert drawn(outlined, 32, 19.5)
    assert outlined.window.workspace.drawings.grip_at(outlined.viewport, outlined.viewport.to_screen(5, 40)) is None
    outlined.window.view_actions.use_tool(Tool.ANGLE)
    assert shown()


def test_a_mask_is_drawn_in_the_same_ways(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm"))
    job = desk.engine.jobs[-1]
    series = desk.case.series
    rows, columns = series.geometry.shape[1:]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, rows, columns)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    seen = {}
    for how in FindingMarks:
        desk.window.workspace.grid.set_findings(how)
        picture = _picture(desk)
        at = desk.viewport.to_screen(3 * columns / 8, rows / 4)  # the middle of its upper side
        near = [picture.pixelColor(round(at.x()), round(at.y()) + k) for k in (-2, -1, 0, 1, 2)]
        seen[how] = any(abs(c.red() - style.MASK.red()) + abs(c.green() - style.MASK.green()) < 60 for c in near)
    assert seen == {
        FindingMarks.BOTH: True,
        FindingMarks.OUTLINE: True,
        FindingMarks.CORNERS: False,
        FindingMarks.NONE: False,
    }


@pytest.mark.parametrize("size", [(1366, 768), (760, 560)])
def test_no_text_lies_on_another(ct: Desk, size: tuple[int, int]) -> None:
    """Eight findings side by side, one in a corner, three lengths between them."""
    crowd = [nodule(k, 0.95 - 0.02 * k, 6, 8, x=14 + 3 * (k % 4), y=14 + 3 * (k // 4), side=4) for k in range(1, 9)]
    ct.finish(*crowd, nodule(9, 0.7, 6, 8, x=0, y=0, side=5))
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    ct.window.resize(*size)
    ct.viewport.go_to(7)
    ct.window.view_actions.use_tool(Tool.DISTANCE)
    for y in (12, 20, 22):
        ct.wait_kept(lambda y=y: drag(ct, (6, y), (16, y)))
    _picture(ct)
    taken = ct.viewport.texts.taken
    assert len(taken) > 12
    for a, b in combinations(taken, 2):
        assert not a.intersects(b), (a, b)
    assert all(QRectF(ct.viewport.rect()).contains(rect) for rect in taken[-6:])


def test_a_text_that_is_needed_has_a_place_where_nothing_is_free() -> None:
    places = TextPlaces()
    places.begin([QRectF(0, 0, 100, 100)])
    wanted, area = [QRectF(QPointF(20, 20), QPointF(60, 34))], QRectF(0, 0, 100, 100)
    assert places.take(wanted, area, needed=False) is None
    assert places.take(wanted, area, needed=True) == wanted[0]


def test_the_reset_of_a_view_is_undone_before_answers_are(read_ct: Desk) -> None:
    read_ct.window.review_controller.unselect()
    read_ct.viewport.zoom(3)
    zoomed = read_ct.viewport.view
    read_ct.bot.keyClick(read_ct.window, KEY.Key_Escape)
    assert read_ct.viewport.view != zoomed
    assert read_ct.window.actions_["undo"].isEnabled()
    read_ct.bot.keyClick(read_ct.window, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert read_ct.viewport.view == zoomed
    assert not read_ct.window.actions_["undo"].isEnabled()


def test_a_reset_view_that_was_moved_since_is_not_undone(read_ct: Desk, tmp_path: Path) -> None:
    read_ct.window.review_controller.unselect()
    read_ct.viewport.zoom(3)
    read_ct.bot.keyClick(read_ct.window, KEY.Key_Escape)
    read_ct.viewport.zoom(2)
    moved = read_ct.viewport.view
    read_ct.bot.keyClick(read_ct.window, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert read_ct.viewport.view == moved
    read_ct.bot.keyClick(read_ct.window, KEY.Key_Escape)
    read_ct.open(write_ct(tmp_path / "other"))
    assert not read_ct.window.view_actions.undo_reset()
