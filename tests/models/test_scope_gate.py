"""What is no B-mode image of a breast is refused, with the reason and without a score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Task
from cadviewer.imaging import files
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import InputError, Series, Shape, SliceInfo, Volume
from cadviewer.models.breast import analysis as breast
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate import bmode, input_gate
from cadviewer.phantoms import phantom
from trainers.data.ultrasound import breast_tcia, bus_bra, busi
from trainers.data.ultrasound.augmentation import paint_calipers

CARD = ModelCard("fake", "1", Task.BREAST, "", "", {}, {"size": 64}, 0.5, "")


class Nothing:
    """A network that must not be asked, or finds nothing."""

    batch_size = 4

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self.asked += len(batch)
        return np.full_like(batch, -8), np.zeros(len(batch), np.float32)


def ultrasound(pixels: NDArray[Any], **changes: Any) -> Volume:
    """A DICOM ultrasound of one frame; `changes`: fields of its series."""
    geometry = Geometry((1, *pixels.shape[:2]))
    kept = {"modality": "US", **changes}
    series = Series(
        Path("a"),
        "dicom",
        (SliceInfo(Path("a")),),
        geometry,
        Shape.IMAGE,
        pixels.dtype,
        1 + 2 * (pixels.ndim > 2),
        **kept,
    )
    return Volume(series, pixels[None])


def refused(volume: Volume) -> str:
    """The reason for which an image is out of scope; the network must not have been asked."""
    network = Nothing()
    with pytest.raises(input_gate.OutOfScope) as caught:
        breast.assess(volume, network, CARD)
    assert network.asked == 0
    return str(caught.value)


def image(seed: int = 3) -> NDArray[np.uint8]:
    return phantom.breast_ultrasound(seed)[0]


@pytest.mark.parametrize(
    ("exam", "taken"),
    [
        ("BREAST", True),
        ("SMALL PARTS", True),
        ("CHEST", True),
        ("", True),
        ("OBSTETRICAL", False),
        ("ABDOM/RAD", False),
        ("INTRACARDIAC", False),
        ("THYROID", False),
    ],
)
def test_the_examination_that_a_file_names_decides(exam: str, taken: bool) -> None:
    volume = ultrasound(image(), image_type=("ORIGINAL", "PRIMARY", exam))
    if taken:
        assert breast.assess(volume, Nothing(), CARD).findings
        assert input_gate.task_for(volume.series, volume.pixels[0]) is Task.BREAST
    else:
        assert f"type {exam.lower()}" in refused(volume)
        with pytest.raises(input_gate.OutOfScope, match="examination"):
            input_gate.task_for(volume.series, volume.pixels[0])


def test_a_body_part_of_breast_goes_before_the_preset_of_the_machine() -> None:
    volume = ultrasound(image(), image_type=("ORIGINAL", "PRIMARY", "ABDOM/RAD"), body_part="BREAST")
    assert breast.assess(volume, Nothing(), CARD).findings


@pytest.mark.parametrize(
    ("code", "word"),
    [("0002", "M-mode"), ("0011", "colour Doppler"), ("0101", "power Doppler"), ("0201", "elastography")],
)
def test_modes_that_the_header_names_are_refused_by_their_name(code: str, word: str) -> None:
    assert word in refused(ultrasound(image(), image_type=("ORIGINAL", "PRIMARY", "BREAST", code)))
    plain = ultrasound(image(), image_type=("ORIGINAL", "PRIMARY", "BREAST", "0001"))
    assert breast.assess(plain, Nothing(), CARD).findings


@pytest.mark.parametrize(("kind", "word"), [(2, "colour Doppler"), (3, "spectrum"), (0, "no B-mode region")])
def test_regions_of_other_kinds_are_refused_by_their_name(kind: int, word: str) -> None:
    both = ((0, 0, 200, 150, 1), (0, 150, 200, 200, kind)) if kind else ((0, 0, 200, 150, 0),)
    assert word in refused(ultrasound(image(), ultrasound_regions=both))


def test_a_region_listed_twice_is_one_and_two_regions_are_a_split_screen() -> None:
    once = ultrasound(image(), ultrasound_regions=((10, 10, 180, 160, 1),))
    for second in ((10, 10, 180, 160, 1), (10, 11, 181, 160, 1)):
        twice = ultrasound(image(), ultrasound_regions=((10, 10, 180, 160, 1), second))
        assert input_gate.bmode_region(twice.series) == input_gate.bmode_region(once.series) == (10, 10, 180, 160)
    assert "split screen" in refused(
        ultrasound(image(), ultrasound_regions=((0, 0, 100, 160, 1), (100, 0, 200, 160, 1)))
    )


@pytest.mark.parametrize("gutter", [0, 4, 20])
@pytest.mark.parametrize("modality", ["", "US"])
def test_two_images_side_by_side_are_a_split_screen(gutter: int, modality: str) -> None:
    gap = np.zeros((image().shape[0], gutter), np.uint8)
    other = image(4) // 2  # another gain
    both = np.hstack([image(3), gap, other])
    assert "split screen" in refused(ultrasound(both, modality=modality))
    assert not any(bmode.looks_split(image(k)) for k in range(6))


def test_a_seam_between_images_of_equal_gain_is_seen_by_the_speckle_that_ends_there() -> None:
    for seed in range(3):
        first, second = speckle(2 * seed), speckle(2 * seed + 1)
        assert "split screen" in refused(ultrasound(np.hstack([first, second])))
        assert not bmode.looks_split(first)
        assert not bmode.looks_split(np.hstack([first, first[:, ::-1]]))  # as wide, and going on where it was


def speckle(seed: int) -> NDArray[np.uint8]:
    """Even tissue, its speckle longer sideways than downwards."""
    noise = np.random.default_rng(seed).normal(0, 1, (200, 160))
    smooth = cv2.GaussianBlur(noise, (0, 0), sigmaX=3, sigmaY=1)
    return np.asarray(np.clip(100 + 30 * smooth / smooth.std(), 1, 255), np.uint8)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_bright_line_that_a_machine_leaves_makes_no_split_screen(width: int) -> None:
    pixels = image().copy()
    pixels[:, 120 : 120 + width] = np.minimum(pixels[:, 120 : 120 + width].astype(int) + 90, 255)
    assert breast.assess(ultrasound(pixels), Nothing(), CARD).findings


@pytest.mark.parametrize("style", range(6))
def test_a_line_of_calipers_makes_no_split_screen(style: int) -> None:
    pixels = image(style).copy()
    generator = np.random.default_rng(style)
    for x in (110, 140):
        paint_calipers(pixels, (x, 30), (x, 130), generator)
    assert breast.assess(ultrasound(pixels), Nothing(), CARD).findings


def test_a_shadow_behind_a_lesion_makes_no_split_screen() -> None:
    pixels = image().astype(float)
    pixels[60:, 100:] *= 0.35  # dark on one side, below a depth
    assert breast.assess(ultrasound(pixels.astype(np.uint8)), Nothing(), CARD).findings


def painted(hues: tuple[int, ...], share: float) -> NDArray[np.uint8]:
    """A gray image with a patch of saturated colour of these hues in stripes; share: of the image's side."""
    pixels = np.repeat(image()[..., None], 3, 2)
    side = int(min(pixels.shape[:2]) * share)
    stripes = np.array(hues, np.uint8)[np.arange(side) * len(hues) // side]
    patch = np.dstack(
        [np.tile(stripes, (side, 1)), np.full((side, side), 220, np.uint8), np.full((side, side), 200, np.uint8)]
    )
    pixels[20 : 20 + side, 20 : 20 + side] = cv2.cvtColor(patch, cv2.COLOR_HSV2RGB)
    return pixels


@pytest.mark.parametrize(
    ("hues", "share", "word"),
    [((0, 115), 0.3, "colour Doppler"), ((0, 25, 60, 110), 0.6, "elastogram"), ((150, 65, 40), 0.9, "coloured")],
)
def test_colours_are_told_by_what_they_look_like(hues: tuple[int, ...], share: float, word: str) -> None:
    assert word in refused(ultrasound(painted(hues, share)))


def test_small_coloured_marks_of_a_machine_do_not_hinder() -> None:
    pixels = np.repeat(image()[..., None], 3, 2)
    cv2.drawMarker(pixels, (60, 60), (0, 255, 0), cv2.MARKER_CROSS, 9)
    cv2.drawMarker(pixels, (120, 90), (255, 255, 0), cv2.MARKER_CROSS, 9)
    assert breast.assess(ultrasound(pixels), Nothing(), CARD).findings


@pytest.mark.parametrize("scale", [1, 4])
def test_a_small_field_of_flow_is_refused_and_letters_of_a_machine_are_not(scale: int) -> None:
    rows, columns = (scale * n for n in image().shape)
    plain = np.repeat(cv2.resize(image(), (columns, rows))[..., None], 3, 2)
    side = round(np.sqrt(0.01 * rows * columns))  # a hundredth of the image, less than what counts of any colour
    flow = plain.copy()
    flow[40 : 40 + side, 40 : 40 + side] = (210, 60, 20)
    assert "coloured" in refused(ultrasound(flow))
    lettered = plain.copy()
    for line in range(4):
        at = (10, 40 * scale + 20 * scale * line)
        cv2.putText(lettered, "MI 1.2  TIS 0.1", at, cv2.FONT_HERSHEY_SIMPLEX, 0.35 * scale, (255, 220, 0), scale)
    assert breast.assess(ultrasound(lettered), Nothing(), CARD).findings


@pytest.mark.parametrize("modality", ["", "OT", "SC"])
def test_pictures_of_other_things_get_no_score_even_when_called_breast_ultrasound(modality: str) -> None:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256]
    others = {
        "noise": generator.integers(0, 255, (256, 256), np.uint8),
        "gradient": ((x + y) / 2).astype(np.uint8),
        "waves": (127 + 100 * np.sin(x / 9) * np.sin(y / 40)).astype(np.uint8),
        "on its side": np.ascontiguousarray(image().T),
        "sixteen bits": generator.integers(0, 4000, (256, 256), dtype=np.uint16),
    }
    for name, pixels in others.items():
        assert "speckle" in refused(ultrasound(pixels, modality=modality)), name


def test_what_is_too_small_says_how_small() -> None:
    assert "40×30 pixels are too few" in refused(ultrasound(image()[:30, :40]))


def test_no_real_ultrasound_image_of_a_breast_is_refused_by_its_looks(data: Path) -> None:
    set_of = bus_bra.find(data), breast_tcia.find(data), busi.find(data)
    assert all(set_of)
    bra, tcia, egypt = (folder for folder in set_of if folder is not None)
    cases = [*bus_bra.cases(bra, range(1, 5))[::25], *breast_tcia.cases(tcia)[::2], *busi.cases(egypt)[::2]]
    assert len(cases) > 100
    for case in cases:
        gray = case.gray()
        assert not bmode.unlike(gray), case.name
        assert not bmode.looks_split(gray), case.name


def test_no_file_of_the_conformance_set_gets_a_score(dicom_conformance: Path) -> None:
    """None of its 22 ultrasound files shows a breast, and nothing else there is ultrasound."""
    seen = 0
    for path in sorted(p for p in dicom_conformance.rglob("*") if p.is_file()):
        for series in files.scan([path]):
            if not isinstance(series, Series) or series.modality == "CT":
                continue
            try:
                volume = files.read(series)
            except InputError:
                continue
            assert refused(volume), path.name
            seen += series.modality == "US"
    assert seen >= 20
