"""Ratings find the nodule of a crop by series, height and place."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from test_nodule_sources import crop

from trainers.config import ConfigError
from trainers.data.ct import lidc_crop_ratings, lidc_crops, samples

HEAD = "patient_id,series_uid,z,reader,x0,y0,x1,y1,malignancy"
# The crop's disc lies around (64, 64) in the crop, so around (164, 114) in the slice; it is 16 px wide.
ROIS = """P,1.2,-20.0,0,157,107,170,121,4
P,1.2,-20.0,1,158,108,171,120,5
P,1.2,-20.0,2,190,107,200,121,1
P,1.2,-17.5,3,157,107,170,121,2
P,1.3,-20.0,3,157,107,170,121,2
P,1.2,-20.0,3,157,107,170,121,
"""


def write(data: Path, text: str = ROIS) -> Path:
    folder = data / "ct" / "lidc-readings"
    folder.mkdir(parents=True)
    with gzip.open(folder / "rois.csv.gz", "wt") as stream:
        stream.write(f"{HEAD}\n{text}")
    return data


def test_each_reader_whose_outline_lies_on_the_nodule_counts_once(tmp_path: Path) -> None:
    write(tmp_path)
    largest, smaller = crop(), crop(radius=4.0, slice=2, z_mm=-17.5)
    (rated,) = lidc_crop_ratings.read(tmp_path, [smaller, largest])
    assert rated.crop is largest
    assert rated.malignancy == (4, 5, 2), "readers 0 and 1 on one slice, 3 on the other; 2 drew beside it"


def test_nodules_without_ratings_or_place_are_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    assert lidc_crop_ratings.read(tmp_path, [crop(corner=None, z_mm=None)]) == []
    assert lidc_crop_ratings.read(tmp_path, [crop(corner=(0.0, 0.0))]) == []
    assert lidc_crop_ratings.read(tmp_path / "elsewhere", [crop()]) == []


def test_damaged_readings_are_named(tmp_path: Path) -> None:
    write(tmp_path, "P,1.2,high,0,157,107,170,121,4\n")
    with pytest.raises(ConfigError, match=r"rois\.csv\.gz: damaged"):
        lidc_crop_ratings.read(tmp_path, [crop()])


def test_the_real_set_is_rated_nearly_whole(data: Path) -> None:
    if not lidc_crops.holds(data) or lidc_crop_ratings.find(data) is None:
        pytest.skip(f"no {lidc_crops.NAME} with ratings in {data}")
    crops = lidc_crops.read(data, samples.TUNE)
    rated = lidc_crop_ratings.read(data, crops)
    nodules = {(c.patient, c.nodule) for c in crops}
    assert len(rated) >= 0.95 * len(nodules)
    assert all(3 <= len(r.malignancy) <= 4 and set(r.malignancy) <= {1, 2, 3, 4, 5} for r in rated)
