"""The whole chain on a chest phantom written as .mhd: import with the real lung mask, and whole scans measured."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from cadviewer.phantoms.files import write_mhd
from cadviewer.phantoms.phantom import NoduleSpec, Phantom, chest_ct
from trainers import data as layouts
from trainers.data.ct.luna16 import Luna16Settings, import_scans

SPECS = (
    NoduleSpec(18.0, side="left", height=20.0),
    NoduleSpec(12.0, side="right", height=0.0),
    NoduleSpec(10.0, pleural=True, side="right", height=25.0),
)
TILT = (
    (float(np.cos(0.2)), float(-np.sin(0.2)), 0.0),
    (float(np.sin(0.2)), float(np.cos(0.2)), 0.0),
    (0.0, 0.0, 1.0),
)
PLACES = {
    "plain": {},
    "flipped": {"flips": (True, False, True)},
    "mirrored": {"flips": (False, False, True)},
    "turned": {"rotation": TILT},
}


def written(name: str, folder: Path) -> Phantom:
    phantom = chest_ct(3, shape=(56, 224, 224), spacing=(2.5, 1.55, 1.55), nodules=SPECS, **PLACES[name])  # type: ignore[arg-type]
    folder.mkdir(parents=True)
    write_mhd(phantom.volume, folder / "1.2.3.mhd")
    with (folder / "annotations.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"))
        for nodule in phantom.nodules:
            writer.writerow(("1.2.3", *nodule.centre_mm, nodule.diameter_mm))
    return phantom


@pytest.mark.parametrize("name", PLACES)
def test_boxes_are_where_the_phantom_has_its_nodules(name: str, tmp_path: Path) -> None:
    phantom = written(name, tmp_path / "luna")
    out = tmp_path / "slices"
    assert import_scans(Luna16Settings(pixel_mm=1.55), tmp_path / "luna", out) == 0
    with (out / "index.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    count = phantom.volume.geometry.shape[0]
    backwards = np.linalg.det(np.array(phantom.volume.geometry.direction)[::-1]) < 0
    for number, nodule in enumerate(phantom.nodules, start=1):
        index = phantom.volume.geometry.to_index(nodule.centre_mm)
        own = [r for r in rows if r["role"] == "labelled" and r["annotation_row"] == str(number)]
        middle = min(own, key=lambda r: abs(float(r["dz_mm"])))
        # The readers give slices along row × column: a file that stores them against it is read backwards.
        assert abs(int(middle["slice"]) - (count - 1 - index[0] if backwards else index[0])) <= 0.5
        assert float(middle["cx"]) == pytest.approx(index[2], abs=0.5)
        assert float(middle["cy"]) == pytest.approx(index[1], abs=0.5)
        assert float(middle["width"]) * 1.55 == pytest.approx(nodule.diameter_mm, rel=0.1)
        drawn = max((b for b in nodule.boxes), key=lambda b: b[3] - b[1])
        assert float(middle["width"]) == pytest.approx(drawn[3] - drawn[1], abs=2.0)  # voxels count whole
        assert float(middle["inside"]) == 1.0  # nodules on the pleura too
    assert any(r["role"] == "negative" for r in rows)


def test_lungs_stay_and_the_body_goes(tmp_path: Path) -> None:
    written("plain", tmp_path / "luna")
    import_scans(Luna16Settings(), tmp_path / "luna", tmp_path / "slices")
    for one in layouts.read_slices(tmp_path / "slices", tuple("0123456789x")):
        image = one.pixels()
        assert (image[0] == 0).all()
        assert 0.05 < (image > 0).mean() < 0.75
        for x0, y0, x1, y1 in one.boxes:
            if x1 - x0 > 6:  # not only the rim
                assert image[int((y0 + y1) / 2), int((x0 + x1) / 2)] > 130  # above −300 HU
