"""The report in the window: shown, its impression kept, copied, saved, printed; one finding copied by its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
from gui_desk import Desk, breast_result, nodule
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import QMarginsF, Qt
from PySide6.QtGui import QPageLayout, QPageSize
from PySide6.QtPrintSupport import QPrinter
from PySide6.QtWidgets import QApplication, QFileDialog

from cadviewer.gui.review.report_preview import ReportPreview
from cadviewer.inference.protocol import Finished
from cadviewer.store.reporting import templates
from cadviewer.store.session import Answer, Session, case_key, filled_in

KEY, CTRL = Qt.Key, Qt.KeyboardModifier.ControlModifier


def open_preview(desk: Desk) -> ReportPreview:
    desk.window.actions_["report"].trigger()
    (found,) = [w for w in desk.window.findChildren(ReportPreview) if w.isVisible()]
    return found


@pytest.fixture
def accepted(read_ct: Desk) -> Iterator[Desk]:
    """The first finding of a CT is accepted."""
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    yield read_ct
    for preview in read_ct.window.findChildren(ReportPreview):
        preview.close()


def test_there_is_no_report_before_there_is_a_result(ct: Desk) -> None:
    assert not ct.window.actions_["report"].isEnabled()


def test_the_preview_shows_the_report_with_its_key_images(accepted: Desk) -> None:
    accepted.bot.keyClick(accepted.window, KEY.Key_E, CTRL)
    (preview,) = accepted.window.findChildren(ReportPreview)
    assert "Finding 1: image no. 9" in preview.page.toPlainText()
    accepted.bot.waitUntil(lambda: "Key images" in preview.page.toPlainText())
    assert "data:image/jpeg" in preview.page.toHtml()
    assert preview.windowModality() is Qt.WindowModality.WindowModal, "the reading stands still behind it"


def test_the_impression_is_kept_shown_undone_and_there_after_a_restart(accepted: Desk) -> None:
    preview = open_preview(accepted)
    preview.impression.setPlainText("A nodule.\n<b>Follow up.</b>")
    accepted.bot.waitUntil(lambda: "<b>Follow up.</b>" in preview.page.toPlainText())
    accepted.wait_kept(preview.accept)
    assert accepted.case.reading().values["impression"] == "A nodule.\n<b>Follow up.</b>"
    assert open_preview(accepted).impression.toPlainText() == "A nodule.\n<b>Follow up.</b>"
    kept = Session(case_key(accepted.case.series)).entries()
    assert filled_in(kept)[None, "impression"] == "A nodule.\n<b>Follow up.</b>", "as another start reads it"
    next(w for w in accepted.window.findChildren(ReportPreview) if w.isVisible()).accept()
    accepted.wait_kept(accepted.window.review_controller.undo)
    assert "impression" not in accepted.case.reading().values


def test_closing_without_a_change_writes_nothing(accepted: Desk) -> None:
    before = len(accepted.case.kept.entries)
    open_preview(accepted).accept()
    assert accepted.window.journal.pending == 0
    assert len(accepted.case.kept.entries) == before


def test_the_report_is_in_the_language_that_is_asked_for(accepted: Desk) -> None:
    preview = open_preview(accepted)
    preview.language.setCurrentIndex(preview.language.findData("de"))
    preview.language.activated.emit(preview.language.currentIndex())
    assert "Befund 1: Bild Nr. 9" in preview.page.toPlainText()


def test_copied_text_is_the_whole_report(accepted: Desk) -> None:
    preview = open_preview(accepted)
    preview.impression.setPlainText("Follow up.")
    preview.buttons["copy"].click()
    text = QApplication.clipboard().text()
    assert text.startswith("Chest CT: report of a computer-aided reading\n===")
    assert "Doe" in text
    assert "Follow up." in text
    assert "Finding 1: image no. 9" in text


def test_by_keys_the_selected_finding_is_copied_else_the_report_without_the_patient(accepted: Desk) -> None:
    accepted.window.review_controller.choose(1)
    accepted.bot.keyClick(accepted.window, KEY.Key_C, CTRL)
    assert QApplication.clipboard().text().startswith("Finding 1: image no. 9 (image no. 8–10), accepted")
    assert "Finding 2" not in QApplication.clipboard().text()
    accepted.window.review_controller.unselect()
    accepted.bot.keyClick(accepted.window, KEY.Key_C, CTRL)
    text = QApplication.clipboard().text()
    assert text.startswith("Chest CT")
    assert "Doe" not in text


@pytest.mark.parametrize("suffix", ["pdf", "html", "txt"])
def test_it_is_saved_in_the_way_that_was_chosen(accepted: Desk, tmp_path: Path, suffix: str) -> None:
    preview = open_preview(accepted)
    preview.impression.setPlainText("Follow up.")
    path = tmp_path / "out" / f"r.{suffix}"
    with accepted.bot.waitSignal(accepted.window.saving.said):
        preview.save(path, "report-pdf")
    content = path.read_bytes()
    text = pypdf.PdfReader(path).pages[0].extract_text() if suffix == "pdf" else content.decode()
    assert "Follow up." in text
    assert str(path) in preview.said.text()
    accepted.bot.waitUntil(lambda: accepted.window.journal.pending == 0)


def test_the_dialog_offers_every_kind_of_report_and_names_no_patient(accepted: Desk) -> None:
    preview = open_preview(accepted)
    preview.buttons["save"].click()
    (dialog,) = [d for d in preview.findChildren(QFileDialog) if d.isVisible()]
    assert dialog.nameFilters()[:3] == ["PDF report (*.pdf)", "HTML report (*.html)", "Text report (*.txt)"]
    assert "Doe" not in dialog.selectedFiles()[0]
    dialog.filterSelected.emit("Text report (*.txt)")
    assert dialog.defaultSuffix() == "txt"
    dialog.close()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is read-only for this user")
def test_a_folder_that_takes_nothing_is_said(accepted: Desk, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    preview = open_preview(accepted)
    with accepted.bot.waitSignal(accepted.window.saving.failed):
        preview.save(tmp_path / "r.pdf", "report-pdf")
    assert preview.said.text() == "The report was not saved: Permission denied"


def test_a_place_that_is_no_folder_is_said_and_leaves_nothing(accepted: Desk, tmp_path: Path) -> None:
    file = tmp_path / "out" / "file"
    file.parent.mkdir()
    file.write_text("")
    preview = open_preview(accepted)
    with accepted.bot.waitSignal(accepted.window.saving.failed):
        preview.save(file / "r.pdf", "report-pdf")
    assert preview.said.text().startswith("The report was not saved: ")
    assert os.listdir(file.parent) == ["file"]


def test_a_wrong_template_of_the_site_is_said_in_the_preview(accepted: Desk) -> None:
    templates.own_folder().mkdir(parents=True, exist_ok=True)
    (templates.own_folder() / "nodules.html.j2").write_text("{{ nothing }}")
    preview = open_preview(accepted)
    assert "is wrong in line 1: 'nothing' is undefined" in preview.page.toPlainText()
    (templates.own_folder() / "nodules.html.j2").unlink()


def test_it_prints_its_pages(accepted: Desk, tmp_path: Path) -> None:
    preview = open_preview(accepted)
    printer = QPrinter()
    printer.setOutputFormat(QPrinter.OutputFormat.PdfFormat)
    printer.setOutputFileName(str(tmp_path / "printed.pdf"))
    printer.setPageLayout(
        QPageLayout(QPageSize(QPageSize.PageSizeId.A4), QPageLayout.Orientation.Portrait, QMarginsF(15, 15, 15, 15))
    )
    preview.print_on(printer)
    text = "".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "printed.pdf").pages)
    assert "Finding 1" in " ".join(text.split())


def test_a_breast_image_has_a_report_too(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm"))
    if not desk.engine.jobs:
        desk.window.actions_["analyse_breast"].trigger()
        desk.bot.waitUntil(lambda: bool(desk.engine.jobs))
    job = desk.engine.jobs[-1]
    rows, columns = desk.case.series.geometry.shape[1:]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, rows, columns)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    preview = open_preview(desk)
    assert "Suspicious for malignancy" in preview.page.toPlainText()
    preview.accept()


def test_the_header_is_read_for_it_beside_the_window(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "ct", ConvolutionKernel="B70f", KVP=120))
    desk.finish(nodule(1, 0.9, 8, 10))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    preview = open_preview(desk)
    desk.bot.waitUntil(lambda: "kernel B70f, 120 kVp" in preview.page.toPlainText())
    preview.accept()


def test_the_json_of_the_reading_has_the_impression(accepted: Desk, tmp_path: Path) -> None:
    preview = open_preview(accepted)
    preview.impression.setPlainText("Follow up.")
    accepted.wait_kept(preview.accept)
    with accepted.bot.waitSignal(accepted.window.saving.said):
        accepted.window.saving.save(accepted.case, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["reading"]["entries"]["impression"] == "Follow up."


def test_an_impression_goes_to_its_own_case_when_another_comes_on_screen(accepted: Desk, tmp_path: Path) -> None:
    case, preview = accepted.case, open_preview(accepted)
    preview.impression.setPlainText("Of the first.")
    write_ultrasound(tmp_path / "us.dcm")
    accepted.window.open_paths([tmp_path / "us.dcm"])
    accepted.bot.waitUntil(lambda: accepted.window.cases.current is not case)
    preview.accept()
    accepted.bot.waitUntil(lambda: case.reading().values.get("impression") == "Of the first.")
    other = accepted.window.cases.current
    assert other is not None
    assert "impression" not in other.reading().values
