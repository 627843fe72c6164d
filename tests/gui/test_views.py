"""Several views of one volume in the real window: orientation, the shared point, layouts, turning, slabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import labelled
import numpy as np
import pytest
from gui_desk import Desk
from gui_images import write_ct
from PySide6.QtCore import QPoint, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from cadviewer.gui.canvas import orientation
from cadviewer.gui.canvas.viewport import OverlayMode
from cadviewer.gui.viewing.grid.layout import MIP, Layout
from cadviewer.imaging.planes import Plane, Projection, Slab
from cadviewer.phantoms import files as phantom_files

KEY, NONE = Qt.Key, Qt.KeyboardModifier.NoModifier
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton
EVERY = {**labelled.DIRECTIONS, "oblique": labelled.OBLIQUE}
TISSUE = round((40 + 1350) / 1500 * 255)
"""Gray of the ball in the lung window."""
SIDES = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}


def press(desk: Desk, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
    desk.bot.keyClick(desk.window, key, modifiers)


def grid(desk: Desk) -> Any:
    return desk.window.workspace.grid


def views(desk: Desk) -> list[Any]:
    return [pane.viewport for pane in grid(desk).shown]


def labelled_file(tmp_path: Path, name: str) -> Path:
    return phantom_files.write_mhd(labelled.volume(labelled.geometry(EVERY[name])), tmp_path / "labelled.mhd")


def gray_at(viewport: Any, x: float, y: float) -> int:
    at = viewport.to_screen(x, y)
    return int(viewport.grab(QRect(at.toPoint(), QSize(1, 1))).toImage().pixelColor(0, 0).red())


@pytest.mark.parametrize("name", EVERY)
def test_every_view_shows_every_corner_where_its_letters_say(desk: Desk, tmp_path: Path, name: str) -> None:
    desk.open(labelled_file(tmp_path, name))
    press(desk, KEY.Key_3, CTRL)
    desk.viewport.set_window(labelled.volume(labelled.geometry(labelled.AXIAL)).series.windows[0])
    grid(desk).set_marks(OverlayMode.NONE)
    seen = set()
    for viewport in views(desk):
        geometry, view = viewport.stack.geometry, viewport.view
        edges = orientation.edges(geometry, view.turns, view.mirrored)
        assert edges is not None
        for signs in labelled.CORNERS:
            grid(desk).show_point(labelled.corner_point(signs))
            gray = gray_at(viewport, *viewport.cross)
            assert gray == pytest.approx(labelled.label(signs) * 0.255, abs=2), (name, viewport.stack.plane, signs)
            seen.add(gray)
            at, (width, height) = viewport.to_screen(*viewport.cross), viewport.area()
            axis, sign = SIDES[edges["right"][0]]
            assert (at.x() > width / 2) == (signs[axis] == sign)
            axis, sign = SIDES[edges["bottom"][0]]
            assert (at.y() > height / 2) == (signs[axis] == sign)
    assert len(seen) == 8


@pytest.mark.parametrize("name", EVERY)
def test_anatomical_views_hang_as_usual_however_the_patient_lay(desk: Desk, tmp_path: Path, name: str) -> None:
    desk.open(labelled_file(tmp_path, name))
    usual = {Plane.AXIAL: ("R", "A"), Plane.CORONAL: ("R", "H"), Plane.SAGITTAL: ("A", "H")}
    for key, plane in ((KEY.Key_F6, Plane.AXIAL), (KEY.Key_F7, Plane.CORONAL), (KEY.Key_F8, Plane.SAGITTAL)):
        press(desk, key)
        view = desk.viewport.view
        edges = orientation.edges(desk.viewport.stack.geometry, view.turns, view.mirrored)
        assert desk.viewport.stack.plane is plane
        assert edges is not None
        assert (edges["left"], edges["top"]) == usual[plane]
    press(desk, KEY.Key_F5)
    assert desk.viewport.stack is desk.case.stack


def test_coronal_pixels_keep_their_millimetres(desk: Desk, tmp_path: Path) -> None:
    desk.open(labelled_file(tmp_path, "axial"))
    press(desk, KEY.Key_F7)
    a, b = (desk.viewport.stack.geometry.to_index(labelled.corner_point((s, 1, s))) for s in (-1, 1))
    p, q = (desk.viewport.to_screen(at[2], at[1]) for at in (a, b))
    across, along = 2 * labelled.HALF[0], 2 * labelled.HALF[2]
    assert abs(q.x() - p.x()) / abs(q.y() - p.y()) == pytest.approx(across / along)


@pytest.mark.parametrize(
    ("key", "layout", "planes"),
    [
        (KEY.Key_1, Layout.ONE, [Plane.ACQUIRED]),
        (KEY.Key_2, Layout.ONE_TWO, [Plane.ACQUIRED, Plane.CORONAL, Plane.SAGITTAL]),
        (KEY.Key_3, Layout.FOUR, [Plane.ACQUIRED, Plane.CORONAL, Plane.SAGITTAL, Plane.ACQUIRED]),
    ],
)
def test_ctrl_and_a_number_choose_the_layout(ct: Desk, key: Qt.Key, layout: Layout, planes: list[Plane]) -> None:
    press(ct, key, CTRL)
    assert grid(ct).layout_now is layout
    assert [viewport.stack.plane for viewport in views(ct)] == planes
    assert all(viewport.isVisible() for viewport in views(ct))
    if layout is Layout.FOUR:
        assert views(ct)[3].view.slab == MIP
    press(ct, KEY.Key_1, CTRL)
    assert [pane.isVisible() for pane in grid(ct).panes] == [True] + [False] * (len(grid(ct).panes) - 1)


def test_an_oblique_acquisition_has_all_three_planes_of_the_patient_beside_it(desk: Desk, tmp_path: Path) -> None:
    desk.open(labelled_file(tmp_path, "oblique"))
    press(desk, KEY.Key_3, CTRL)
    assert [v.stack.plane for v in views(desk)] == [Plane.ACQUIRED, Plane.CORONAL, Plane.SAGITTAL, Plane.AXIAL]


def test_a_series_that_is_no_volume_says_why_it_has_no_planes(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "gap", gap=True))
    for key, modifiers in ((KEY.Key_2, CTRL), (KEY.Key_F7, NONE)):
        desk.window.workspace.notifications.dismiss("planes")
        press(desk, key, modifiers)
        assert "not a volume" in " ".join(t for t in desk.window.workspace.notifications.texts() if "coronal" in t)
        assert grid(desk).layout_now is Layout.ONE
        assert desk.viewport.stack is desk.case.stack
    assert desk.window.actions_["layout_one"].isChecked()


def test_the_layout_comes_back_with_the_next_volume(ct: Desk, tmp_path: Path) -> None:
    press(ct, KEY.Key_2, CTRL)
    ct.open(write_ct(tmp_path / "gap", gap=True))
    assert grid(ct).layout_now is Layout.ONE
    ct.open(write_ct(tmp_path / "other"))
    assert grid(ct).layout_now is Layout.ONE_TWO
    assert all(viewport.stack.series is ct.case.series for viewport in views(ct))


def _move(viewport: Any, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
    event = QMouseEvent(
        QMouseEvent.Type.MouseMove,
        at,
        QPointF(viewport.mapToGlobal(at.toPoint())),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        modifiers,
    )
    QApplication.sendEvent(viewport, event)


def test_shift_and_the_mouse_show_the_same_point_in_all_views(ct: Desk) -> None:
    press(ct, KEY.Key_2, CTRL)
    axial, coronal, sagittal = views(ct)
    point = ct.case.series.geometry.to_patient((7, 30, 41))
    row, column = (coronal.stack.geometry.to_index(point)[k] for k in (1, 2))
    _move(coronal, coronal.to_screen(column + 0.5, row + 0.5), NONE)
    assert axial.index == 6
    _move(coronal, coronal.to_screen(column + 0.5, row + 0.5), SHIFT)
    assert axial.index == 7
    assert sagittal.index == 41
    assert axial.cross[0] == pytest.approx(41.5, abs=0.05)
    assert coronal.cross == pytest.approx((column + 0.5, row + 0.5), abs=0.05)


def test_scrolling_one_view_moves_the_crosshair_of_the_others_and_not_their_planes(ct: Desk) -> None:
    press(ct, KEY.Key_2, CTRL)
    axial, coronal, sagittal = views(ct)
    coronal_at, sagittal_at, cross = coronal.index, sagittal.index, coronal.cross
    press(ct, KEY.Key_Down)
    assert (coronal.index, sagittal.index) == (coronal_at, sagittal_at)
    assert coronal.cross[0] == pytest.approx(cross[0])
    assert abs(coronal.cross[1] - cross[1]) == pytest.approx(1)  # one slice further
    assert axial.index == 5


def test_the_wheel_over_a_view_scrolls_that_one_and_keys_then_act_on_it(ct: Desk) -> None:
    press(ct, KEY.Key_2, CTRL)
    axial, coronal, _ = views(ct)
    before = coronal.index
    at = coronal.rect().center()
    event = QWheelEvent(
        QPointF(at),
        QPointF(coronal.mapToGlobal(at)),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(coronal, event)
    press(ct, KEY.Key_Down)
    assert coronal.index == before + 2
    assert axial.index == 6
    ct.bot.mouseClick(axial, LEFT, NONE, axial.rect().center())
    press(ct, KEY.Key_Home)
    assert axial.index == 11
    assert coronal.index == before + 2


def test_h_hides_the_crosshair_and_shows_it_again(ct: Desk) -> None:
    press(ct, KEY.Key_2, CTRL)
    viewport = views(ct)[1]
    row, column = round(viewport.to_screen(*viewport.cross).y()), round(viewport.width() * 0.3)

    def blue() -> int:
        """At the line, which lies on one row of pixels or the next, as the window's size has it."""
        image = viewport.grab().toImage()
        colours = [image.pixelColor(column, row + k) for k in (-1, 0, 1)]
        return max(int(c.blue() - c.red()) for c in colours)

    assert blue() > 40
    press(ct, KEY.Key_H)
    assert blue() < 20
    press(ct, KEY.Key_H)
    assert blue() > 40


def test_one_window_for_all_views_of_a_series(ct: Desk) -> None:
    press(ct, KEY.Key_3, CTRL)
    ct.bot.mouseClick(views(ct)[1], LEFT, NONE, QPoint(20, 60))
    press(ct, KEY.Key_2)
    press(ct, KEY.Key_I, SHIFT)
    assert {(v.view.window.width, v.view.inverted) for v in views(ct)} == {(400, True)}


def test_choosing_a_finding_shows_it_in_every_view(read_ct: Desk) -> None:
    press(read_ct, KEY.Key_2, CTRL)
    press(read_ct, KEY.Key_N)
    nodule = read_ct.case.finding(read_ct.case.selected)
    x, y = nodule.box.centre
    axial, coronal, sagittal = views(read_ct)
    assert axial.index == nodule.box.slice
    assert sagittal.index == round(x - 0.5)
    assert coronal.index == round(y - 0.5)
    assert axial.cross == pytest.approx((x, y))


def test_findings_are_boxed_in_the_other_planes_and_marked_beside_them(read_ct: Desk) -> None:
    press(read_ct, KEY.Key_2, CTRL)
    press(read_ct, KEY.Key_N)
    coronal = grid(read_ct).shown[1]
    number = read_ct.case.selected
    assert coronal.boxes.at(coronal.viewport, coronal.viewport.to_screen(*coronal.viewport.cross)) == number
    stretch = next(s for s in coronal.scrollbar.stretches if s.selected)
    assert stretch.first <= coronal.viewport.index <= stretch.last
    far = coronal.viewport.to_screen(2, 2)
    assert coronal.boxes.at(coronal.viewport, far) is None


def test_a_double_click_shows_one_view_alone_and_another_brings_the_rest_back(ct: Desk) -> None:
    press(ct, KEY.Key_3, CTRL)
    second = grid(ct).shown[1]
    ct.bot.mouseDClick(second.viewport, LEFT, NONE, second.viewport.rect().center())
    assert [pane.isVisible() for pane in grid(ct).shown] == [False, True, False, False]
    assert ct.window.side.isVisible()
    ct.bot.mouseDClick(second.viewport, LEFT, NONE, second.viewport.rect().center())
    assert all(pane.isVisible() for pane in grid(ct).shown)


@pytest.mark.parametrize(
    ("key", "modifiers", "turns", "mirrored", "left", "top"),
    [
        (KEY.Key_Right, CTRL, 1, False, "P", "R"),
        (KEY.Key_Left, CTRL, 3, False, "A", "L"),
        (KEY.Key_V, NONE, 0, True, "L", "A"),
        (KEY.Key_V, SHIFT, 2, True, "R", "P"),
    ],
)
def test_turning_and_mirroring_carry_the_letters_along(
    ct: Desk, key: Qt.Key, modifiers: Qt.KeyboardModifier, turns: int, mirrored: bool, left: str, top: str
) -> None:
    press(ct, key, modifiers)
    view = ct.viewport.view
    assert (view.turns, view.mirrored) == (turns, mirrored)
    edges = orientation.edges(ct.viewport.stack.geometry, view.turns, view.mirrored)
    assert edges is not None
    assert (edges["left"], edges["top"]) == (left, top)
    point = ct.viewport.to_screen(10, 40)
    assert ct.viewport.to_image(point) == pytest.approx((10, 40))
    rect = ct.viewport.image_rect()
    assert rect.width() <= ct.viewport.width() + 1  # still fitted
    assert rect.height() <= ct.viewport.height() + 1
    press(ct, KEY.Key_Escape)
    press(ct, KEY.Key_Escape)
    assert (ct.viewport.view.turns, ct.viewport.view.mirrored) == (0, False)


def test_a_turned_image_is_painted_as_turned(ct: Desk) -> None:
    ct.viewport.go_to(3)  # the ball is around (24, 20) of 64 × 48
    grid(ct).set_marks(OverlayMode.NONE)
    assert gray_at(ct.viewport, 24.5, 20.5) == TISSUE
    for key, modifiers in ((KEY.Key_Right, CTRL), (KEY.Key_V, NONE), (KEY.Key_V, SHIFT)):
        press(ct, key, modifiers)
        assert gray_at(ct.viewport, 24.5, 20.5) == TISSUE
        assert gray_at(ct.viewport, 40.5, 27.5) < 200
    assert ct.viewport.to_screen(24.5, 20.5) != ct.viewport.rect().center()


def test_p_goes_through_the_slabs_and_plus_and_minus_make_them_thicker_and_thinner(ct: Desk) -> None:
    kinds = []
    for _ in range(4):
        press(ct, KEY.Key_P)
        kinds.append(ct.viewport.view.slab and ct.viewport.view.slab.projection)
    assert kinds == [Projection.MIP, Projection.MINIP, Projection.AVERAGE, None]
    press(ct, KEY.Key_P)
    press(ct, KEY.Key_Plus)
    assert ct.viewport.view.slab == Slab(Projection.MIP, 15)
    for _ in range(5):
        press(ct, KEY.Key_Minus)
    assert ct.viewport.view.slab is None
    press(ct, KEY.Key_Plus)
    assert ct.viewport.view.slab == Slab(Projection.MIP, 3)


def test_a_mip_slab_shows_what_lies_beside_the_slice_and_its_value_is_under_the_cursor(ct: Desk) -> None:
    grid(ct).set_marks(OverlayMode.NONE)
    ct.viewport.go_to(6)  # 9 mm from the ball's middle, which ends before
    assert gray_at(ct.viewport, 24.5, 20.5) < 200
    for _ in range(3):
        press(ct, KEY.Key_Plus)
    press(ct, KEY.Key_Plus)
    press(ct, KEY.Key_Plus)
    assert ct.viewport.view.slab.mm == 15
    assert gray_at(ct.viewport, 24.5, 20.5) == TISSUE
    frame = ct.viewport.frame_on_screen()
    assert frame is not None
    assert ct.viewport.stack.value(6, 24.5, 20.5, frame) == (40,)
    assert ct.viewport.stack.value(6, 24.5, 20.5) == (-700,)


def test_images_a_known_distance_apart_are_needed_for_a_slab(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "gap", gap=True))
    press(desk, KEY.Key_P)
    assert desk.viewport.view.slab is None
    assert "distance" in desk.window.status.text.text()


def test_b_shows_pixels_as_they_are(ct: Desk) -> None:
    grid(ct).set_marks(OverlayMode.NONE)
    ct.viewport.go_to(3)
    ct.viewport.zoom(0.4)  # much enlarged pixels are never smoothed

    def grays() -> int:
        image = ct.viewport.grab().toImage()
        return len({image.pixelColor(x, image.height() // 2).red() for x in range(image.width())})

    smooth = grays()
    press(ct, KEY.Key_B)
    assert grays() < smooth
    assert not ct.window.preferences.now.interpolate
    press(ct, KEY.Key_B)
    assert grays() == smooth


def test_brackets_change_the_speed_of_cine_and_it_is_remembered(ct: Desk) -> None:
    press(ct, KEY.Key_BracketRight)
    assert ct.viewport.cine_rate == pytest.approx(12.5)
    press(ct, KEY.Key_BracketLeft)
    press(ct, KEY.Key_BracketLeft)
    assert ct.viewport.cine_rate == pytest.approx(8)
    assert ct.window.preferences.now.cine_rate == pytest.approx(8)


def test_the_probe_of_a_coronal_view_is_the_value_of_that_voxel(ct: Desk) -> None:
    press(ct, KEY.Key_F7)
    geometry = ct.viewport.stack.geometry
    k, row, column = geometry.to_index(ct.case.series.geometry.to_patient((3, 20, 24)))
    ct.viewport.go_to(round(float(k)))
    value = ct.viewport.stack.value(ct.viewport.index, column + 0.5, row + 0.5, ct.viewport.frame_on_screen())
    assert value == (40,)
    assert np.shares_memory(ct.viewport.frame_on_screen(), ct.case.stack.pixels)  # no copy of the volume
