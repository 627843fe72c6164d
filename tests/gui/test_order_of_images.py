"""Radiologists go through a CT from the head to the feet and know its images by their Instance Number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gui_desk import Desk, nodule
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import Qt

from cadviewer.gui.canvas import overlay_text
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.cases import wording
from cadviewer.gui.review import reports
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo


def series(geometry: Geometry, numbers: list[int] | None = None) -> Series:
    count = geometry.shape[0]
    slices = tuple(SliceInfo(Path("x"), k, instance_number=numbers[k] if numbers else None) for k in range(count))
    return Series(Path("x"), "sitk", slices, geometry, Shape.VOLUME, np.dtype(np.int16), hounsfield=True)


def stack(normal: tuple[float, float, float], count: int = 10) -> Stack:
    across = {2: ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), 1: ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0))}
    rows = across[int(np.argmax(np.abs(normal)))]
    geometry = Geometry((count, 4, 5), (1.0, 1.0), 1.0, (0.0, 0.0, 0.0), (normal, *rows))
    return Stack(series(geometry), np.zeros((count, 4, 5), np.int16))


@pytest.mark.parametrize(
    ("normal", "first"), [((0, 0, 1), 9), ((0, 0, -1), 0), ((0, 0.3, 0.95), 9), ((0, 1, 0), 0), ((0, -1, 0), 0)]
)
def test_axial_slices_begin_at_the_head_and_others_as_they_come(normal: tuple[float, float, float], first: int) -> None:
    assert stack(normal).turned(0) == first


def test_a_setting_turns_it_round(desk: Desk, ct_folder: Path) -> None:
    desk.open(ct_folder)
    desk.window.preferences.change(slice_order="feet_first")
    try:
        desk.bot.waitUntil(lambda: not Stack.head_first)
        desk.bot.keyClick(desk.window, Qt.Key.Key_Home)
        assert desk.viewport.index == 0
        assert desk.window.workspace.scrollbar.y_of(0) < desk.window.workspace.scrollbar.y_of(5)
    finally:
        desk.window.preferences.change(slice_order="head_first")


def test_the_head_is_on_top_of_the_bar_and_cine_goes_down(ct: Desk) -> None:
    strip = ct.window.workspace.scrollbar
    assert strip.y_of(11) < strip.y_of(0)
    assert [strip.index_at(strip.y_of(k)) for k in range(12)] == list(range(12))
    ct.viewport.go_to(0)
    ct.viewport._cine_step()
    assert ct.viewport.index == 11
    ct.viewport._cine_step()
    assert ct.viewport.index == 10


def test_images_are_named_by_the_file_or_counted_from_the_head(ct: Desk) -> None:
    assert ct.case.series.image_numbers == tuple(range(12, 0, -1))
    assert wording.images(ct.case.series, 2, 4) == "no. 8–10"
    assert wording.images(ct.case.series, 0) == "no. 12"
    bare = stack((0, 0, 1)).series
    assert wording.images(bare, 2, 4) == "images 6–8 from the head"
    assert wording.images(bare, 9) == "image 1 from the head"
    assert wording.images(stack((0, 1, 0)).series, 2, 4) == "images 3–5"


def test_numbers_that_two_images_share_name_none() -> None:
    geometry = Geometry((3, 4, 5), (1.0, 1.0), 1.0, (0.0, 0.0, 0.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    assert series(geometry, [1, 2, 2]).image_numbers is None
    assert series(geometry, [7, 5, 3]).image_numbers == (7, 5, 3)


def test_the_corner_counts_from_the_head(ct: Desk) -> None:
    assert ct.viewport.stack is not None
    assert overlay_text.place_lines(ct.viewport.stack, 11)[0] == "Image 1 / 12"
    assert overlay_text.place_lines(ct.viewport.stack, 0)[0] == "Image 12 / 12"


def test_a_loop_keeps_the_order_of_its_file(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm", frames=4))
    desk.bot.keyClick(desk.window, Qt.Key.Key_Home)
    assert desk.viewport.index == 0
    desk.bot.keyClick(desk.window, Qt.Key.Key_Down)
    assert desk.viewport.index == 1


def test_a_series_stored_feet_first_is_gone_through_from_the_head_too(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "ct", ImageOrientationPatient=[1, 0, 0, 0, 1, 0]))
    desk.finish(nodule(1, 0.9, 8, 9))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    assert "no. 3–4" in reports.text_of(desk.case)
