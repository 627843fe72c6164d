"""Importers of published breast ultrasound sets, on made folders in their layouts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest

from trainers import inspection
from trainers.data.ultrasound import bus_bra, busi, busis, duplicates, hmss, udiat
from trainers.data.ultrasound import sets as breast_sets
from trainers.data.ultrasound.cases import DataError

SIZE = (40, 50)


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng([seed, len(path.stem)]).integers(0, 255, SIZE, np.uint8))


def mask(path: Path, rows: int = 10) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(SIZE, np.uint8)
    pixels[:rows] = 255
    cv2.imwrite(str(path), pixels)


def workbook(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(path)


def make_udiat(folder: Path, images: str = "original") -> Path:
    for k in (1, 2, 12):
        picture(folder / images / f"{k:06d}.png", k)
        mask(folder / "GT" / f"{k:06d}.png")
    table = [("Image", "Type", "Pathology"), (1, "Benign", "F"), (2, "Malignant", "IDC"), (12, "Benign", None)]
    workbook(folder / "DatasetB.xlsx", [*table, (99, "Malignant", "not sent")])
    return folder


@pytest.mark.parametrize("images", ["original", "imgs"])
def test_udiat_is_read_by_its_sheet(tmp_path: Path, images: str) -> None:
    place = udiat.find(make_udiat(tmp_path / "Dataset_B", images).parent)
    assert place == tmp_path / "Dataset_B"
    cases = udiat.cases(place)
    assert [(c.name, c.malignant) for c in cases] == [("000001", False), ("000002", True), ("000012", False)]
    assert cases[0].read()[1].sum() == 10 * SIZE[1]
    assert len({c.patient for c in cases}) == 3


def test_udiat_sorted_into_benign_and_malignant_is_read_without_the_sheet(tmp_path: Path) -> None:
    for kind, stem in (("Benign", "000001"), ("Malignant", "000002")):
        picture(tmp_path / kind / f"{stem}.png")
        mask(tmp_path / "GT" / f"{stem}.png")
    assert udiat.find(tmp_path) == tmp_path
    assert [(c.name, c.malignant) for c in udiat.cases(tmp_path)] == [("000001", False), ("000002", True)]


def test_a_udiat_image_without_its_mask_is_named(tmp_path: Path) -> None:
    make_udiat(tmp_path)
    (tmp_path / "GT" / "000002.png").unlink()
    with pytest.raises(DataError, match=r"000002\.png: its mask"):
        udiat.cases(tmp_path)


def make_busis(folder: Path, sheet: str) -> Path:
    for k in (1, 20):
        picture(folder / "Original" / f"case{k}.png", k)
        mask(folder / "GT" / f"case{k}_GT.bmp", k)
    rows = [("img name", "Ground Truth Name", "tumor type"), ("case001", "case001_GT", "B"), ("case020", "x", "M")]
    if sheet.endswith(".xlsx"):
        workbook(folder / sheet, rows)
    else:
        (folder / sheet).write_text("\n".join(",".join(r) for r in rows), encoding="utf-8")
    return folder


@pytest.mark.parametrize("sheet", ["BUSIS562.csv", "BUSIS.xlsx"])
def test_busis_joins_padded_names_of_its_table_with_its_files(tmp_path: Path, sheet: str) -> None:
    place = busis.find(make_busis(tmp_path / "bus" / "BUSIS", sheet).parent.parent)
    assert place is not None
    cases = busis.cases(place)
    assert [(c.name, c.malignant) for c in cases] == [("case1", False), ("case20", True)]
    assert [int((c.read()[1] > 0).any(axis=1).sum()) for c in cases] == [1, 20]


def test_a_busis_table_without_its_columns_says_which(tmp_path: Path) -> None:
    make_busis(tmp_path, "BUSIS.csv")
    (tmp_path / "BUSIS.csv").write_text("file,class\ncase1,B\n", encoding="utf-8")
    with pytest.raises(DataError, match="img name"):
        busis.cases(tmp_path)


def make_hmss(folder: Path, masks: bool = True) -> Path:
    for k in range(4):
        picture(folder / "imgs" / f"3-{k}.jpg", k)
        if masks and k < 3:
            mask(folder / "GT" / f"3-{k}_GT.png")
    lines = ["group,img name,case id/cover img id,tumor type", "3.1,3-0.jpg,7,B", "3.1,3-1.jpg,7,B", "3.2,3-2.jpg,8,M"]
    lines += ["3.2,3-3.jpg,9,M", "3.3,3-4.jpg,9,Other"]
    (folder / "HMSS.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_hmss_keeps_the_images_of_a_case_together_and_leaves_out_what_has_no_mask(tmp_path: Path) -> None:
    place = hmss.find(make_hmss(tmp_path / "HMSS").parent)
    assert place is not None
    cases = hmss.cases(place)
    assert [(c.name, c.patient, c.malignant) for c in cases] == [
        ("3-0", "case 7", False),
        ("3-1", "case 7", False),
        ("3-2", "case 8", True),
    ]


def test_hmss_as_published_says_that_masks_are_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without masks"):
        hmss.cases(make_hmss(tmp_path, masks=False))


def test_the_first_set_is_trained_on_and_the_others_are_external(tmp_path: Path) -> None:
    make_udiat(tmp_path / "UDIAT")
    make_busis(tmp_path / "BUSIS", "BUSIS.csv")
    assert breast_sets.own_set(tmp_path)[0] == "UDIAT"
    assert {name: len(cases) for name, cases in breast_sets.external_sets(tmp_path).items()} == {"BUSIS": 2}
    answer = inspection.inspect("breast", tmp_path)
    assert (answer["layout"], answer["images"], answer["patients"]) == ("UDIAT", 3, 3)


def test_each_layout_finds_nothing_in_the_folder_of_another(tmp_path: Path) -> None:
    makers = {"UDIAT": make_udiat, "BUSIS": lambda f: make_busis(f, "BUSIS.csv"), "HMSS": make_hmss}
    for name, make in makers.items():
        folder = make(tmp_path / f"set {name}")
        assert breast_sets.own_set(folder)[0] == name
        assert breast_sets.external_sets(folder) == {}


def test_no_two_images_of_bus_bra_and_of_the_busi_sample_look_alike(data: Path) -> None:
    for layout in (bus_bra, busi):
        place = layout.find(data)
        assert place is not None
        assert duplicates.groups(layout.cases(place)) == []
