"""Importers and augmentation of breast ultrasound."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from trainers import inspection
from trainers.data.ultrasound import breast_tcia, bus_bra, busi
from trainers.data.ultrasound import domains as domain_ultrasound
from trainers.data.ultrasound import generic as generic_ultrasound
from trainers.data.ultrasound import sets as breast_sets
from trainers.data.ultrasound.augmentation import LOOKS, Strength, augment, erase, paint_marks, without_lesion
from trainers.data.ultrasound.cases import DataError, to_gray


def test_bus_bra_has_its_official_patient_folds(data: Path) -> None:
    folder = bus_bra.find(data)
    assert folder is not None
    cases = bus_bra.cases(folder)
    assert len(cases) == 1875
    assert len({c.patient for c in cases}) == 1064
    assert sum(bool(c.malignant) for c in cases) == 607
    folds: dict[str, set[int | None]] = {}
    for case in cases:
        folds.setdefault(case.patient, set()).add(case.fold)
    assert all(len(f) == 1 for f in folds.values())
    assert {c.fold for c in bus_bra.cases(folder, [4])} == {4}


@pytest.mark.parametrize("name", ["bus_0856-l", "bus_0857-r", "bus_0912-l", "bus_0990-l", "bus_0845-s"])
def test_rows_of_bus_bra_with_wrong_sizes_are_read_from_image_and_mask(data: Path, name: str) -> None:
    folder = bus_bra.find(data)
    assert folder is not None
    case = next(c for c in bus_bra.cases(folder) if c.name == name)
    image, mask = case.read()
    assert image.shape == mask.shape
    assert mask.any()


def test_breast_has_millimetres_birads_and_black_where_it_is_transparent(data: Path) -> None:
    folder = breast_tcia.find(data)
    assert folder is not None
    cases = breast_tcia.cases(folder)
    assert len(cases) == 64
    first = cases[0]
    assert first.name == "case001"
    assert first.pixel_mm == pytest.approx(0.078125)
    assert first.birads == "2"
    assert sum(c.normal for c in cases) == 4
    for case in cases[:10]:
        image, mask = case.read()
        assert image.shape == mask.shape


def test_busi_joins_the_masks_of_one_image(data: Path) -> None:
    folder = busi.find(data)
    assert folder is not None
    cases = busi.cases(folder)
    assert len(cases) == 44
    several = next(c for c in cases if c.name == "benign (195)")
    assert len(several.masks) == 3
    parts = [to_gray(cv2.imread(str(p), cv2.IMREAD_UNCHANGED)) > 127 for p in several.masks]
    _, mask = several.read()
    assert np.array_equal(mask > 0, np.any(parts, axis=0))
    assert sum(c.normal for c in cases) == 6


def test_transparent_pixels_become_black_even_when_white_underneath() -> None:
    pixels = np.full((2, 2, 4), 255, np.uint8)
    pixels[0, :, 3] = 0
    assert to_gray(pixels).tolist() == [[0, 0], [255, 255]]


def write_generic(folder: Path, label: str = "malignant", patient: str = "7", mask: str = "m.png") -> Path:
    cv2.imwrite(str(folder / "a.png"), np.full((8, 9), 100, np.uint8))
    cv2.imwrite(str(folder / "m.png"), np.full((8, 9), 255, np.uint8))
    table = folder / "cases.csv"
    table.write_text(f"image,mask,label,patient,pixel_mm\na.png,{mask},{label},{patient},0.1\n", encoding="utf-8")
    return table


def test_a_csv_of_ones_own_images_is_read(tmp_path: Path) -> None:
    (case,) = generic_ultrasound.from_csv(write_generic(tmp_path))
    assert case.malignant
    assert case.pixel_mm == 0.1
    assert case.read()[1].all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"label": "perhaps"}, "label"), ({"patient": " "}, "without a patient"), ({"mask": ""}, "needs its mask")],
)
def test_a_faulty_line_of_a_csv_is_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=f"line 2.*{message}"):
        generic_ultrasound.from_csv(write_generic(tmp_path, **changes))


def write_table(folder: Path, images: int) -> None:
    """A table without folds: different pictures, two of each patient."""
    generator = np.random.default_rng(0)
    write_generic(folder)
    lines = []
    for k in range(images):
        cv2.imwrite(str(folder / f"{k}.png"), generator.integers(0, 255, (32, 32), np.uint8))
        lines.append(f"{k}.png,m.png,benign,patient {k // 2}")
    (folder / "cases.csv").write_text("image,mask,label,patient\n" + "\n".join(lines), encoding="utf-8")


def test_a_table_without_folds_is_split_by_patient(tmp_path: Path) -> None:
    write_table(tmp_path, 60)
    folds = [{c.patient for c in breast_sets.own_cases(tmp_path, [f])} for f in range(1, 6)]
    assert sum(map(len, folds)) == len(set.union(*folds)) == 30
    assert all(folds)


def test_pictures_of_two_patients_that_look_alike_are_never_split_and_their_labels_are_compared(tmp_path: Path) -> None:
    write_table(tmp_path, 60)
    cv2.imwrite(str(tmp_path / "copy.png"), cv2.imread(str(tmp_path / "0.png"))[:, ::-1])
    with (tmp_path / "cases.csv").open("a", encoding="utf-8") as table:
        table.writelines(f"\ncopy.png,m.png,malignant,another {k}" for k in range(5))
    fold = {c.name: c.fold for c in breast_sets.every_case(tmp_path)}
    assert fold["copy"] == fold["0"] == fold["1"]
    answer = inspection.inspect("breast", tmp_path)
    assert (answer["images"], answer["patients"]) == (65, 30)
    assert answer["labels"] == {"benign": 60, "malignant": 5}
    assert any("labelled differently: 0, copy" in warning for warning in answer["warnings"])


def test_a_table_that_splits_a_patient_is_refused(tmp_path: Path) -> None:
    write_generic(tmp_path)
    rows = "image,mask,label,patient,fold\na.png,m.png,benign,7,1\na.png,m.png,benign,7,5\n"
    (tmp_path / "cases.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(DataError, match="folds 1 and 5"):
        breast_sets.own_cases(tmp_path, [1])


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    (case,) = generic_ultrasound.from_csv(write_generic(tmp_path))
    cv2.imwrite(str(tmp_path / "m.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"m\.png"):
        case.read()


def disc() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((96, 96), np.uint8)
    cv2.circle(mask, (60, 40), 15, 1, cv2.FILLED)
    return (40 + 160 * mask).astype(np.uint8), mask


def test_augmentation_moves_image_and_mask_together() -> None:
    image, mask = disc()
    still = Strength(looks=0, marks=0, erase=0)
    for seed in range(20):
        moved, where = augment(image, mask, 64, still, np.random.default_rng(seed))
        assert moved.shape == where.shape == (64, 64)
        overlap = (moved > 120) & (where > 0)
        assert 2 * overlap.sum() / ((moved > 120).sum() + where.sum()) > 0.93


def test_the_same_seed_gives_the_same_image() -> None:
    image, mask = disc()
    one = augment(image, mask, 64, Strength(), np.random.default_rng(3))
    two = augment(image, mask, 64, Strength(), np.random.default_rng(3))
    assert np.array_equal(one[0], two[0])


@pytest.mark.parametrize("change", [*LOOKS, erase, paint_marks], ids=lambda f: f.__name__)
def test_every_change_keeps_size_and_type_and_the_original(change) -> None:  # type: ignore[no-untyped-def]
    image, _ = disc()
    before = image.copy()
    changed = [change(image, np.random.default_rng(s)) for s in range(5)]
    assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
    assert any((c != image).any() for c in changed)
    assert np.array_equal(image, before)


def test_tissue_beside_a_lesion_stands_in_for_a_normal_breast() -> None:
    image, mask = np.full((96, 96), 50, np.uint8), np.zeros((96, 96), np.uint8)
    mask[10:30, 60:80] = 1
    image[mask > 0] = 200
    for seed in range(8):
        tissue = without_lesion(image, mask, np.random.default_rng(seed))
        assert tissue is not None
        assert tissue.shape == image.shape
        assert set(np.unique(tissue)) <= {0, 50}
        assert np.mean(tissue > 0) >= 0.3
    everywhere = np.ones_like(mask)
    assert without_lesion(image, everywhere, np.random.default_rng(0)) is None


@pytest.mark.parametrize("change", domain_ultrasound.LOOKS, ids=lambda f: f.__name__)
def test_changes_of_other_hospitals_keep_size_type_and_original(change) -> None:  # type: ignore[no-untyped-def]
    image, _ = disc()
    image[:, :8] = 0
    before = image.copy()
    changed = [change(image, np.random.default_rng(s)) for s in range(5)]
    assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
    assert any((c != image).any() for c in changed)
    assert np.array_equal(image, before)


def test_another_field_of_view_keeps_the_lesion_and_moves_its_mask_along() -> None:
    image, mask = disc()
    shares = []
    for seed in range(30):
        seen, where = domain_ultrasound.framing(image, mask, np.random.default_rng(seed))
        assert seen.shape == where.shape == image.shape
        overlap = (seen > 120) & (where > 0)
        assert 2 * overlap.sum() / ((seen > 120).sum() + where.sum()) > 0.93
        shares.append(where.mean() / mask.mean())
    assert min(shares) >= 0.69  # a sector may cut a little of it
    assert max(shares) > 1.5  # a cut shows it larger


def test_stronger_augmentation_is_repeatable_and_does_not_change_what_the_default_draws() -> None:
    image, mask = disc()
    far = Strength.other_hospitals()
    one, two = (augment(image, mask, 64, far, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one[0], two[0])
    drawn = np.random.default_rng(5)
    augment(image, mask, 64, Strength(looks=0, marks=0, erase=0), drawn)
    assert drawn.random() == np.random.default_rng(5).random(15)[14]
