"""A picture without a header is taken for ultrasound only when its speckle says so."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Task
from cadviewer.imaging import files, windowing
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo
from cadviewer.models.gate import input_gate
from cadviewer.models.gate.input_gate import OutOfScope
from cadviewer.models.nodules import slices
from cadviewer.phantoms import phantom

Gray = NDArray[np.uint8]


def share(images: Iterator[Gray]) -> float:
    return float(np.mean([input_gate.looks_like_bmode(g) for g in images]))


def test_phantoms_of_ultrasound_are_known_and_slices_of_the_ct_phantom_are_not() -> None:
    assert share(phantom.breast_ultrasound(k)[0] for k in range(6)) == 1
    pixels = phantom.chest_ct(1).volume.pixels
    for window in (windowing.LUNG, windowing.SOFT_TISSUE, windowing.BONE):
        assert share(windowing.to_gray(p, window) for p in pixels[::12]) == 0


def test_an_ultrasound_image_on_its_side_is_not_guessed() -> None:
    image = phantom.breast_ultrasound(3)[0]
    assert not input_gate.looks_like_bmode(np.ascontiguousarray(image.T))


@pytest.mark.parametrize("kind", ["noise", "gradient", "stripes", "blank", "small", "deep"])
def test_what_has_no_speckle_is_not_ultrasound(kind: str) -> None:
    noise = np.random.default_rng(0).integers(40, 120, (256, 256), dtype=np.uint8)
    images: dict[str, NDArray[np.generic]] = {
        "noise": noise,
        "gradient": np.tile(np.arange(256, dtype=np.uint8), (256, 1)).T,
        "stripes": np.tile((np.arange(256) % 16 * 8).astype(np.uint8)[:, None], (1, 256)),
        "blank": np.zeros((256, 256), np.uint8),
        "small": phantom.breast_ultrasound(3)[0][:90, :90],
        "deep": phantom.breast_ultrasound(3)[0].astype(np.uint16),
    }
    assert not input_gate.looks_like_bmode(images[kind])


def test_a_png_of_ultrasound_is_a_breast_case_and_a_photo_is_refused(tmp_path: Path) -> None:
    image = phantom.breast_ultrasound(3)[0]
    photo = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8), (9, 9), 0)
    for name, pixels in (("a.png", image), ("b.png", photo)):
        cv2.imwrite(str(tmp_path / name), pixels)
    ultrasound, other = sorted(files.scan([tmp_path]), key=lambda s: s.source)
    assert isinstance(ultrasound, Series)
    assert isinstance(other, Series)
    assert input_gate.task_for(ultrasound, image) is Task.BREAST
    with pytest.raises(OutOfScope, match="choose the task"):
        input_gate.task_for(other, photo)
    with pytest.raises(OutOfScope):
        input_gate.task_for(ultrasound, None)


def test_most_real_ultrasound_is_known_and_no_ct_slice_is_taken_for_it(data: Path) -> None:
    def read(paths: list[Path]) -> Iterator[Gray]:
        for path in paths:
            gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            assert gray is not None
            yield np.asarray(gray, np.uint8)

    with (data / "bus" / "BUS-BRA-256" / "5-fold-cv.csv").open(newline="") as stream:
        named = [row["ID"] for row in csv.DictReader(stream) if row["kFold"] != "5"]
    images = data / "bus" / "BUS-BRA-256" / "Images"
    assert share(read([images / f"{name}.png" for name in named[::12]])) > 0.9
    assert share(read(sorted((data / "ct" / "luna16-slices" / "images").rglob("*.png"))[::8])) == 0


def test_slices_through_the_lungs_are_known_as_chest_ct_and_ultrasound_is_not() -> None:
    pixels = phantom.chest_ct(1).volume.pixels
    middle = pixels[len(pixels) // 3 : 2 * len(pixels) // 3 : 3]
    known = [input_gate.looks_like_chest_ct(windowing.to_gray(p, windowing.LUNG)) for p in middle]
    assert np.mean(known) > 0.8
    assert not any(input_gate.looks_like_chest_ct(phantom.breast_ultrasound(k)[0]) for k in range(6))


def test_real_ct_pictures_are_known_and_real_ultrasound_is_never_taken_for_them(data: Path) -> None:
    slices = sorted((data / "ct" / "luna16-slices" / "images").rglob("*.png"))[::20]
    known = [input_gate.looks_like_chest_ct(cv2.imread(str(p), cv2.IMREAD_GRAYSCALE)) for p in slices]
    assert np.mean(known) > 0.95
    folders = ("bus/BUS-BRA-256/Images", "bus/BUSI-sample", "bus/BrEaST-quarter")
    images = [p for folder in folders for p in sorted((data / folder).rglob("*.png"))[::15] if "_mask" not in p.stem]
    taken = [input_gate.looks_like_chest_ct(cv2.imread(str(p), cv2.IMREAD_GRAYSCALE)) for p in images]
    assert len(taken) > 100
    assert not any(taken)


def test_a_ct_picture_given_as_breast_says_what_it_is(tmp_path: Path) -> None:
    pixels = phantom.chest_ct(1).volume.pixels
    gray = windowing.to_gray(pixels[len(pixels) // 2], windowing.LUNG)
    cv2.imwrite(str(tmp_path / "a.png"), gray)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert input_gate.task_for(series, gray) is Task.NODULES
    assert "chest CT" in input_gate.frame_problem(gray, series)


def test_a_mask_beside_its_image_is_not_read_as_ultrasound(tmp_path: Path) -> None:
    _, mask, _ = phantom.breast_ultrasound(3)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert "mask" in input_gate.frame_problem(mask, series)
    assert input_gate.frame_problem(phantom.breast_ultrasound(3)[0], series) == ""


def test_an_ultrasound_picture_given_for_nodules_says_what_it_is(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), phantom.breast_ultrasound(3)[0])
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    with pytest.raises(OutOfScope, match="looks like ultrasound"):
        slices.prepare(files.read(series), {}, spacing_mm=None, window=(-1000, 400))


def test_a_modality_that_no_model_knows_is_named_and_nobody_is_told_to_choose_a_task() -> None:
    image = np.full((200, 200), 100, np.uint8)
    slices = (SliceInfo(Path("x"), 0),)
    geometry = Geometry((1, 200, 200))
    mr = Series(Path("x"), "dicom", slices, geometry, Shape.IMAGE, np.dtype(np.uint8), modality="MR")
    with pytest.raises(input_gate.OutOfScope, match="modality MR"):
        input_gate.task_for(mr, image)
    with pytest.raises(input_gate.OutOfScope, match="choose the task"):
        input_gate.task_for(replace(mr, modality="OT"), image)
