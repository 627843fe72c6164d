"""What is on screen leaves the window in the ways that a batch writes, and says why where it cannot."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from gui_desk import Desk
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

from cadviewer.gui.review.saving import label_of
from cadviewer.store import export
from cadviewer.store.export import nodules
from cadviewer.store.session import Answer


def _save(desk: Desk, path: Path) -> str:
    with desk.bot.waitSignal(desk.window.saving.said, timeout=10_000) as said:
        desk.window.saving.save(desk.case, path)
    return str(said.args[0])


def test_the_table_of_the_window_is_that_of_a_batch(read_ct: Desk, tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    assert "found.csv" in _save(read_ct, path)
    with path.open(newline="", encoding="utf-8") as stream:
        header, *found = csv.reader(stream)
    assert tuple(header) == nodules.COLUMNS
    assert [row[header.index("score")] for row in found] == ["0.9000", "0.8000", "0.6000"]


def test_the_json_has_the_reading(read_ct: Desk, tmp_path: Path) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    path = tmp_path / "found.json"
    _save(read_ct, path)
    assert json.loads(path.read_text())["reading"]["findings"][0]["answer"] == "accepted"


def test_the_dialog_offers_every_way_and_follows_the_choice(read_ct: Desk) -> None:
    read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    dialog = next(d for d in read_ct.window.findChildren(QFileDialog) if d.isVisible())
    assert dialog.nameFilters() == [label_of(each) for each in export.for_files().values()]
    assert dialog.defaultSuffix() == "json"
    dialog.filterSelected.emit("CSV (*.csv)")
    assert dialog.defaultSuffix() == "csv"
    for name in ("sr", "seg"):  # each with a name of its own: none would be written over another
        dialog.filterSelected.emit(label_of(export.load(name)))
        assert dialog.selectedFiles()[0].endswith(f"-series2-{name}.dcm")
    dialog.selectFile("mine.dcm")
    dialog.filterSelected.emit(label_of(export.load("sr")))
    assert dialog.selectedFiles()[0].endswith("/mine.dcm")
    dialog.close()


def test_a_report_of_what_was_accepted_is_saved_and_nothing_before(read_ct: Desk, tmp_path: Path) -> None:
    path = tmp_path / "sr.dcm"
    with read_ct.bot.waitSignal(read_ct.window.saving.failed) as failed:
        read_ct.window.saving.save(read_ct.case, path, "sr")
    assert failed.args[0] == "The reading was not saved: no finding was accepted or drawn, and nothing was measured"
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    with read_ct.bot.waitSignal(read_ct.window.saving.said):
        read_ct.window.saving.save(read_ct.case, path, "sr")
    assert sorted(p.name for p in tmp_path.glob("*.dcm")) == ["sr-model.dcm", "sr.dcm"]


@pytest.mark.parametrize("name", ["found.xyz", "found"])
def test_an_unknown_way_is_refused_and_leaves_nothing(read_ct: Desk, tmp_path: Path, name: str) -> None:
    with read_ct.bot.waitSignal(read_ct.window.saving.failed, timeout=10_000) as failed:
        read_ct.window.saving.save(read_ct.case, tmp_path / name)
    assert "no way of writing a file that ends in" in failed.args[0]
    assert not (tmp_path / name).exists()
