"""One identity for each finding: the answer on a breast image is never that of a finding drawn in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gui_desk import Desk, breast_result
from gui_images import write_ultrasound
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from test_drawing import drag

from cadviewer.gui.canvas.mouse import Tool
from cadviewer.inference.protocol import Finished
from cadviewer.store import session as sessions
from cadviewer.store.reading import Origin
from cadviewer.store.session import Answer, Decision, Entry, Session, case_key

KEY = Qt.Key


@pytest.fixture
def breast(desk: Desk, tmp_path: Path) -> Desk:
    """An analysed breast image."""
    desk.open(write_ultrasound(tmp_path / "us.dcm"))
    _analysed(desk)
    return desk


def _analysed(desk: Desk) -> None:
    job = desk.engine.jobs[-1]
    _, rows, columns = desk.case.stack.pixels.shape[:3]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, rows, columns)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)


def _add(desk: Desk) -> None:
    """A box over most of the image: even that is another thing than the image."""
    _, rows, columns = desk.case.stack.pixels.shape[:3]
    desk.viewport.mouse.set_tool(Tool.FINDING)
    drag(desk, (3, 3), (columns - 3, rows - 3))
    desk.bot.waitUntil(lambda: len(desk.case.found()) == 1 and desk.window.journal.pending == 0, timeout=10_000)


def test_disagreeing_with_an_image_leaves_the_finding_drawn_in_it(breast: Desk) -> None:
    _add(breast)
    breast.wait_kept(lambda: breast.bot.keyClick(breast.window, KEY.Key_X))
    assert breast.case.frame_answer(0) is Answer.REJECTED
    (own,) = breast.case.found()
    assert own.origin is Origin.READER
    assert breast.case.answer(own.nodule) is Answer.ACCEPTED


def test_a_finding_drawn_after_the_answer_does_not_change_it(breast: Desk) -> None:
    breast.wait_kept(lambda: breast.bot.keyClick(breast.window, KEY.Key_X))
    _add(breast)
    assert breast.case.frame_answer(0) is Answer.REJECTED
    assert breast.case.answer(breast.case.found()[0].nodule) is Answer.ACCEPTED


def test_a_journal_of_a_version_without_identities_shows_the_answer_that_was_given(breast: Desk) -> None:
    _add(breast)
    own = breast.case.found()[0]
    session = Session(case_key(breast.case.series))
    record = sessions._record(Entry("00" * 8, "ab" * 6, "2026-01-01T00:00:00", Decision(own.place, Answer.REJECTED)))
    for name in ("kind", "key"):  # the image was meant: nothing else could be answered
        del record["mark"]["finding"][name]
    session._journal.append(record)
    breast.wait_kept(lambda: breast.window.journal.open(breast.case.series))
    assert breast.case.frame_answer(0) is Answer.REJECTED
    assert breast.case.answer(breast.case.found()[0].nodule) is Answer.ACCEPTED


def test_the_saved_reading_and_the_copied_text_hold_the_answer(breast: Desk, tmp_path: Path) -> None:
    breast.wait_kept(lambda: breast.bot.keyClick(breast.window, KEY.Key_Return))
    target = tmp_path / "reading.json"
    with breast.bot.waitSignal(breast.window.saving.said, timeout=10_000):
        breast.window.saving.save(breast.case, target)
    content = json.loads(target.read_text())
    assert content["reading"]["frames"] == [{"index": 0, "call": "malignant", "answer": "accepted", "entries": {}}]
    mask = target.parent / content["breast"][0]["mask"]
    import cv2

    written = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(written > 0, breast.case.result.breast[0].mask > 0)
    breast.bot.keyClick(breast.window, KEY.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert "the reader agrees" in QApplication.clipboard().text()


def test_the_saved_reading_holds_the_area_of_a_region_by_the_pixel_size_that_counts(
    breast: Desk, tmp_path: Path
) -> None:
    def measured() -> list[tuple[float, str]]:
        target = tmp_path / "reading.json"
        with breast.bot.waitSignal(breast.window.saving.said, timeout=10_000):
            breast.window.saving.save(breast.case, target)
        return [(m["area"], m["area_unit"]) for m in json.loads(target.read_text())["reading"]["measures"]]

    breast.bot.keyClick(breast.window, KEY.Key_O, Qt.KeyboardModifier.ShiftModifier)
    breast.wait_kept(lambda: drag(breast, (40, 40), (80, 60)))
    ((area, unit),) = measured()
    assert (area, unit) == (pytest.approx(800, rel=0.05), "px²")
    breast.wait_kept(lambda: breast.window.analysis_actions.set_spacing(breast.case, 0.5))
    _analysed(breast)
    assert measured() == [(pytest.approx(area / 4, abs=0.01), "mm²")]
