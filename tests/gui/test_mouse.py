"""Every mouse binding of the design's table."""

from __future__ import annotations

import pytest
from gui_desk import Desk
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from cadviewer.gui.canvas.mouse import Tool

LEFT, MIDDLE, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
NONE, CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


def _drag(desk: Desk, button: Qt.MouseButton, start: QPoint, by: QPoint) -> None:
    desk.bot.mousePress(desk.viewport, button, NONE, start)
    for part in (0.3, 0.7, 1.0):
        at = start + QPoint(round(by.x() * part), round(by.y() * part))
        desk.bot.mouseMove(desk.viewport, at)
    desk.bot.mouseRelease(desk.viewport, button, NONE, start + by)


def _wheel(desk: Desk, notches: float, at: QPoint, modifiers: Qt.KeyboardModifier = NONE) -> None:
    event = QWheelEvent(
        QPointF(at),
        QPointF(desk.viewport.mapToGlobal(at)),
        QPoint(),
        QPoint(0, round(120 * notches)),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(desk.viewport, event)


def _middle(desk: Desk) -> QPoint:
    return desk.viewport.rect().center()


def test_a_left_drag_windows_by_default(ct: Desk) -> None:
    before = ct.viewport.view.window
    _drag(ct, LEFT, _middle(ct), QPoint(30, 40))
    after = ct.viewport.view.window
    assert after.width > before.width
    assert after.centre < before.centre  # down is brighter


def test_a_left_drag_scrolls_pans_or_zooms_with_those_tools(ct: Desk) -> None:
    ct.viewport.go_to(9)
    ct.viewport.mouse.set_tool(Tool.SCROLL)
    _drag(ct, LEFT, _middle(ct), QPoint(0, 80))
    assert ct.viewport.index < 9
    ct.viewport.mouse.set_tool(Tool.PAN)
    x = ct.viewport.view.centre[0]
    _drag(ct, LEFT, _middle(ct), QPoint(-60, 0))
    assert ct.viewport.view.centre[0] > x
    ct.viewport.mouse.set_tool(Tool.ZOOM)
    zoom = ct.viewport.view.zoom
    _drag(ct, LEFT, _middle(ct), QPoint(0, -60))
    assert ct.viewport.view.zoom > zoom


def test_a_middle_drag_pans(ct: Desk) -> None:
    x = ct.viewport.view.centre[0]
    _drag(ct, MIDDLE, _middle(ct), QPoint(-60, 0))
    assert ct.viewport.view.centre[0] > x


def test_a_right_drag_zooms_and_opens_no_menu(ct: Desk) -> None:
    zoom = ct.viewport.view.zoom
    with ct.bot.assertNotEmitted(ct.viewport.menu_asked):
        _drag(ct, RIGHT, _middle(ct), QPoint(0, -60))
    assert ct.viewport.view.zoom > zoom


def test_a_right_click_opens_the_menu(ct: Desk) -> None:
    ct.viewport.menu_asked.disconnect()
    with ct.bot.waitSignal(ct.viewport.menu_asked):
        ct.bot.mouseClick(ct.viewport, RIGHT, NONE, _middle(ct))


def test_the_wheel_scrolls_one_slice_a_notch(ct: Desk) -> None:
    ct.viewport.go_to(5)
    _wheel(ct, -1, _middle(ct))
    assert ct.viewport.index == 4
    _wheel(ct, 2, _middle(ct))
    assert ct.viewport.index == 6


def test_parts_of_a_notch_add_up(ct: Desk) -> None:
    ct.viewport.go_to(5)
    for _ in range(4):
        _wheel(ct, -0.25, _middle(ct))
    assert ct.viewport.index == 4


def test_ctrl_and_wheel_zoom_at_the_cursor(ct: Desk) -> None:
    at = _middle(ct) + QPoint(50, 30)
    before = ct.viewport.to_image(QPointF(at))
    index = ct.viewport.index
    _wheel(ct, 3, at, CTRL)
    assert ct.viewport.to_image(QPointF(at)) == pytest.approx(before)
    assert not ct.viewport.view.fitted
    assert ct.viewport.index == index


def test_a_double_click_maximises_the_image_and_another_brings_the_sides_back(ct: Desk) -> None:
    ct.bot.mouseDClick(ct.viewport, LEFT, NONE, _middle(ct))
    assert not ct.window.left.isVisible()
    assert not ct.window.side.isVisible()
    ct.bot.mouseDClick(ct.viewport, LEFT, NONE, _middle(ct))
    assert ct.window.left.isVisible()


def test_a_click_on_a_box_selects_its_finding(read_ct: Desk) -> None:
    read_ct.viewport.go_to(7)
    at = read_ct.viewport.to_screen(34, 20).toPoint()
    read_ct.bot.mouseClick(read_ct.viewport, LEFT, NONE, at)
    assert read_ct.case.selected == 2


def test_a_drag_on_the_strip_goes_through_the_slices(ct: Desk) -> None:
    strip = ct.window.workspace.scrollbar
    ct.bot.mousePress(strip, LEFT, NONE, QPoint(8, round(strip.y_of(2))))
    assert ct.viewport.index == 2
    ct.bot.mouseMove(strip, QPoint(8, round(strip.y_of(9))))
    ct.bot.mouseRelease(strip, LEFT, NONE, QPoint(8, round(strip.y_of(9))))
