"""Pixels that are not square where no millimetres are known (DICOM's Pixel Aspect Ratio)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cadviewer.gui.canvas import shapes
from cadviewer.gui.canvas.stack import Stack
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo
from cadviewer.models.breast import lesion_measures
from cadviewer.store.session import MeasureKind

HIGH = Stack(
    Series(
        Path("a.dcm"),
        "dicom",
        (SliceInfo(Path("a.dcm")),),
        Geometry((1, 100, 200)),
        Shape.IMAGE,
        np.dtype(np.uint8),
        pixel_aspect=2.0,
    ),
    np.zeros((1, 100, 200), np.uint8),
)
"""An image whose pixels are twice as high as wide."""


def test_lengths_are_in_widths_of_a_pixel_and_no_millimetres() -> None:
    down = shapes.value(MeasureKind.DISTANCE, [(5.0, 0.0), (5.0, 10.0)], HIGH, 0)
    assert (down.number, down.unit) == (pytest.approx(20), "px")
    assert HIGH.distance(0, 0, 0, 10) == (pytest.approx(20), "px")


def test_an_angle_is_that_of_what_is_drawn() -> None:
    found = shapes.value(MeasureKind.ANGLE, [(0.0, 0.0), (0.0, 10.0), (20.0, 0.0)], HIGH, 0)
    assert found.number == pytest.approx(45)


def test_a_pixel_size_of_the_reader_is_the_width() -> None:
    assert Stack(HIGH.series, HIGH.pixels, given_mm=0.1).pixel_mm == (0.2, 0.1)


def test_a_lesion_drawn_deeper_than_wide_is_taller_than_wide() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:20, 10:25] = 255
    wide, tall = (lesion_measures.measure(mask, None, aspect=aspect) for aspect in (1.0, 2.0))
    assert wide is not None
    assert tall is not None
    assert wide.depth_to_width == pytest.approx(10 / 15)
    assert tall.depth_to_width == pytest.approx(20 / 15)
