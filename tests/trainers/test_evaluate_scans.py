"""Scan-level figures from raw scans: the same rules, whole scans, and a run that goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from cadviewer.imaging.series import Volume
from cadviewer.models.gate.input_gate import OutOfScope
from trainers.config import ConfigError
from trainers.metrics.froc import Floats
from trainers.nodules import evaluate_scans

MARKS: dict[str, list[tuple[float, float, float, float]]] = {
    # x, y, z, score. Nodules: 1.1 at (10, 10, 10) of 8 mm and (30, 30, 10) of 6 mm; 1.2 at (20, 20, 12) of 10 mm.
    "1.1": [(11, 10, 10, 0.9), (13, 10, 10, 0.7), (40, 5, 5, 0.6)],
    "1.2": [(20, 20, 13, 0.8), (5, 5, 5, 0.5), (30, 6, 6, 0.4)],
    "1.3": [],
}


def write_scan(path: Path, level: int) -> None:
    image = sitk.GetImageFromArray(np.full((12, 40, 40), level, np.int16))
    image.SetSpacing((1.2, 1.2, 2.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def luna(tmp_path: Path) -> Path:
    data = tmp_path / "luna"
    for k, uid in enumerate(MARKS):
        write_scan(data / f"{uid}.mhd", -900 + k)
    (data / "annotations.csv").write_text(
        "seriesuid,coordX,coordY,coordZ,diameter_mm\n1.1,10,10,10,8\n1.1,30,30,10,6\n1.2,20,20,12,10\n"
    )
    (data / "annotations_excluded.csv").write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2,30,6,6,-1\n")
    return data


def search(volume: Volume) -> tuple[Floats, Floats]:
    """Knows the scans by their gray level."""
    found = np.array(MARKS[list(MARKS)[int(volume.pixels[0, 0, 0]) + 900]], float).reshape(-1, 4)
    return found[:, :3], found[:, 3]


def test_the_figures_are_those_worked_out_by_hand(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    measured = evaluate_scans.measure(search, luna, out, model="a")
    figures = evaluate_scans.evaluate(measured, out, threshold=0.55, rounds=50)
    assert (figures["scans"], figures["patients"], figures["nodules"]) == (3, 3, 3)
    # By falling score: hit .9, hit .8, (double .7), false .6, false .5, (excluded .4); one nodule is never found.
    assert figures["sensitivity at 1/8 per scan"][0] == pytest.approx(2 / 3)
    assert figures["mean sensitivity at 1/8…8 per scan"][0] == pytest.approx(2 / 3)
    assert figures["sensitivity at threshold 0.55"][0] == pytest.approx(2 / 3)
    assert figures["false alarms per scan at threshold 0.55"][0] == pytest.approx(1 / 3)
    with (out / "candidates.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6
    assert rows[0] == {
        "seriesuid": "1.1",
        "coordX": "11.0000",
        "coordY": "10.0000",
        "coordZ": "10.0000",
        "probability": "0.900000",
    }
    assert (out / "froc_scans.png").is_file()


def test_finished_scans_are_not_searched_again_unless_the_model_is_another(luna: Path, tmp_path: Path) -> None:
    asked = []

    def counted(volume: Volume) -> tuple[Floats, Floats]:
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return search(volume)

    with pytest.raises(KeyboardInterrupt):
        evaluate_scans.measure(counted, luna, tmp_path, model="a")
    evaluate_scans.measure(counted, luna, tmp_path, model="a")
    assert len(asked) == 4
    evaluate_scans.measure(counted, luna, tmp_path, model="b")
    assert len(asked) == 7


def test_a_refused_scan_counts_its_nodules_as_missed_and_a_damaged_one_is_left_out(luna: Path, tmp_path: Path) -> None:
    def refusing(volume: Volume) -> tuple[Floats, Floats]:
        if volume.pixels[0, 0, 0] == -900:
            raise OutOfScope("no lungs found")
        return search(volume)

    (luna / "1.2.raw").unlink()
    measured = evaluate_scans.measure(refusing, luna, tmp_path, model="a")
    assert measured.uids == ("1.1", "1.3")
    assert "1.2.raw" in measured.left_out["1.2"]
    figures = evaluate_scans.evaluate(measured, tmp_path, threshold=0.5, rounds=20)
    assert (figures["nodules"], figures["scans left out"]) == (2, 1)
    assert figures["mean sensitivity at 1/8…8 per scan"][0] == 0.0
    assert "1.2," in (tmp_path / "problems.csv").read_text()


def test_only_patients_of_the_asked_folds_are_searched(luna: Path, tmp_path: Path) -> None:
    (luna / "patients.csv").write_text(
        "series_uid,patient_id\n1.1,LIDC-IDRI-0772\n1.2,LIDC-IDRI-0001\n1.3,LIDC-IDRI-1001\n"
    )
    measured = evaluate_scans.measure(search, luna, tmp_path, model="a", folds=("1",))
    assert (measured.uids, measured.patients) == (("1.1",), ("LIDC-IDRI-0772",))
    with pytest.raises(ConfigError, match="none of its 3 scans is of fold 2"):
        evaluate_scans.measure(search, luna, tmp_path, model="a", folds=("2",))


def test_scans_of_lidc_are_not_measured_without_knowing_their_patients(luna: Path, tmp_path: Path) -> None:
    uid = evaluate_scans.LIDC + "77"
    write_scan(luna / f"{uid}.mhd", -900)
    with pytest.raises(ConfigError, match="series_uid, patient_id"):
        evaluate_scans.measure(search, luna, tmp_path, model="a", folds=("1",))
    (luna / "patients.csv").write_text(f"series_uid,patient_id\n{uid},LIDC-IDRI-1001\n")
    measured = evaluate_scans.measure(search, luna, tmp_path, model="a", folds=("1",))
    assert measured.uids == ("1.1", "1.2", "1.3")  # of another set: all of them; the LIDC patient is of fold 4


def test_an_annotation_outside_its_scan_leaves_the_scan_out(luna: Path, tmp_path: Path) -> None:
    with (luna / "annotations.csv").open("a") as stream:
        stream.write("1.3,900,0,0,5\n")
    measured = evaluate_scans.measure(search, luna, tmp_path, model="a")
    assert "annotation row 4 lies outside" in measured.left_out["1.3"]
    stored = [json.loads(p.read_text())["series_uid"] for p in (tmp_path / "scans").iterdir()]
    assert sorted(stored) == ["1.1", "1.2"]


def test_a_folder_is_known_by_its_scans_and_annotations(luna: Path, tmp_path: Path) -> None:
    assert evaluate_scans.holds(luna)
    assert not evaluate_scans.holds(tmp_path / "out")
