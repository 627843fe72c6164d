"""Texture ratings matched to labelled slices, what is learned from them, and the figures."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cadviewer.models.nodules.nodule_type import FEATURES, KINDS
from trainers.config import ConfigError
from trainers.data.ct import lidc_ratings
from trainers.nodules import types as nodule_types

SLICES = (
    *("image", "series_uid", "patient_id", "role", "annotation_row", "cx", "cy", "box", "diameter_mm", "dz_mm"),
    *("W", "H", "mal_bool", "mal_details", "fold"),
)
ROIS = ("series_uid", "z", "reader", "x0", "y0", "x1", "y1", "texture")


def write(path: Path, head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(",".join(f'"{v}"' for v in row) for row in (head, *rows)) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def make(data: Path, rois: list[tuple[object, ...]]) -> Path:
    """One slice of 256 px with two nodules, at z −100, half the pixels of its 512² original."""
    rows = [
        ("1.png", "s", "P", "labelled", 2, 100.0, 60.0, 8.0, 9.0, 0, 256, 256, "", "[]", "4"),
        ("1.png", "s", "P", "labelled", 1, 180.0, 90.0, 4.0, 4.0, 0, 256, 256, "", "[]", "4"),
        ("1.png", "s", "P", "other_nodule_same_slice", 1, 20.0, 20.0, 4.0, 4.0, 0, 256, 256, "", "[]", "4"),
    ]
    write(data / "ct" / "luna16-slices" / "index.csv", SLICES, rows)
    heights: list[tuple[object, ...]] = [("s", 0, 0, -20.0, 4.0), ("s", 0, 0, -100.0, 9.0)]
    head = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")
    write(data / "ct" / "luna16-annotations" / "annotations.csv", head, heights)
    write(data / "ct" / "lidc-readings" / "rois.csv.gz", ROIS, rois)
    return data


def roi(x: float, y: float, z: float, reader: int, texture: object, series: str = "s") -> tuple[object, ...]:
    """Around index (x, y) of the slice, in pixels of the original."""
    return series, z, reader, 2 * x - 6, 2 * y - 6, 2 * x + 6, 2 * y + 6, texture


def test_readings_belong_to_the_nodule_that_they_lie_on(tmp_path: Path) -> None:
    data = make(
        tmp_path,
        [
            roi(100, 60, -101.0, 0, 5),
            roi(101, 61, -99.0, 1, 4),
            roi(102, 60, -104.0, 1, 1),  # the same reader, farther away
            roi(100, 60, -130.0, 2, 1),  # another height
            roi(140, 60, -100.0, 2, 1),  # another place
            roi(100, 60, -100.0, 3, ""),  # not rated
            roi(100, 60, -100.0, 2, 1, series="other"),
        ],
    )
    (nodule,) = lidc_ratings.read(data, ("4",))
    assert sorted(nodule.textures) == [4, 5]
    assert nodule.texture == 4.5
    assert nodule.box.tolist() == [96.5, 56.5, 104.5, 64.5]
    assert lidc_ratings.read(data, ("1",)) == []


def test_damaged_tables_are_named(tmp_path: Path) -> None:
    data = make(tmp_path, [roi(100, 60, -100.0, 0, "solid")])
    with pytest.raises(ConfigError, match="damaged"):
        lidc_ratings.read(data, ("4",))
    assert not lidc_ratings.holds(tmp_path / "ct" / "luna16-slices")


def test_the_real_readings_match_nearly_every_labelled_nodule(data: Path) -> None:
    if not lidc_ratings.holds(data):
        pytest.skip(f"no slices with readings in {data}")
    found = lidc_ratings.read(data, ("2",))
    kinds = Counter(nodule_types.kind_of(n.texture) for n in found)
    assert len(found) >= 0.95 * 136
    assert kinds == {"solid": 115, "non-solid": 11, "part-solid": 6}


def test_ratings_become_kinds() -> None:
    kinds = [nodule_types.kind_of(texture) for texture in (1, 2, 2.5, 3, 3.5, 4, 5)]
    assert kinds == ["non-solid"] * 2 + ["part-solid"] * 3 + ["solid"] * 2


def made(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:  # type: ignore[type-arg]
    """Features in which the mean tells the kind, with nine solid nodules in ten."""
    draw = np.random.default_rng(seed)
    kinds = draw.choice(3, count, p=[0.8, 0.1, 0.1])
    given = draw.normal(0, 1, (count, len(FEATURES)))
    given[:, 0] += np.array([3.0, 0.0, -3.0])[kinds]
    return given, kinds, [f"P{k // 2}" for k in range(count)]


def test_what_tells_the_kinds_apart_is_learned_and_measured() -> None:
    model = nodule_types.learn(*made(400))
    assert model is not None
    assert model["kinds"] == list(KINDS)
    assert sum(model["common"]) == pytest.approx(1, abs=1e-3)
    figures = nodule_types.figures(*made(300, seed=1), model, rounds=50)
    value, low, high = figures[f"{nodule_types.NAME}, balanced accuracy of the likeliest kind"]
    assert value > 0.8
    assert low <= value <= high
    assert figures[f"{nodule_types.NAME}, nodules"] == 300


def test_of_a_kind_with_too_few_nodules_nothing_is_learned() -> None:
    given, kinds, patients = made(400)
    assert nodule_types.learn(given, np.where(kinds == 1, 0, kinds), patients) is None


def test_the_confusion_table_counts_what_was_not_determined() -> None:
    kinds, found = np.array([0, 0, 1, 2, 2]), np.array([0, -1, 0, 2, -1])
    assert nodule_types.confusion(kinds, found) == [[1, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 1]]
    assert nodule_types.balanced(kinds, np.array([0, 0, 1, 2, 0])) == pytest.approx((1 + 1 + 0.5) / 3)
