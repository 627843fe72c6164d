"""Near-duplicates among ultrasound images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cadviewer.phantoms.phantom import breast_ultrasound
from trainers.data.ultrasound import duplicates
from trainers.data.ultrasound.cases import UltrasoundCase


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[UltrasoundCase]:
    """Four different images, a copy of the first in another size and gain, and a mirrored copy of the second."""
    folder = tmp_path_factory.mktemp("pictures")
    pictures = {f"image{k}": breast_ultrasound(k)[0] for k in range(4)}
    smaller = cv2.resize(pictures["image0"], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    pictures["smaller"] = np.clip(smaller * 1.2, 0, 255).astype(np.uint8)
    pictures["mirrored"] = np.ascontiguousarray(pictures["image1"][:, ::-1])
    found = []
    for name, picture in pictures.items():
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), picture)
        found.append(UltrasoundCase(name, path, (), name == "smaller", name))
    return found


def test_copies_in_another_size_gain_or_direction_are_found_and_nothing_else(cases: list[UltrasoundCase]) -> None:
    found = [{c.name for c in g.cases} for g in duplicates.groups(cases)]
    assert found == [{"image0", "smaller"}, {"image1", "mirrored"}]


def test_labels_that_disagree_are_told(cases: list[UltrasoundCase]) -> None:
    assert [g.conflict for g in duplicates.groups(cases)] == [True, False]


def test_what_looks_alike_counts_as_one_patient_and_is_never_split(cases: list[UltrasoundCase]) -> None:
    joined = {c.name: c.patient for c in duplicates.join_patients(cases)}
    assert joined["image0"] == joined["smaller"]
    assert joined["image1"] == joined["mirrored"]
    assert len(set(joined.values())) == 4
