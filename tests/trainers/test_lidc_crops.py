"""Crops with readers' outlines: a small made folder, damaged ones, and the real set."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from trainers.config import ConfigError
from trainers.data.ct import lidc_crops
from trainers.data.ct.lidc_crops import box_of, consensus

HEAD = ("name", "patient_id", "nodule", "slice", "n_raters", "x0", "y0", "x1", "y1", "area", "fold",
        "hu_slope", "hu_intercept", "pixel_mm", "slice_mm", "series_uid", "crop_x", "crop_y", "z_mm")  # fmt: skip

PLACE = (8.0, -1000.0, 0.7, 2.5, "1.2.3", 251.5, 301.5, -122.5)


def make(folder: Path, *, zipped: bool = False) -> Path:
    """Two crops of fold 3 and one of fold 2; three readers, of whom the third draws a column more."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = []
    for number, fold in enumerate("332"):
        image = np.full((128, 128), 30, np.uint8)
        image[:, 90:] = 150
        image[56:72, 58:70] = 140
        bits = np.zeros((128, 128), np.uint8)
        bits[56:72, 58:70] = 0b0111
        bits[56:72, 70] = 0b0100
        bits[56, 58] = 0b0110
        name = f"P{number}_nodule-0_s01"
        cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), bits)
        rows.append((name, f"P{number}", "nodule-0", 1, 3, 58, 56, 70, 72, 192, fold, *PLACE))
    with (folder / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([HEAD, *rows])
    if zipped:
        with zipfile.ZipFile(folder / "crops.zip", "w") as archive:
            for path in sorted(folder.rglob("*.png")):
                archive.write(path, path.relative_to(folder).as_posix())
                path.unlink()
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_crops_of_the_folds_asked_for_are_read_with_every_readers_outline(tmp_path: Path, zipped: bool) -> None:
    data = make(tmp_path / "ct" / "lidc-hu-crops128", zipped=zipped)
    crops = lidc_crops.read(tmp_path, ("3",))
    named = [(c.patient, c.nodule, c.slice, c.fold) for c in crops]
    assert named == [("P0", "nodule-0", 1, "3"), ("P1", "nodule-0", 1, "3")]
    crop = crops[0]
    assert crop.readers.shape == (3, 128, 128)
    assert crop.readers.sum(axis=(1, 2)).tolist() == [191, 192, 208]
    assert box_of(crop.consensus) == (58, 56, 70, 72)
    assert crop.share[56, 70] == pytest.approx(1 / 3)
    assert lidc_crops.read(data, ("2",))[0].patient == "P2"
    assert lidc_crops.read(data, ("1",)) == []


def test_half_of_the_readers_are_enough_for_the_consensus() -> None:
    readers = np.array([[[1, 1, 0, 0]], [[1, 1, 0, 0]], [[1, 0, 1, 0]], [[1, 0, 0, 0]]], bool)
    assert consensus(readers).tolist() == [[True, True, False, False]]


def test_values_are_hounsfield_units_by_the_line_of_each_slice_and_places_may_be_unknown(tmp_path: Path) -> None:
    data = make(tmp_path / "set")
    index = data / "index.csv"
    lines = index.read_text().splitlines()
    index.write_text("\n".join([*lines[:2], lines[2].replace("251.5,301.5,-122.5", ",,")]))
    first, second = lidc_crops.read(data, ("3",))
    assert first.hounsfield()[0, 0] == pytest.approx(-760)
    assert first.hounsfield()[60, 60] == pytest.approx(120)
    assert (first.pixel_mm, first.slice_mm, first.series_uid) == (0.7, 2.5, "1.2.3")
    assert (first.corner, first.z_mm) == ((251.5, 301.5), -122.5)
    assert (second.corner, second.z_mm) == (None, None)


@pytest.mark.parametrize(
    "damage", ["no mask", "no picture", "other size", "nothing drawn", "no zip", "no line", "no pixel size"]
)
def test_what_is_damaged_or_missing_is_said(tmp_path: Path, damage: str) -> None:
    data = make(tmp_path / "set", zipped=damage == "no zip")
    mask = data / "masks" / "P0_nodule-0_s01.png"
    if damage == "no mask":
        mask.unlink()
    elif damage == "no picture":
        mask.write_bytes(b"no picture")
    elif damage == "other size":
        cv2.imwrite(str(mask), np.ones((64, 64), np.uint8))
    elif damage == "nothing drawn":
        cv2.imwrite(str(mask), np.zeros((128, 128), np.uint8))
    elif damage == "no zip":
        (data / "crops.zip").write_bytes(b"no archive")
    else:
        index = data / "index.csv"
        index.write_text(index.read_text().replace(*{"no line": ("8.0", ""), "no pixel size": ("0.7", "0")}[damage]))
    with pytest.raises(ConfigError, match="damaged"):
        lidc_crops.read(data, ("3",))


def test_a_folder_without_the_set_is_refused_by_name(tmp_path: Path) -> None:
    assert not lidc_crops.holds(tmp_path)
    with pytest.raises(ConfigError, match="lidc-hu-crops128"):
        lidc_crops.read(tmp_path, ("3",))


def test_the_real_sets_boxes_and_areas_are_those_of_the_consensus(data: Path) -> None:
    if not lidc_crops.holds(data):
        pytest.skip(f"no lidc-hu-crops128 in {data}")
    crops = {c.name: c for c in lidc_crops.read(data, ("2",))}
    assert len(crops) == 528
    with (lidc_crops.find(data) / "index.csv").open(newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if r["name"] in crops]
    for row in rows:
        crop = crops[row["name"]]
        assert len(crop.readers) == int(row["n_raters"])
        assert box_of(crop.consensus) == tuple(int(row[k]) for k in ("x0", "y0", "x1", "y1"))
        assert crop.consensus.sum() == int(row["area"])
    inside = [float(np.median(c.hounsfield()[c.consensus])) for c in crops.values()]
    assert -300 < np.median(inside) < 100
    lung = [float(np.percentile(c.hounsfield(), 10)) for c in crops.values()]
    assert -950 < np.median(lung) < -750
