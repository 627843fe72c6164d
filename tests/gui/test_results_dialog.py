"""The table of a finished run: filters, answers, a double click that opens the finding; what is gone is said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from gui_desk import Desk, ct_result, nodule, provenance
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import Qt

from cadviewer.findings import BreastFinding, Call, Estimate, Result, Task
from cadviewer.gui.batch.results_dialog import ResultsDialog
from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series, State
from cadviewer.store import results
from cadviewer.store.report import of_rejected, of_result
from cadviewer.store.results import Existing
from cadviewer.store.session import Answer


def one(path: Path) -> Series:
    (found,) = files.scan([path])
    assert isinstance(found, Series)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a CT of two findings, one without, an ultrasound image and a file that failed."""
    given, out = tmp_path / "in", tmp_path / "out"
    found, empty = one(write_ct(given / "found")), one(write_ct(given / "empty"))
    ultrasound = one(write_ultrasound(given / "us" / "a.dcm"))
    breast = BreastFinding(0, ultrasound.geometry.shape[1:], Call.MALIGNANT, Estimate(0.87, 0.7, 0.9))
    with results.opened(out, {"inputs": "x"}, ("csv", "summary"), Existing.KEEP_OUT) as folder:
        nodules = ct_result(found.case_id, nodule(1, 0.9, 2, 4), nodule(2, 0.6, 8, 10, x=30))
        for series, result in (
            (found, nodules),
            (empty, ct_result(empty.case_id)),
            (ultrasound, Result(ultrasound.case_id, Task.BREAST, provenance(), breast=(breast,))),
        ):
            folder.add(of_result(series, result, 0.5), None, "f")
        folder.add(of_rejected(Rejected(given / "bad.dcm", State.FAILED, "damaged")), None, "f")
        folder.write_tables()
    return out


@pytest.fixture
def dialog(desk: Desk, run: Path) -> Iterator[ResultsDialog]:
    desk.window.tools.show_results(run)
    made = desk.window.tools.finished
    assert made is not None
    desk.bot.waitUntil(lambda: len(made.model.rows) == 5)
    yield made
    made.close()


def column(dialog: ResultsDialog, name: str) -> list[str]:
    at = [dialog.model.headerData(k, Qt.Orientation.Horizontal) for k in range(dialog.model.columnCount())].index(name)
    return [dialog.shown.index(k, at).data() for k in range(dialog.shown.rowCount())]


def test_every_case_and_every_finding_is_a_row(dialog: ResultsDialog) -> None:
    assert column(dialog, "Case") == ["in/bad.dcm", "in/empty", "in/found", "in/found", "us/a.dcm"]
    assert column(dialog, "State") == ["failed", "done", "done", "done", "done"]
    assert column(dialog, "Score") == ["", "", "0.90", "0.60", "0.87"]
    assert column(dialog, "Finding") == ["", "", "1", "2", ""]
    assert column(dialog, "Call")[-1] != ""
    assert column(dialog, "Long axis (mm)")[2] == "7.5"
    assert column(dialog, "Answer") == ["", "", "not read", "not read", "not read"]
    assert "damaged" in column(dialog, "Reason")[0]
    assert dialog.status.text() == "5 of 5 rows; 0 of 3 findings answered"
    assert dialog.page.isEnabled()


def test_filters_narrow_the_table(dialog: ResultsDialog) -> None:
    dialog.found.setChecked(True)
    assert len(column(dialog, "Case")) == 3
    dialog.score.setValue(0.85)
    assert column(dialog, "Score") == ["0.90", "0.87"]
    dialog.text.setText("FOUND")
    assert column(dialog, "Score") == ["0.90"]
    dialog.text.clear()
    dialog.score.setValue(0)
    dialog.found.setChecked(False)
    dialog.state.setCurrentIndex(dialog.state.findText("failed"))
    assert column(dialog, "Case") == ["in/bad.dcm"]
    assert dialog.status.text().startswith("1 of 5 rows")


def test_numbers_are_sorted_as_numbers(dialog: ResultsDialog) -> None:
    dialog.table.sortByColumn(5, Qt.SortOrder.DescendingOrder)
    assert column(dialog, "Score") == ["0.90", "0.87", "0.60", "", ""]


def open_row(dialog: ResultsDialog, score: str) -> None:
    place = column(dialog, "Score").index(score)
    dialog.table.activated.emit(dialog.shown.index(place, 0))


def test_a_finding_is_opened_on_its_image_and_selected_once_the_analysis_has_it(
    desk: Desk, dialog: ResultsDialog
) -> None:
    open_row(dialog, "0.60")
    desk.bot.waitUntil(lambda: desk.case is not None and desk.case.stack is not None and desk.case.stack.complete)
    assert desk.case.series.source.name == "found"
    desk.bot.waitUntil(lambda: desk.viewport.index == 9 and bool(desk.engine.jobs))
    desk.finish(nodule(1, 0.9, 2, 4), nodule(2, 0.6, 8, 10, x=30))
    desk.bot.waitUntil(lambda: desk.case.selected == 2)
    open_row(dialog, "0.90")  # of the case that is open
    desk.bot.waitUntil(lambda: desk.case.selected == 1)
    assert desk.viewport.index == 3


def test_a_series_among_others_is_opened(desk: Desk, dialog: ResultsDialog, run: Path) -> None:
    desk.open(run.parent / "in" / "empty")
    open_row(dialog, "0.87")
    desk.bot.waitUntil(lambda: desk.case.series.source.name == "a.dcm")


def test_what_the_reader_answers_is_in_the_table(desk: Desk, dialog: ResultsDialog) -> None:
    open_row(dialog, "0.90")
    desk.bot.waitUntil(lambda: bool(desk.engine.jobs) and desk.case is not None and desk.case.stack.complete)
    desk.finish(nodule(1, 0.88, 2, 4), nodule(2, 0.6, 8, 10, x=30))
    desk.bot.waitUntil(lambda: desk.case.selected == 1)
    desk.wait_kept(lambda: desk.window.review_controller.answer(Answer.ACCEPTED))
    dialog.read_again()
    desk.bot.waitUntil(lambda: column(dialog, "Answer")[2:] == ["accepted", "not read", "not read"])
    dialog.answered.setCurrentIndex(dialog.answered.findText("not answered"))
    assert column(dialog, "Score") == ["0.60", "0.87"]
    dialog.answered.setCurrentIndex(dialog.answered.findText("answered"))
    assert column(dialog, "Score") == ["0.90"]


def test_images_that_are_gone_are_said_in_the_row_and_when_it_is_opened(
    desk: Desk, dialog: ResultsDialog, run: Path
) -> None:
    shutil.rmtree(run.parent / "in" / "found")
    dialog.read_again()
    desk.bot.waitUntil(lambda: "no longer there" in column(dialog, "Reason")[2])
    assert "no longer there" not in column(dialog, "Reason")[1]
    open_row(dialog, "0.60")
    assert "no longer there" in dialog.status.text()
    assert desk.case is None


def test_a_folder_without_results_is_said(desk: Desk, dialog: ResultsDialog, tmp_path: Path) -> None:
    dialog.read(tmp_path / "in")
    desk.bot.waitUntil(lambda: "no results of a batch" in dialog.status.text())
    assert dialog.shown.rowCount() == 0
    assert not dialog.page.isEnabled()


def test_a_run_of_a_version_that_kept_no_places_is_shown_too(desk: Desk, dialog: ResultsDialog, run: Path) -> None:
    from cadviewer.store.journal import decode, encode

    journal = run / ".cadviewer" / "journal.jsonl"
    records = [decode(line) for line in journal.read_bytes().splitlines()]
    old = [{k: v for k, v in (r or {}).items() if k not in ("path", "key", "sum")} for r in records]
    journal.write_bytes(b"".join(encode(r) for r in old))
    dialog.model.show(())
    dialog.read_again()
    desk.bot.waitUntil(lambda: len(dialog.model.rows) == 5)
    assert column(dialog, "Answer")[2] == "not read"


def test_the_batch_dialog_leads_there(desk: Desk, run: Path) -> None:
    desk.window.actions_["annotate"].trigger()
    batch = desk.window.tools.batch
    assert batch is not None
    batch.target.setText(str(run))
    desk.bot.mouseClick(batch.findings, Qt.MouseButton.LeftButton)
    finished = desk.window.tools.finished
    assert finished is not None
    desk.bot.waitUntil(lambda: len(finished.model.rows) == 5)
    finished.close()
