"""What was written opens again: the graphics of an object lie where the findings are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from read_cases import KINDS, ReadCase

from cadviewer.imaging import annotations, files
from cadviewer.imaging.annotations import Annotations, Line, Placed
from cadviewer.store import export
from cadviewer.store.export.dicom import contents
from cadviewer.store.export.dicom.images import where


@pytest.fixture(scope="module", params=KINDS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReadCase, Path]:
    folder = tmp_path_factory.mktemp("case")
    case = KINDS[request.param](folder)
    for name in ("sr", "seg", "gsps"):
        export.write(case.report, case.volume, case.reading, folder / "out" / f"{name}.dcm", name)
    return case, folder / "out"


def content_of(path: Path) -> annotations.Content:
    (found,) = files.scan([path])
    assert isinstance(found, Annotations)
    return annotations.read(found)


@pytest.mark.parametrize("name", ["sr", "seg", "gsps"])
def test_every_outline_comes_back_to_its_image(name: str, written: tuple[ReadCase, Path]) -> None:
    case, folder = written
    whole = contents.of_model(case.report)
    assert whole is not None
    content = content_of(folder / f"{name}-model.dcm")
    assert content.missing == ()
    assert "model, not reviewed" in content.made_by
    names = where(case.series)
    assert names.meant(content)
    by_name: dict[str, list[Placed]] = {}
    for annotation in content.annotations:
        own = by_name.setdefault(annotation.name.split(" (")[0], [])
        own += annotations.place(annotation, case.series, names)
    for finding in whole.findings:
        placed = by_name[f"{finding.kind.meaning} {finding.name}"]
        for index, pieces in finding.outlines.items():
            regions = [p.points for p in placed if p.index == index and p.line is Line.CLOSED]
            for piece in pieces:
                nearest = min(np.abs(_borders(r) - _borders(piece)).max() for r in regions)
                assert nearest < (0.8 if name == "seg" else 0.2)  # of a segmentation whole pixels are left


def _borders(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def test_measures_come_back_with_their_values(written: tuple[ReadCase, Path]) -> None:
    case, folder = written
    content = content_of(folder / "sr.dcm")
    names = where(case.series)
    for _, measure in contents.of_reader(case.report, case.reading).measures:  # type: ignore[union-attr]
        if measure.value is None:
            continue
        label = measure.label or measure.kind.value
        own = [a for a in content.annotations if a.name.startswith(f"{label} (")]
        assert any(f"{measure.value:.4g}" in line for a in own for line in a.said)
        placed = [p for a in own for p in annotations.place(a, case.series, names)]
        assert {p.index for p in placed} == {measure.slice}


def test_a_file_of_annotations_is_yielded_once_and_the_batch_skips_it(written: tuple[ReadCase, Path]) -> None:
    _, folder = written
    found = list(files.scan([folder]))
    assert sorted(str(f.source) for f in found if isinstance(f, Annotations)) == sorted(
        str(p) for p in folder.glob("*.dcm")
    )
    for item in found:
        if isinstance(item, Annotations):
            assert item.state.value == "skipped"
            assert item.reason.startswith("not an image")
