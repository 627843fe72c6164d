"""Windows and gray values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo, Window
from cadviewer.imaging.windowing import LUNG, PRESETS, SOFT_TISSUE, default_window, robust_window, to_gray

CT = Series(
    source=Path("ct"),
    format="dicom",
    slices=(SliceInfo(Path("ct")),),
    geometry=Geometry((1, 4, 4)),
    shape=Shape.IMAGE,
    dtype=np.dtype(np.int16),
    modality="CT",
    hounsfield=True,
    body_part="CHEST",
)


@given(st.integers(-1200, 3000), st.integers(2, 4000), st.sampled_from(["int16", "uint16", "uint8", "float32"]))
@settings(max_examples=60, deadline=None)
def test_every_type_of_number_follows_the_same_line(centre: int, width: int, dtype: str) -> None:
    values = np.linspace(0 if dtype[0] == "u" else -2000, 255 if dtype == "uint8" else 4000, 400).astype(dtype)
    window = Window(centre, width)
    expected = np.clip((values.astype(float) - window.low) / window.width * 255, 0, 255)
    gray = to_gray(values.reshape(20, 20), window)
    assert gray.dtype == np.uint8
    np.testing.assert_allclose(gray.ravel(), expected, atol=0.51)
    np.testing.assert_array_equal(to_gray(values, window, inverted=True), 255 - to_gray(values, window))


def test_values_outside_the_window_and_not_a_number_are_black_or_white() -> None:
    values = np.array([-np.inf, -5000, np.nan, 5000, np.inf], np.float32)
    assert to_gray(values, SOFT_TISSUE).tolist() == [0, 0, 0, 255, 255]


def test_slices_that_are_not_contiguous_are_shown_too() -> None:
    values = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
    np.testing.assert_array_equal(to_gray(values[:, :, 2], LUNG), to_gray(values[:, :, 2].copy(), LUNG))


def test_a_ct_opens_in_the_lung_window_one_of_another_part_in_its_own_or_soft_tissue() -> None:
    own = Window(-500, 1400, "W1")
    assert default_window(replace(CT, windows=(own, SOFT_TISSUE))) == LUNG
    assert default_window(replace(CT, windows=(own, SOFT_TISSUE), body_part="HEAD")) == own
    assert default_window(CT) == LUNG
    assert default_window(replace(CT, body_part="")) == LUNG
    assert default_window(replace(CT, body_part="HEAD")) == SOFT_TISSUE


def test_other_images_open_between_robust_values() -> None:
    pixels = np.zeros((1, 100, 100), np.uint16)
    pixels[0, 20:80, 20:80] = np.linspace(100, 200, 3600).reshape(60, 60)
    pixels[0, 50, 50] = 60000
    window = default_window(replace(CT, modality="MR", hounsfield=False, dtype=np.dtype(np.uint16)), pixels)
    assert 90 <= window.low <= 110
    assert 190 <= window.high <= 210
    assert default_window(replace(CT, hounsfield=False, dtype=np.dtype(np.uint8))) == Window(127.5, 255, "Full range")


@pytest.mark.parametrize("pixels", [np.full((5, 5), 7, np.int16), np.full((5, 5), np.nan, np.float32)])
def test_an_image_of_one_value_has_a_window_too(pixels: np.ndarray) -> None:  # type: ignore[type-arg]
    assert robust_window(pixels).width > 0
    assert to_gray(pixels, robust_window(pixels)).shape == (5, 5)


def test_presets_are_those_of_the_manual() -> None:
    assert [(p.width, p.centre) for p in PRESETS[:5]] == [(1500, -600), (400, 40), (2500, 480), (150, 90), (80, 40)]
    assert len(PRESETS) == 9


def test_a_curve_is_stretched_over_the_window_and_follows_it_when_levelled() -> None:
    steps = Window(5, 10, "steps", bytes([0, 10, 200, 255]))
    for dtype in (np.int16, np.uint8, np.float32):
        values = np.array([0, 3, 7, 10, 50], dtype)
        assert to_gray(values, steps).tolist() == [0, 10, 200, 255, 255]
        wider = replace(steps, centre=10.0, width=20.0)
        assert to_gray((2 * values).astype(dtype), wider).tolist() == [0, 10, 200, 255, 255]
        assert to_gray(values, steps, inverted=True).tolist() == [255, 245, 55, 0, 0]


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_sigmoid_window_is_the_standards_s(dtype: type) -> None:
    values = np.array([-3000, -100, 40, 100, 240, 3000], dtype)
    expected = [round(255 / (1 + np.exp(-4 * (v - 40) / 400))) for v in values.tolist()]
    assert to_gray(values, Window(40, 400, sigmoid=True)).tolist() == expected


@pytest.mark.parametrize("centre", [0.5, 1.0])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
def test_a_window_of_width_one_is_black_and_white(centre: float, dtype: type[np.generic]) -> None:
    """PS3.3 C.11.2.1.2.1: up to centre − 0.5 black, above it white."""
    assert to_gray(np.array([0, 1], dtype), Window(centre, 1)).tolist() == [0, 255]
