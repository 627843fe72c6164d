"""LUNA16 import: phantoms with known truth written as .mhd, with flipped, rotated and oblique directions."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from luna16_made import (
    DIRECTIONS,
    SHAPE,
    Nodule,
    index,
    lungs,
    picture,
    write_scan,
    write_table,
)

from trainers import data as layouts
from trainers.config import ConfigError
from trainers.data.ct import luna16, luna16_rows
from trainers.data.ct.luna16 import Luna16Settings, import_scans


@pytest.mark.parametrize("name", DIRECTIONS)
def test_boxes_lie_on_the_nodules_whatever_the_direction(name: str, tmp_path: Path) -> None:
    data, out = tmp_path / "luna", tmp_path / "out"
    truth = [Nodule((10.3, 40, 30.5), 12.0), Nodule((20.4, 61.2, 70.7), 6.0)]
    write_table_rows = write_scan(data, "1.2.1", truth, direction=DIRECTIONS[name])
    write_table(data, write_table_rows)
    assert import_scans(Luna16Settings(), data, out, find_lungs=lungs) == 0
    rows = [r for r in index(out) if r["role"] == "labelled"]
    for number, one in enumerate(truth, start=1):
        own = [r for r in rows if r["annotation_row"] == str(number)]
        middle = min(own, key=lambda r: abs(float(r["dz_mm"])))
        image = picture(out, middle["image"]).astype(float)
        cx, cy, side = (float(middle[k]) for k in ("cx", "cy", "box"))
        ys, xs = np.mgrid[: image.shape[0], : image.shape[1]]
        near = np.hypot(xs - cx, ys - cy) < side
        share = np.clip((image - 27.3) / (191.3 - 27.3), 0, 1) * near  # −850 and 50 HU in the lung window
        assert np.hypot((share * xs).sum() / share.sum() - cx, (share * ys).sum() / share.sum() - cy) < 0.5
        assert 2 * np.sqrt(share.sum() / np.pi) == pytest.approx(side, rel=0.1)
        assert side == pytest.approx(one.diameter, rel=0.1)
        # every slice that the sphere crosses by at least 2 mm: spheres of 12 and 6 mm in slices of 1.5 mm
        assert len(own) == {12.0: 8, 6.0: 4}[one.diameter]


def test_the_images_are_those_of_the_window_at_one_millimetre_and_black_outside_the_mask(
    luna: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    import_scans(Luna16Settings(), luna, out, find_lungs=lungs)
    row = index(out)[0]
    image = picture(out, row["image"])
    assert image.shape == (72, 70) == (int(row["H"]), int(row["W"]))
    assert (image[:4] == 0).all()
    assert (image[:, -4:] == 0).all()
    assert image[10, 40] == round((1000 - 850) / 1400 * 255)
    assert float(row["pixel_mm"]) == pytest.approx(1.0)


def test_slices_without_a_nodule_are_negatives_and_keep_away_from_nodules(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    import_scans(Luna16Settings(negatives=5), luna, out, find_lungs=lungs)
    negatives = [r for r in index(out) if r["role"] == "negative"]
    assert {r["series_uid"] for r in negatives} == {"1.2.1", "1.2.2", "1.2.3"}
    assert all(r["cx"] == r["box"] == "" for r in negatives)
    own = {int(r["slice"]) for r in negatives if r["series_uid"] == "1.2.1"}
    assert own
    # 12 mm about slice 10.3 and 5 mm about slice 20, each with 5 mm of margin, slices of 1.5 mm
    assert not own & {*range(3, 18), *range(16, 25)}
    assert sum(r["series_uid"] == "1.2.3" for r in negatives) == 5
    import_scans(Luna16Settings(negatives=0), luna, tmp_path / "none", find_lungs=lungs)
    assert {r["role"] for r in index(tmp_path / "none")} <= {"labelled", "grazed"}


def test_neighbouring_slices_are_written_and_named(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    import_scans(Luna16Settings(neighbours=2), luna, out, find_lungs=lungs)
    last = SHAPE[0] - 1
    for row in index(out):
        place = int(row["slice"])
        # slices of 1.5 mm: the nearest to 2.5 and 5 mm are 2 and 3 slices away
        for side, wanted in (("previous", (place - 2, place - 3)), ("next", (place + 2, place + 3))):
            names = row[side].split()
            assert [int(name[-8:-4]) for name in names] == [min(max(k, 0), last) for k in wanted]
            assert all((out / "images" / name).is_file() for name in names)
    import_scans(Luna16Settings(neighbour_mm=0), luna, tmp_path / "next", find_lungs=lungs)
    for row in index(tmp_path / "next"):
        assert int(row["previous"][-8:-4]) == max(int(row["slice"]) - 1, 0)
        assert int(row["next"][-8:-4]) == min(int(row["slice"]) + 1, last)
    import_scans(Luna16Settings(neighbours=0), luna, tmp_path / "alone", find_lungs=lungs)
    alone = index(tmp_path / "alone")
    assert {r["previous"] for r in alone} == {""}
    assert len(list((tmp_path / "alone" / "images").iterdir())) == len({r["image"] for r in alone})


def test_paper_mode_takes_three_slices_of_each_nodule_whole_and_430_by_418(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert import_scans(Luna16Settings(mode="paper", tune_share=0.0), luna, out) == 0  # no lung mask is asked for
    rows = index(out)
    own = [r for r in rows if r["role"] == "labelled"]
    assert sorted(int(r["slice"]) for r in own if r["annotation_row"] == "1") == [9, 10, 11]
    assert len(own) == 9
    one = own[0]
    assert (one["W"], one["H"]) == ("430", "418")
    assert float(one["width"]) == pytest.approx(12.0 / 0.7 * 430 / 100, rel=1e-3)
    assert float(one["height"]) == pytest.approx(12.0 / 0.8 * 418 / 90, rel=1e-3)
    assert float(one["cx"]) == pytest.approx((30.5 + 0.5) * 4.3 - 0.5, abs=0.01)
    assert picture(out, one["image"]).min() > 0  # −850 HU everywhere: nothing is masked
    folds = {r["image"]: r["fold"] for r in rows}
    assert sorted(folds.values()).count("1") == round(0.2 * len(folds))
    assert set(folds.values()) == {"1", "3"}
    assert "1.2.3" not in {r["series_uid"] for r in rows}


def test_folds_follow_the_patient_and_series_of_one_patient_stay_together(luna: Path, tmp_path: Path) -> None:
    (luna / "patients.csv").write_text(
        "series_uid,patient_id\n1.2.1,LIDC-IDRI-0772\n1.2.2,LIDC-IDRI-0772\n1.2.3,LIDC-IDRI-0001\n"
    )
    import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs)
    folds = {r["series_uid"]: (r["patient_id"], r["fold"]) for r in index(tmp_path / "out")}
    assert folds["1.2.1"] == folds["1.2.2"] == ("LIDC-IDRI-0772", "1")
    assert folds["1.2.3"] == ("LIDC-IDRI-0001", "x")


def test_folds_can_be_the_official_subsets(luna: Path, tmp_path: Path) -> None:
    import_scans(Luna16Settings(split="subset"), luna, tmp_path / "out", find_lungs=lungs)
    assert {(r["series_uid"], r["fold"]) for r in index(tmp_path / "out")} == {
        ("1.2.1", "0"),
        ("1.2.2", "1"),
        ("1.2.3", "1"),
    }
    (luna / "subset0").rename(luna / "other")
    with pytest.raises(ConfigError, match="subset0 … subset9"):
        import_scans(Luna16Settings(split="subset"), luna, tmp_path / "again", find_lungs=lungs)


def test_the_fold_of_a_patient_is_that_of_the_given_slices(data: Path) -> None:
    with (data / "ct" / "luna16-slices" / "index.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            assert luna16_rows.fold_of(row["patient_id"]) == row["fold"]


def test_real_tables_are_joined_by_place(data: Path) -> None:
    folder = data / "ct" / "luna16-annotations"
    found = luna16.tables.read_annotations(folder / "annotations.csv", folder / "annotations_with_malignancy.csv")
    every = [a for items in found.values() for a in items]
    assert len(every) == 1186
    assert every[0].ratings == "[4, 2, 4, 2]"
    assert sum(bool(a.ratings) for a in every) >= 1180
    patients = luna16.tables.read_patients(data / "ct" / "lidc-readings" / "rois.csv.gz")
    assert set(found) <= set(patients)


def test_irrelevant_findings_are_marked_and_never_background(luna: Path, tmp_path: Path) -> None:
    # In the scan without nodules: LPS of (slice 5, row 30, column 30) of unknown size, and one outside the image.
    write_table(
        luna,
        [("1.2.3", -40 + 21, 60 + 24, -300 + 7.5, -1.0), ("1.2.3", 999, 999, -290, 5.0)],
        "annotations_excluded.csv",
    )
    import_scans(Luna16Settings(negatives=SHAPE[0]), luna, tmp_path / "out", find_lungs=lungs)
    slices = {int(r["slice"]) for r in index(tmp_path / "out") if r["series_uid"] == "1.2.3"}
    assert slices == set(range(SHAPE[0])) - set(range(2, 9))  # 10 mm about slice 5


def test_annotations_of_scans_that_are_not_there_are_listed_and_the_others_are_imported(
    luna: Path, tmp_path: Path
) -> None:
    (luna / "subset1" / "1.2.2.mhd").unlink()
    assert import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs) == 0
    problems = index(tmp_path / "out", "problems.csv")
    assert {"series_uid": "1.2.2", "annotation_row": "3", "problem": "this scan is not there"} in problems
    assert {r["series_uid"] for r in index(tmp_path / "out")} == {"1.2.1", "1.2.3"}


def test_annotations_that_name_none_of_the_scans_are_an_error(luna: Path, tmp_path: Path) -> None:
    write_table(luna, [("9.9.9", 0.0, 0.0, 0.0, 5.0)])
    with pytest.raises(ConfigError, match="names none of the 3 scans"):
        import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs)


def test_a_nodule_outside_its_scan_refuses_the_scan_and_names_the_row(luna: Path, tmp_path: Path) -> None:
    rows = write_scan(luna / "subset2", "1.2.4", [Nodule((10, 40, 130), 6.0)])
    write_table(luna, [("1.2.1", -20.0, 90.0, -285.0, 6.0), *rows])
    assert import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs) == 1
    problem = next(
        p for p in index(tmp_path / "out", "problems.csv") if p["series_uid"] == "1.2.4" and "row" in p["problem"]
    )
    assert problem["problem"].startswith("annotation row 2 lies outside the image")
    assert "1.2.4" not in {r["series_uid"] for r in index(tmp_path / "out")}


def test_a_box_that_reaches_over_the_edge_is_cut_there(tmp_path: Path) -> None:
    data = tmp_path / "luna"
    write_table(data, write_scan(data, "1.2.1", [Nodule((10, 40, 2), 12.0)]))
    import_scans(Luna16Settings(masked=False), data, tmp_path / "out")
    row = min((r for r in index(tmp_path / "out") if r["role"] == "labelled"), key=lambda r: abs(float(r["dz_mm"])))
    left = float(row["cx"]) + 0.5 - float(row["width"]) / 2
    assert left == pytest.approx(0.0, abs=1e-2)
    assert float(row["width"]) == pytest.approx(2.5 * 0.7 + 6.0, rel=0.02)
    assert float(row["height"]) == pytest.approx(12.0, rel=0.02)


def test_official_lung_segmentations_are_not_taken_for_scans(luna: Path, tmp_path: Path) -> None:
    write_scan(luna / "seg-lungs-LUNA16", "1.2.1", [])
    assert len(luna16.find(Luna16Settings(), luna).scans) == 3
    write_scan(luna / "copy", "1.2.1", [])
    with pytest.raises(ConfigError, match="the same series"):
        luna16.find(Luna16Settings(), luna)


def test_what_was_imported_is_read_as_luna16_slices(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_table(luna, [("1.2.2", -40 + 21, 60 + 24, -300 + 21, 8.0)], "annotations_excluded.csv")
    import_scans(Luna16Settings(split="subset"), luna, out, find_lungs=lungs)
    assert layouts.recognise(out).layout == "luna16-slices"
    slices = layouts.read_slices(out, ("0", "1"))
    rows = index(out)
    assert len(slices) == len({r["image"] for r in rows})
    assert sum(len(s.boxes) for s in slices) == sum(r["role"] == "labelled" for r in rows)
    assert sum(len(s.ignored) for s in slices) == sum(r["role"] in ("grazed", "excluded") for r in rows) > 0
    assert any(not len(s.boxes) for s in slices)
    one = next(s for s in slices if len(s.boxes))
    assert one.stack().shape == (3, 72, 70)
    assert one.pixel_mm == pytest.approx(1.0)
    centre, diameter = (one.boxes[0, :2] + one.boxes[0, 2:]) / 2, one.diameters[0]
    assert diameter in (12.0, 9.0, 5.0)
    assert one.pixels()[int(centre[1]), int(centre[0])] > 150


def test_a_box_outside_its_image_in_an_index_is_named(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    import_scans(Luna16Settings(split="subset", negatives=0), luna, out, find_lungs=lungs)
    rows = index(out)
    rows[0]["cx"] = "500"
    (out / "index.csv").write_text(luna16_rows.table(luna16_rows.COLUMNS, rows))
    with pytest.raises(ConfigError, match=f"a box of {rows[0]['image']} lies outside the image"):
        layouts.read_slices(out, ("0", "1"))
