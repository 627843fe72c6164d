"""Reports, segmentations and presentation states over the images in the window: read-only, labelled, never kept."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import read_cases
from gui_desk import Desk
from PySide6.QtGui import QImage

from cadviewer.gui.widgets import style
from cadviewer.store import export
from cadviewer.store.export.dicom import contents


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[read_cases.ReadCase, Path]:
    """A read CT in a folder of its own, its objects beside it."""
    folder = tmp_path_factory.mktemp("made")
    case = read_cases.ct(folder / "ct")
    for name in ("sr", "seg", "gsps"):
        export.write(case.report, case.volume, case.reading, folder / "objects" / f"{name}.dcm", name)
    return case, folder


def settle(desk: Desk) -> None:
    desk.bot.waitUntil(lambda: not desk.window.opener._reports)
    for _ in range(3):
        desk.window.annotation_files._thread.settle(60)
        desk.bot.wait(20)


def drop(desk: Desk, *paths: Path) -> None:
    """Open what holds no image."""
    with desk.bot.waitSignal(desk.window.opener.reported):
        desk.window.open_paths(list(paths))
    settle(desk)


def purple(desk: Desk, index: int) -> int:
    """Pixels of the colour of annotations on an image."""
    desk.viewport.go_to(index)
    image = desk.viewport.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    pixels = lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    colour = style.ANNOTATION
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return int((np.abs(pixels.astype(int) - wanted).max(axis=2) < 12).sum())


@pytest.mark.parametrize("name", ["sr", "seg", "gsps"])
def test_an_object_opened_with_its_series_is_drawn_where_its_findings_are(
    name: str, made: tuple[read_cases.ReadCase, Path], desk: Desk
) -> None:
    case, folder = made
    desk.open(folder / "ct", folder / "objects" / f"{name}-model.dcm")
    settle(desk)
    whole = contents.of_model(case.report)
    assert whole is not None
    with_findings = {k for f in whole.findings for k in f.slices}
    for index in range(len(desk.viewport.stack)):
        assert (purple(desk, index) > 20) is (index in with_findings), index
    panel = desk.window.annotations
    assert panel.isVisible()
    texts = " ".join(panel.list.item(k).text() for k in range(panel.list.count()))
    assert "model, not reviewed" in texts
    for finding in whole.findings:
        assert f"Nodule {finding.name}" in texts


def test_what_is_opened_before_its_series_waits_for_it(made: tuple[read_cases.ReadCase, Path], desk: Desk) -> None:
    _, folder = made
    drop(desk, folder / "objects" / "seg.dcm")
    (told,) = desk.window.workspace.notifications.texts()
    assert told.startswith("seg.dcm: the segmentation is about a series that is not open (…")
    desk.open(folder / "ct")
    settle(desk)
    assert purple(desk, 4) > 20
    assert "annotations" not in desk.window.workspace.notifications.topics()


def test_a_folder_of_annotations_alone_is_no_fault(made: tuple[read_cases.ReadCase, Path], desk: Desk) -> None:
    _, folder = made
    desk.open(folder / "ct")
    drop(desk, folder / "objects")
    assert desk.window.workspace.notifications.texts() == []
    assert len(desk.window.annotation_files.of(desk.case)) == 6


def test_a_file_is_switched_off_gone_to_and_taken_away(made: tuple[read_cases.ReadCase, Path], desk: Desk) -> None:
    _, folder = made
    desk.open(folder / "ct", folder / "objects" / "sr-model.dcm")
    settle(desk)
    panel = desk.window.annotations
    before = purple(desk, 4)
    at = next(k for k, (_, laid) in enumerate(panel.rows) if laid is not None and "Nodule 3" in laid.annotation.name)
    desk.viewport.go_to(0)
    panel.list.itemClicked.emit(panel.list.item(at))
    assert desk.viewport.index == 7
    panel.list.item(0).setCheckState(panel.list.item(0).checkState().Unchecked)
    assert purple(desk, 4) == 0
    panel.list.item(0).setCheckState(panel.list.item(0).checkState().Checked)
    assert purple(desk, 4) == before
    panel.menu(panel.rows[0][0]).actions()[0].trigger()
    assert purple(desk, 4) == 0
    assert not panel.isVisible()


def test_nothing_of_it_is_kept_and_findings_stay_what_they_were(
    made: tuple[read_cases.ReadCase, Path], desk: Desk
) -> None:
    _, folder = made
    desk.open(folder / "ct")
    before = desk.case.reading()
    drop(desk, folder / "objects" / "sr.dcm")
    assert desk.case.reading() == before
    assert desk.window.journal.pending == 0
    assert desk.case.kept.entries == ()


def test_what_is_damaged_or_not_understood_is_said_in_a_line_without_the_patient(
    made: tuple[read_cases.ReadCase, Path], desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, folder = made
    report = pydicom.dcmread(folder / "objects" / "gsps.dcm")
    report.PatientName = "Doe^Jane"
    report.GraphicAnnotationSequence[0].GraphicObjectSequence[0].GraphicType = "SPLINE"
    report.save_as(tmp_path / "odd.dcm")
    broken = pydicom.dcmread(folder / "objects" / "seg.dcm")
    broken.PatientName, broken.PixelData = "Doe^Jane", b"\0\0"
    broken.save_as(tmp_path / "broken.dcm")
    desk.open(folder / "ct")
    with caplog.at_level(logging.DEBUG):
        drop(desk, tmp_path)
    (text,) = desk.window.workspace.notifications.texts()
    said = text.splitlines()
    assert any(line.startswith("odd.dcm: not drawn: 1 × graphics of type SPLINE") for line in said)
    assert any(line.startswith("broken.dcm could not be read:") for line in said)
    assert "Doe" not in text + caplog.text


def test_another_case_has_other_annotations(made: tuple[read_cases.ReadCase, Path], desk: Desk, tmp_path: Path) -> None:
    _, folder = made
    other = read_cases.png(tmp_path / "us.png")
    export.write(other.report, other.volume, other.reading, tmp_path / "objects" / "sr.dcm", "sr")
    desk.open(folder / "ct", folder / "objects" / "sr.dcm")
    settle(desk)
    desk.open(tmp_path / "us.png", tmp_path / "objects" / "sr-model.dcm")
    settle(desk)
    (mine,) = desk.window.annotation_files.of(desk.case)
    assert mine.name == "sr-model.dcm"
    assert purple(desk, 0) > 20


def test_files_of_one_name_in_two_folders_are_two(
    made: tuple[read_cases.ReadCase, Path], desk: Desk, tmp_path: Path
) -> None:
    _, folder = made
    for name in ("sr", "seg"):
        (tmp_path / name).mkdir()
        shutil.copyfile(folder / "objects" / f"{name}.dcm", tmp_path / name / "1-1.dcm")
    desk.open(folder / "ct", tmp_path)
    settle(desk)
    assert len(desk.window.annotation_files.of(desk.case)) == 2
