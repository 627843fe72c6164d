"""What the reader found alone and the model too is one nodule: one row with both sources, both in the record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gui_desk import Desk, nodule
from PySide6.QtCore import Qt

from cadviewer.gui.cases import wording
from cadviewer.gui.nodules import boxes
from cadviewer.gui.review import reports
from cadviewer.store.reading import Origin
from cadviewer.store.session import Drawn

CTRL_RETURN = Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def drawn(desk: Desk, ct_folder: Path) -> Desk:
    """A first read under way, in which the reader drew what the model's finding 1 is, and something else."""
    desk.window.preferences.change(reading="second")
    desk.open(ct_folder)
    desk.finish(nodule(1, 0.9, 2, 4), nodule(2, 0.8, 6, 8, x=30))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    for mark in (Drawn(3, 21, 16, 28, 24, "A"), Drawn(10, 5, 5, 12, 12, "B")):
        desk.wait_kept(lambda mark=mark: desk.window.journal.record(desk.case.series, mark))  # type: ignore[misc]
    return desk


def test_before_the_first_read_is_done_nothing_is_told_of_the_models(drawn: Desk) -> None:
    assert [drawn.case.name(n.number) for n in drawn.case.findings()] == ["A", "B"]
    assert all(drawn.case.also(n.number) is None for n in drawn.case.findings())
    assert "0.90" not in boxes.label(drawn.case, drawn.case.findings()[0])


def test_after_it_both_are_one_row(drawn: Desk) -> None:
    drawn.wait_kept(lambda: drawn.bot.keyClick(drawn.window, *CTRL_RETURN))
    findings = drawn.case.findings()
    assert [drawn.case.name(n.number) for n in findings] == ["2", "A", "B"]
    first = findings[1]
    also = drawn.case.also(first.number)
    assert also is not None
    assert also.number == 1
    assert drawn.case.origin(first.number) is Origin.READER
    assert boxes.label(drawn.case, first) == "✓ A · 0.90"
    assert "2 findings at or above 0.50, 1 added" in wording.state(drawn.case)[0]
    assert "found by the reader and the model, score 0.90" in reports.text_of(drawn.case)


def test_the_record_keeps_both_apart(drawn: Desk, tmp_path: Path) -> None:
    drawn.wait_kept(lambda: drawn.bot.keyClick(drawn.window, *CTRL_RETURN))
    drawn.window.saving.save(drawn.case, tmp_path / "reading.json")
    drawn.bot.waitUntil((tmp_path / "reading.json").is_file)
    content = json.loads((tmp_path / "reading.json").read_text())
    found = {f["name"]: f for f in content["reading"]["findings"]}
    assert set(found) == {"2", "A", "B"}
    assert found["A"]["origin"] == "reader"
    assert found["A"]["also"] == {"finding": 1, "score": 0.9, "slice": 3, "x0": 20, "y0": 16, "x1": 28, "y1": 24}
    assert found["B"]["also"] is None


def test_a_deleted_finding_of_the_reader_gives_the_models_back(drawn: Desk) -> None:
    drawn.wait_kept(lambda: drawn.bot.keyClick(drawn.window, *CTRL_RETURN))
    drawn.window.review_controller.choose(drawn.case.findings()[1].number)
    drawn.wait_kept(lambda: drawn.bot.keyClick(drawn.window, Qt.Key.Key_Delete))
    assert [drawn.case.name(n.number) for n in drawn.case.findings()] == ["1", "2", "B"]
