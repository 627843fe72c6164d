"""The shipped model on the real chest CT: the nodule that everybody sees, and the same findings from another format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Volume
from cadviewer.models import catalogue
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nodules.analysis import NoduleAnalysis, find_nodules
from cadviewer.models.runtime import Forward
from cadviewer.phantoms.files import write_mhd


@pytest.fixture(scope="module")
def card() -> ModelCard:
    shipped = [catalogue.load(p) for p in sorted((paths.resources() / "weights").glob("*.json"))]
    return next(c for c in shipped if c.task is Task.NODULES and c.default)


@pytest.fixture(scope="module")
def forward(card: ModelCard) -> Forward:
    runtime = pytest.importorskip("cadviewer.models.nets.runtime")
    made: Forward = runtime.TorchForward(runtime.build(card), "cpu")
    return made


def read(path: Path) -> Volume:
    return files.read(next(s for s in files.scan([path]) if isinstance(s, Series)))


def near_the_nodule(analysis: NoduleAnalysis) -> list[int]:
    """Numbers of the findings whose best box lies on the nodule (README of the data)."""
    return [
        n.number
        for n in (*analysis.nodules, *analysis.candidates)
        if 29 <= n.box.slice <= 36 and 89 <= n.box.centre[0] <= 129 and 153 <= n.box.centre[1] <= 192
    ]


@pytest.fixture(scope="module")
def part(chest_ct_99: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the slices around the nodule alone."""
    folder = tmp_path_factory.mktemp("part")
    volume = read(chest_ct_99)
    for info in volume.series.slices[24:42]:
        (folder / info.file.name).write_bytes(info.file.read_bytes())
    return folder


def test_the_same_scan_as_dicom_and_as_mhd_gives_the_same_findings(
    part: Path, card: ModelCard, forward: Forward, tmp_path: Path
) -> None:
    dicom = read(part)
    mhd = read(write_mhd(dicom, tmp_path / "scan.mhd"))
    ours, theirs = (find_nodules(v, forward, card, threshold=0.2) for v in (dicom, mhd))
    assert len(ours.nodules) == len(theirs.nodules) > 0
    for a, b in zip(ours.nodules, theirs.nodules, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-3)
        np.testing.assert_allclose(a.centre_mm or (), b.centre_mm or (), atol=0.1)
        for one, other in zip(a.boxes, b.boxes, strict=True):
            assert one.slice == other.slice
            np.testing.assert_allclose(
                [one.x0, one.y0, one.x1, one.y1], [other.x0, other.y0, other.x1, other.y1], atol=0.1
            )


def test_the_nodule_is_first_among_the_slices_around_it(part: Path, card: ModelCard, forward: Forward) -> None:
    volume = read(part)
    analysis = find_nodules(volume, forward, card)
    first = analysis.nodules[0]
    x, y = first.box.centre
    assert 89 <= x <= 129
    assert 153 <= y <= 192
    assert first.centre_mm is not None
    assert -204 <= first.centre_mm[2] <= -177
    assert first.long_mm == pytest.approx(24, abs=6)


@pytest.mark.slow
def test_the_nodule_is_among_the_three_best_of_the_whole_scan(
    chest_ct_99: Path, card: ModelCard, forward: Forward
) -> None:
    analysis = find_nodules(read(chest_ct_99), forward, card)
    assert min(near_the_nodule(analysis)) <= 3
    assert len(analysis.nodules) <= 4
