"""LUNA16 import: phantoms with known truth written as .mhd, with flipped, rotated and oblique directions."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry
from trainers import data as layouts
from trainers.__main__ import main
from trainers.config import ConfigError
from trainers.data import luna16, luna16_rows
from trainers.data.luna16 import Luna16Settings, import_scans

SHAPE = (28, 90, 100)  # slices, rows, columns
SPACING = (1.5, 0.8, 0.7)  # mm between slices, rows, columns


def turned(degrees: float, axis: int) -> NDArray[np.float64]:
    """Rotation about an axis of LPS."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.roll(np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), (axis, axis), (0, 1))


DIRECTIONS = {
    "plain": np.eye(3),
    "left to right": np.diag([-1.0, 1, 1]),
    "upside down": np.diag([1.0, -1, 1]),
    "feet first": np.diag([1.0, 1, -1]),
    "all three": np.diag([-1.0, -1, -1]),
    "rotated": turned(90, 2),
    "oblique": turned(20, 0) @ turned(-35, 1) @ turned(10, 2),
}


@dataclass(frozen=True)
class Nodule:
    """A sphere at a continuous (slice, row, column) index."""

    index: tuple[float, float, float]
    diameter: float


@dataclass(frozen=True)
class Framed:
    """Instead of the program's own lungs, which want a chest: everything but a frame of 6 pixels, or nothing."""

    count: int
    found: bool = True

    def slices(self) -> NDArray[np.intp]:
        return np.arange(self.count)

    def on_slice(self, k: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        made = np.zeros(shape, bool)
        made[6:-6, 6:-6] = True
        return made


def lungs(pixels: NDArray[np.generic], geometry: Geometry) -> Framed:
    assert pixels.shape == geometry.shape
    return Framed(len(pixels))


def write_scan(
    folder: Path,
    uid: str,
    nodules: list[Nodule],
    *,
    direction: NDArray[np.float64] = DIRECTIONS["plain"],
    origin: tuple[float, float, float] = (-40.0, 60.0, -300.0),
    dtype: type = np.int16,
) -> list[tuple[str, float, float, float, float]]:
    """A scan with soft spheres in lung; the rows of annotations.csv, worked out without the program's geometry."""
    step = np.array([SPACING[2], SPACING[1], SPACING[0]])
    k, r, c = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    pixels = np.full(SHAPE, -850.0)
    rows = []
    for one in nodules:
        away = np.sqrt(sum(((a - i) * s) ** 2 for a, i, s in zip((k, r, c), one.index, SPACING, strict=True)))
        pixels = np.maximum(pixels, -850 + 900 * np.clip(one.diameter / 2 - away + 0.5, 0, 1))
        centre = np.array(origin) + direction @ (step * np.array(one.index[::-1]))
        rows.append((uid, *(float(v) for v in centre), one.diameter))
    image = sitk.GetImageFromArray(pixels.astype(dtype))
    image.SetSpacing([float(s) for s in step])
    image.SetOrigin(origin)
    image.SetDirection([float(v) for v in direction.ravel()])
    folder.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(folder / f"{uid}.mhd"))
    return rows


def write_table(
    folder: Path, rows: list[tuple[str, float, float, float, float]], name: str = "annotations.csv"
) -> None:
    with (folder / name).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"])
        writer.writerows(rows)


def index(out: Path, name: str = "index.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def picture(out: Path, name: str) -> NDArray[np.uint8]:
    image = cv2.imread(str(out / "images" / name), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.ndim == 2
    return np.asarray(image, np.uint8)


@pytest.fixture
def luna(tmp_path: Path) -> Path:
    """Two subsets with a scan of two nodules, one of one, and one without."""
    data = tmp_path / "luna"
    rows = write_scan(data / "subset0", "1.2.1", [Nodule((10.3, 40, 30.5), 12.0), Nodule((20, 60.2, 70), 5.0)])
    rows += write_scan(data / "subset1", "1.2.2", [Nodule((14, 30, 50), 9.0)])
    write_scan(data / "subset1", "1.2.3", [])
    write_table(data, rows)
    return data


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
    write_table(data_of(data), write_scan(data, "1.2.1", [Nodule((10, 40, 2), 12.0)]))
    import_scans(Luna16Settings(masked=False), data, tmp_path / "out")
    row = min((r for r in index(tmp_path / "out") if r["role"] == "labelled"), key=lambda r: abs(float(r["dz_mm"])))
    left = float(row["cx"]) + 0.5 - float(row["width"]) / 2
    assert left == pytest.approx(0.0, abs=1e-2)
    assert float(row["width"]) == pytest.approx(2.5 * 0.7 + 6.0, rel=0.02)
    assert float(row["height"]) == pytest.approx(12.0, rel=0.02)


def data_of(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def damage(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    lines = [after if line.startswith(before) else line for line in text.splitlines()]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("ElementSpacing", "ElementSpacing = 0 0.8 1.5", "pacing"),
        ("ElementDataFile", "ElementDataFile = nowhere.raw", "nowhere.raw"),
        ("DimSize", "DimSize = 100 90 4000", ""),
        ("TransformMatrix", "TransformMatrix = 1 0 0 1 0 0 0 0 1", ""),
    ],
)
def test_a_damaged_scan_is_listed_with_its_reason_and_the_others_go_on(
    before: str, after: str, reason: str, luna: Path, tmp_path: Path
) -> None:
    damage(luna / "subset0" / "1.2.1.mhd", before, after)
    assert import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs) == 1
    problems = {
        p["series_uid"]: p["problem"] for p in index(tmp_path / "out", "problems.csv") if "patient" not in p["problem"]
    }
    assert list(problems) == ["1.2.1"]
    assert reason in problems["1.2.1"]
    assert "\n" not in problems["1.2.1"]
    assert {r["series_uid"] for r in index(tmp_path / "out")} == {"1.2.2", "1.2.3"}


def test_voxels_that_are_not_numbers_refuse_the_scan(luna: Path, tmp_path: Path) -> None:
    path = luna / "subset0" / "1.2.1.mhd"
    image = sitk.ReadImage(str(path))
    pixels = sitk.GetArrayFromImage(image).astype(np.float32)
    pixels[3, 4, 5:8] = np.nan
    changed = sitk.GetImageFromArray(pixels)
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))
    assert import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs) == 1
    problems = [p["problem"] for p in index(tmp_path / "out", "problems.csv")]
    assert "3 voxels are not numbers" in problems


def test_a_scan_without_lungs_is_not_masked_to_nothing(luna: Path, tmp_path: Path) -> None:
    failed = import_scans(
        Luna16Settings(), luna, tmp_path / "out", find_lungs=lambda pixels, _: Framed(len(pixels), False)
    )
    assert failed == 3
    assert "no lungs" in index(tmp_path / "out", "problems.csv")[-1]["problem"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seriesuid,coordX,coordY,coordZ\n1.2.1,1,2,3\n", "needs a column diameter_mm"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.1,1,b,3,4\n", "line 2: not a finding"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.1,1,nan,3,4\n", "line 2: not a finding"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.1,1,2,3,0\n", "line 2: a diameter of 0 mm"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.1,1,2,3\n", "line 2: not a finding"),
        ("", "holds no annotation"),
    ],
)
def test_damaged_annotations_are_named_with_their_line(text: str, message: str, luna: Path, tmp_path: Path) -> None:
    (luna / "annotations.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs)


class _Interrupted(Exception):
    pass


def test_an_interrupted_import_goes_on_and_ends_as_an_unbroken_one(luna: Path, tmp_path: Path) -> None:
    def stop(step: luna16.Step) -> None:
        if step.scan == 1:
            raise _Interrupted

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    import_scans(Luna16Settings(), luna, whole, find_lungs=lungs)
    with pytest.raises(_Interrupted):
        import_scans(Luna16Settings(), luna, broken, find_lungs=lungs, on_scan=stop)
    assert not (broken / "index.csv").exists()
    read: list[str] = []

    def counted(pixels: NDArray[np.generic], geometry: Geometry) -> Framed:
        read.append("a scan")
        return lungs(pixels, geometry)

    with pytest.raises(ConfigError, match="--resume"):
        import_scans(Luna16Settings(), luna, broken, find_lungs=lungs)
    import_scans(Luna16Settings(), luna, broken, find_lungs=counted, resume=True)
    assert len(read) == 2  # the first scan was not read again
    assert (broken / "index.csv").read_bytes() == (whole / "index.csv").read_bytes()
    assert sorted(p.name for p in (broken / "images").iterdir()) == sorted(p.name for p in (whole / "images").iterdir())


def test_going_on_with_other_settings_or_other_annotations_is_refused(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    import_scans(Luna16Settings(), luna, out, find_lungs=lungs)
    with pytest.raises(ConfigError, match=r"other settings \(negatives\)"):
        import_scans(Luna16Settings(negatives=3), luna, out, find_lungs=lungs, resume=True)
    import_scans(Luna16Settings(split="subset"), luna, out, find_lungs=lungs, resume=True)  # concerns the index alone
    assert {r["fold"] for r in index(out)} == {"0", "1"}
    write_table(luna, [("1.2.1", -20.0, 90.0, -285.0, 6.0)])
    with pytest.raises(ConfigError, match=r"other settings \(tables\)"):
        import_scans(Luna16Settings(), luna, out, find_lungs=lungs, resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_import_goes_on(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from trainers.data import luna16; from cadviewer import atomic\n"
        "write, count = atomic.write_bytes, [0]\n"
        "def dying(path, content):\n"
        "    count[0] += 1\n"
        "    if count[0] == 20: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write(path, content)\n"
        "atomic.write_bytes = dying\n"
        "luna16.import_scans(luna16.Luna16Settings(mode='paper'), Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    ended = subprocess.run([sys.executable, "-c", code, luna, out], env={**os.environ, "PYTHONPATH": root}, check=False)
    assert ended.returncode == -signal.SIGKILL
    import_scans(Luna16Settings(mode="paper"), luna, out, resume=True)
    import_scans(Luna16Settings(mode="paper"), luna, tmp_path / "whole")
    assert (out / "index.csv").read_bytes() == (tmp_path / "whole" / "index.csv").read_bytes()
    for path in (tmp_path / "whole" / "images").iterdir():
        assert (out / "images" / path.name).read_bytes() == path.read_bytes()


def test_the_command_imports_and_tells_how_far_it_is(
    luna: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = ["luna16", "--data", str(luna), "--out", str(out), "--set", "mode=paper"]
    assert main(line) == 0
    assert "3/3 scans" in capsys.readouterr().err
    log = (out / "log.jsonl").read_text()
    assert '"progress": 1.0' in log
    assert main(line) == 2  # it holds an import already
    assert "--resume" in capsys.readouterr().err
    assert main([*line, "--resume"]) == 0
    (luna / "subset1" / "1.2.2.raw").unlink()
    assert main([*line[:-1], "mode=paper", "--out", str(tmp_path / "damaged")]) == 1
    assert "problems.csv" in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["mode=other", "split=other", "window=400,-1000", "pixel_mm=0", "nothing=1"])
def test_wrong_settings_are_refused(setting: str, luna: Path, tmp_path: Path) -> None:
    assert main(["luna16", "--data", str(luna), "--out", str(tmp_path / "out"), "--set", setting]) == 2


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
