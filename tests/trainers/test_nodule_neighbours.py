"""2.5-D input on phantoms: the right slices in the right channels, when imported, trained, searched and measured."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Volume
from cadviewer.models import catalogue
from cadviewer.models.nodules.analysis import find_nodules
from cadviewer.models.nodules.boxes import SMALL, default_boxes, levels
from cadviewer.models.nodules.slices import neighbours, prepare
from cadviewer.models.runtime import ready
from cadviewer.phantoms.files import write_mhd
from cadviewer.phantoms.phantom import NoduleSpec, chest_ct
from trainers import evaluate
from trainers.data import read_slices
from trainers.data.ct import luna16_scan, samples
from trainers.data.ct.luna16 import Luna16Settings, import_scans
from trainers.nodules import evaluation as evaluate_nodules
from trainers.nodules import trainer as nodules
from trainers.nodules.card import inputs_of
from trainers.nodules.crops import Crops, CropSettings
from trainers.nodules.scoring import prepared
from trainers.nodules.settings import NoduleSettings

EVERY = tuple("0123456789x")
SLICES, STEP = 12, 1.25


def test_neighbours_lie_at_a_distance_in_millimetres_whatever_the_slices_are() -> None:
    assert neighbours(10, 99, 1, 2.5, 2.5) == (9, 10, 11)
    assert neighbours(10, 99, 1, 2.5, 1.25) == (8, 10, 12)
    assert neighbours(10, 99, 2, 2.5, 0.625) == (2, 6, 10, 14, 18)


def test_in_thick_scans_neighbours_are_the_next_slices_and_never_the_same_twice() -> None:
    assert neighbours(10, 99, 2, 2.5, 10.0) == (8, 9, 10, 11, 12)
    assert neighbours(10, 99, 2, 2.5, None) == neighbours(10, 99, 2, 0.0, 0.7) == (8, 9, 10, 11, 12)


def test_past_its_end_a_scan_repeats_its_last_slice() -> None:
    assert neighbours(0, 5, 1, 2.5, 1.25) == (0, 0, 2)
    assert neighbours(3, 5, 2, 2.5, 2.5) == (1, 2, 3, 4, 4)


@pytest.mark.parametrize("direction", ["plain", "feet first", "upside down", "both"])
def test_imported_channels_are_the_slices_beside_also_in_flipped_scans_and_at_their_ends(
    direction: str, tmp_path: Path
) -> None:
    """Every slice has the grey of its place: −900 HU and 8 more for every mm in z."""
    flip = {"plain": (1, 1, 1), "feet first": (1, 1, -1), "upside down": (1, -1, 1), "both": (1, -1, -1)}[direction]
    pixels = np.empty((SLICES, 60, 60), np.int16)
    pixels[:] = (-900 + 10 * np.arange(SLICES))[:, None, None]
    pixels[:, :20], pixels[:, 40:] = -1000, 40  # air and tissue, as in a CT
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((1.0, 1.0, STEP))
    image.SetDirection([float(v) for v in np.diag(flip).ravel()])
    (tmp_path / "luna").mkdir()
    sitk.WriteImage(image, str(tmp_path / "luna" / "1.2.3.mhd"))
    with (tmp_path / "luna" / "annotations.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"])
        for k in (0, 5, SLICES - 1):
            writer.writerow(["1.2.3", 30.0 * flip[0], 30.0 * flip[1], k * STEP * flip[2], 2.0])
    settings = Luna16Settings(neighbours=2, neighbour_mm=2.5, masked=False, negatives=0, split="subset")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainers.data.ct.luna16._subset", lambda path: "3")
        assert import_scans(settings, tmp_path / "luna", tmp_path / "out") == 0
    scan = luna16_scan.read_scan(tmp_path / "luna" / "1.2.3.mhd")
    found = read_slices(tmp_path / "out", EVERY)
    assert len(found) == 3
    seen = set()
    for item in found:
        k = int(item.image.stem[-4:])
        wanted = [min(max(k + step, 0), SLICES - 1) for step in (-4, -2, 0, 2, 4)]  # 2.5 mm are two slices
        heights = scan.geometry.to_patient([[i, 29, 30] for i in wanted])[:, 2] * flip[2]
        grey = [float(channel[29, 30]) / 255 * 1400 - 1000 for channel in item.stack(2)]
        assert grey == pytest.approx((-900 + 8 * heights).tolist(), abs=3)
        assert item.neighbour_mm == 2.5
        # the very channels that a search of the whole scan makes
        inputs = {"neighbours": 2, "neighbour_mm": 2.5, "lung_mask": False, "pixel_mm": 1.0}
        ready = prepare(scan, inputs, spacing_mm=None, window=(-1000, 400))
        assert ready.input(k) == pytest.approx(prepared(item, inputs), abs=0.5 / 255 + 1e-4)
        seen.add(k)
    assert {0, SLICES - 1} < seen


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chest phantoms as LUNA16 scans, one of them feet first, and the slices made of them."""
    root = tmp_path_factory.mktemp("phantoms")
    (root / "luna").mkdir()
    rows = []
    specs = (NoduleSpec(16.0, side="left", height=15.0), NoduleSpec(12.0, side="right", height=0.0))
    for uid, flips, seed in (("1.2.3", (False, False, False), 3), ("1.2.4", (True, False, True), 4)):
        made = chest_ct(seed, shape=(24, 128, 128), spacing=(2.5, 2.7, 2.7), nodules=specs, flips=flips)
        write_mhd(made.volume, root / "luna" / f"{uid}.mhd")
        rows += [(uid, *n.centre_mm, n.diameter_mm) for n in made.nodules]
    with (root / "luna" / "annotations.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"), *rows])
    (root / "luna" / "patients.csv").write_text("series_uid,patient_id\n1.2.3,train\n1.2.4,tune\n")
    settings = Luna16Settings(pixel_mm=2.7, neighbour_mm=2.5, negatives=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainers.data.ct.luna16_rows.fold_of", lambda patient: {"train": "3", "tune": "2"}[patient])
        assert import_scans(settings, root / "luna", root / "slices") == 0
    return root


def test_lung_masked_channels_of_the_import_are_those_that_a_search_makes(imported: Path) -> None:
    for uid, folds in (("1.2.3", samples.TRAIN), ("1.2.4", samples.TUNE)):
        scan = luna16_scan.read_scan(imported / "luna" / f"{uid}.mhd")
        items = read_slices(imported / "slices", folds)
        inputs = inputs_of(NoduleSettings(neighbours=1), items)
        assert inputs["neighbours"] == 1
        assert (inputs["neighbour_mm"], inputs["pixel_mm"], inputs["lung_mask"]) == (2.5, 2.7, True)
        ready = prepare(scan, inputs, spacing_mm=None, window=(-1000, 400))
        for item in items:
            k = int(np.searchsorted(ready.indices, int(item.image.stem[-4:])))
            ours, theirs = ready.input(k), prepared(item, inputs)
            assert ours.shape == theirs.shape == (3, *item.pixels().shape)
            assert np.abs(ours - theirs).max() <= 0.5 / 255 + 1e-4
            assert (theirs[0] != theirs[1]).any()


def test_crops_have_the_neighbours_as_channels_and_nodules_stay_in_the_middle_one(imported: Path) -> None:
    items = [s for s in read_slices(imported / "slices", samples.TRAIN) if len(s.boxes)]
    settings = CropSettings(64, 1.0, augment="flips", neighbours=1)
    crops, alone = (
        Crops(items, levels(SMALL), settings, 0),
        Crops(items, levels(SMALL), replace(settings, neighbours=0), 0),
    )
    orders = set()
    for place in range(12):
        index = (0, place, place % len(items))
        image, labels, _ = crops[index]
        one, same, _ = alone[index]
        assert image.shape == (3, 64, 64)
        assert (image[1] == one[0]).all()
        assert (labels == same).all()
        stack = items[index[2]].stack()
        sums = [int(np.abs(stack[side].astype(int).sum() - 255 * float(image[0].sum()))) for side in (0, 2)]
        orders.add(sums[0] < sums[1])
    assert orders == {True, False}  # head or feet first


class Recorder:
    """A network that finds nothing and remembers what it was shown."""

    batch_size = 4

    def __init__(self) -> None:
        self.seen: list[NDArray[np.float32]] = []

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self.seen.append(batch.copy())
        count = len(default_boxes(levels(SMALL), *batch.shape[2:]))
        return np.full((len(batch), count, 1), -9.0, np.float32), np.zeros((len(batch), count, 4), np.float32)


@pytest.fixture(scope="module")
def trained(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    fast = ["epochs=1", "batch=4", "size=64", "width=16", "threads=1", "precision=32-true", "views=one", "neighbours=1"]
    nodules.run(None, imported / "slices", out, fast, False)
    return out / "nodules-ssd-mobilenet_v1.json"


def test_a_run_with_neighbours_says_so_in_its_card(trained: Path) -> None:
    card = catalogue.load(trained)
    assert card.config["channels"] == 3
    assert (card.inputs["neighbours"], card.inputs["neighbour_mm"]) == (1, 2.5)
    assert any("not measured" in line for line in card.limits)


def test_a_search_shows_the_network_three_slices_of_a_volume_and_a_single_image_three_times(
    imported: Path, trained: Path
) -> None:
    card = catalogue.load(trained)
    scan = luna16_scan.read_scan(imported / "luna" / "1.2.3.mhd")
    forward = Recorder()
    find_nodules(scan, forward, card)
    inside = [image for batch in forward.seen for image in batch]
    assert {image.shape[0] for image in inside} == {3}
    first, second = forward.seen[0][0], forward.seen[0][1]  # slices of 2.5 mm: the next one
    assert (first[2] == second[1]).all()
    assert (first[1] == second[0]).all()
    assert (first[0] == first[1]).all()  # the scan begins here
    assert (second[0] != second[1]).any()
    item = read_slices(imported / "slices", samples.TRAIN)[0]
    alone = Recorder()
    evaluate_nodules.search(replace(item, previous=(), next=()), alone, card)
    for batch in alone.seen:
        assert batch.shape[1] == 3
        assert (batch[:, 0] == batch[:, 1]).all()
        assert (batch[:, 2] == batch[:, 1]).all()


def test_a_stack_of_unrelated_images_is_not_taken_for_neighbours(imported: Path, trained: Path) -> None:
    scan = luna16_scan.read_scan(imported / "luna" / "1.2.3.mhd")
    series = replace(scan.series, shape=type(scan.series.shape).STACK, not_volume="uneven spacing")
    forward = Recorder()
    find_nodules(Volume(series, scan.pixels), forward, catalogue.load(trained))
    assert all((batch[:, 0] == batch[:, 1]).all() for batch in forward.seen)


def test_slices_are_measured_with_their_neighbours_as_the_scan_is(
    imported: Path, trained: Path, tmp_path: Path
) -> None:
    card = catalogue.load(trained)
    item = read_slices(imported / "slices", samples.TUNE)[0]
    scan = luna16_scan.read_scan(imported / "luna" / "1.2.4.mhd")
    slices, whole = Recorder(), Recorder()
    evaluate_nodules.search(item, slices, card)
    find_nodules(scan, whole, card)
    shown = [image[:, image[1].any(axis=1)][:, :, image[1].any(axis=0)] for b in whole.seen for image in b]
    ours = slices.seen[0][0]
    ours = ours[:, ours[1].any(axis=1)][:, :, ours[1].any(axis=0)]
    assert any(ours.shape == s.shape and np.abs(ours - s).max() <= 0.5 / 255 + 1e-4 for s in shown)
    figures = evaluate.evaluate(card, imported / "slices", tmp_path, split="tune", device="cpu")
    assert list(figures) == ["slices, fold 2 (tune), with their neighbours"]
    assert json.loads((tmp_path / "figures.json").read_text())["split"] == "tune"


def test_whole_scans_are_measured_by_the_search_that_sees_neighbours(
    imported: Path, trained: Path, tmp_path: Path
) -> None:
    card = catalogue.load(trained)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainers.data.ct.luna16_rows.fold_of", lambda patient: "1" if patient == "tune" else "3")
        figures = evaluate.evaluate(card, imported / "luna", tmp_path, split="test", device="cpu")
    assert figures["scans, fold 1 (test)"]["scans"] == 1
    with (tmp_path / "candidates.csv").open() as stream:
        written = [float(row["probability"]) for row in csv.DictReader(stream)]
    scan = luna16_scan.read_scan(imported / "luna" / "1.2.4.mhd")
    found = find_nodules(scan, ready(card, "cpu"), card, threshold=evaluate_nodules.LOWEST).nodules
    assert len(found) > 0
    assert written == pytest.approx([n.score for n in found], abs=1e-5)


def test_slices_of_another_pixel_size_are_refused_with_their_neighbours(imported: Path, trained: Path) -> None:
    item = replace(read_slices(imported / "slices", samples.TUNE)[0], pixel_mm=1.0)
    with pytest.raises(Exception, match=r"1 mm per pixel, but the model looks at 2\.7 mm"):
        evaluate_nodules.search(item, Recorder(), catalogue.load(trained))


def test_a_geometry_without_known_distance_takes_the_next_slices() -> None:
    assert Geometry((5, 4, 4)).slice_spacing is None
    assert neighbours(2, 5, 1, 2.5, Geometry((5, 4, 4)).slice_spacing) == (1, 2, 3)
