"""Two examinations side by side: as large in mm, at the same place, and nothing of it left afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from gui_desk import Desk
from gui_images import write_ct
from PySide6.QtCore import QPointF, Qt
from test_compare import compare, head, pair

from cadviewer.gui.canvas.viewport import Viewport
from cadviewer.gui.viewing.grid.layout import Layout

CTRL = Qt.KeyboardModifier.ControlModifier


def per_mm(viewport: Viewport) -> float:
    """Screen units per mm, measured on the screen."""
    assert viewport.stack is not None
    mm = viewport.stack.pixel_mm
    assert mm is not None
    a, b = viewport.to_screen(10, 10), viewport.to_screen(20, 10)
    return ((b.x() - a.x()) ** 2 + (b.y() - a.y()) ** 2) ** 0.5 / (10 * mm[1])


def middle(viewport: Viewport) -> tuple[float, ...]:
    """LPS mm of the middle of the screen."""
    assert viewport.stack is not None
    assert viewport.view is not None
    x, y = viewport.view.centre
    return tuple(viewport.stack.geometry.to_patient((viewport.index, y - 0.5, x - 0.5)).tolist())


@pytest.fixture
def two(desk: Desk, tmp_path: Path) -> Desk:
    """Of one patient and one frame of reference, with pixels of .7 and of 1.1 mm."""
    same = {"FrameOfReferenceUID": "1.2.3", "PatientID": "7", "PatientName": "Doe^Jane"}
    desk.open(write_ct(tmp_path / "now", StudyDate="20240301", **same))
    compare(desk, write_ct(tmp_path / "prior", StudyDate="20230301", PixelSpacing=[1.1, 1.1], **same))
    return desk


def equal(desk: Desk) -> None:
    first, second = pair(desk)
    assert per_mm(first) == pytest.approx(per_mm(second), rel=1e-6)
    assert middle(first) == pytest.approx(middle(second), abs=0.01)


def test_they_are_as_large_and_at_one_place_whatever_is_done(two: Desk) -> None:
    equal(two)
    first, second = pair(two)
    first.zoom(2.0, QPointF(30, 40))
    equal(two)
    second.zoom(0.7)
    equal(two)
    assert first.view is not None
    first.set_view(first.view.panned(25, -14))
    equal(two)
    first.go_to(2)
    equal(two)
    two.window.resize(1700, 900)
    two.bot.wait(50)
    equal(two)
    first.reset()
    equal(two)


def test_parted_examinations_keep_one_scale_and_go_their_own_ways(two: Desk) -> None:
    two.bot.keyClick(two.window, Qt.Key.Key_L)
    first, second = pair(two)
    before = middle(second)
    assert first.view is not None
    first.set_view(first.view.panned(25, -14))
    assert middle(second) == pytest.approx(before)
    first.zoom(2)
    assert per_mm(first) == pytest.approx(per_mm(second))


def test_nothing_outlives_the_comparison(two: Desk) -> None:
    assert "2023-03-01" in head(two)
    two.bot.keyClick(two.window, Qt.Key.Key_1, CTRL)
    grid = two.window.workspace.grid
    assert grid.layout_now is Layout.ONE
    assert head(two) == ""
    assert grid.beside is None
    assert two.window.cases.beside is None
    assert not {"patients", "link"} & set(two.window.workspace.notifications.topics())
    two.bot.keyClick(two.window, Qt.Key.Key_3, CTRL)
    assert grid.layout_now is Layout.FOUR
    assert all(pane.case is two.case for pane in grid.shown)


def test_of_another_patient_nothing_is_proposed(desk: Desk, tmp_path: Path) -> None:
    desk.open(
        write_ct(tmp_path / "a", PatientID="7", PatientName="Doe^Jane"),
        write_ct(tmp_path / "b", PatientID="8", PatientName="Roe^Ann"),
    )
    desk.bot.waitUntil(lambda: len(desk.window.cases) == 2)
    assert desk.window.comparison.likeliest() is None
    desk.bot.keyClick(desk.window, Qt.Key.Key_4, CTRL)
    assert desk.window.workspace.grid.layout_now is Layout.ONE
