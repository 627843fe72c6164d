"""The batch dialog clicked through: a real engine, a worker without torch, real files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gui_images import write_ct, write_png, write_ultrasound
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox
from pytestqt.qtbot import QtBot

from cadviewer.gui.batch.cases import COLUMNS, worst
from cadviewer.gui.batch.dialog import BatchDialog
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.inference.engine import Engine
from cadviewer.store.results import Existing

CASES = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five small CTs, an ultrasound image, a damaged file and a text."""
    made = tmp_path / "in"
    for number in range(CASES - 1):
        write_ct(made / f"ct{number}", slices=3)
    write_ultrasound(made / "us" / "frame.dcm")
    (made / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (made / "readme.txt").write_text("not an image")
    return made


@pytest.fixture
def window(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    """The window on a real engine whose worker takes about half a second for a case."""
    monkeypatch.setenv("CADVIEWER_FAKE_WORKER", json.dumps({"steps": 5, "delay": 0.1, "nodules": 2}))
    bridge = Bridge()
    engine = Engine(bridge.take, worker="fake_worker")
    engine.start()
    made = MainWindow(engine, bridge, Preferences())
    made.show()
    yield made
    made.close()
    made.shut()
    engine.close()
    made.cases.close()
    made.deleteLater()


def open_dialog(window: MainWindow, source: Path, target: Path) -> BatchDialog:
    window.actions_["annotate"].trigger()
    dialog = window.tools.batch
    assert dialog is not None
    dialog.source.setText(str(source))
    dialog.target.setText(str(target))
    return dialog


def press(bot: QtBot, button: object) -> None:
    bot.mouseClick(button, Qt.MouseButton.LeftButton)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_folder_is_annotated_and_a_double_click_opens_a_case(
    window: MainWindow, qtbot: QtBot, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    dialog = open_dialog(window, folder, out)
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    assert dialog.status.text().startswith("Finished:"), dialog.status.text()
    by_name = {row.source.name: row for row in dialog.cases.rows}
    assert by_name["ct0"].state == "done"
    assert (by_name["ct0"].task, by_name["ct0"].findings) == ("nodules", "2")
    assert by_name["broken.png"].state == "failed"
    assert by_name["broken.png"].reason
    assert by_name["readme.txt"].state == "skipped"
    assert "errors.csv" in dialog.status.text()
    assert {r["source"]: r["findings"] for r in rows(out / "cases.csv")}[str(folder / "ct0")] == "2"
    assert dialog.overall.value() == dialog.overall.maximum() == len(dialog.cases.rows)
    place = [row.source.name for row in dialog.cases.rows].index("ct1")
    dialog.table.activated.emit(dialog.sorted.mapFromSource(dialog.cases.index(place, 0)))
    qtbot.waitUntil(lambda: window.cases.current is not None, timeout=10000)
    assert window.cases.current.series.source == folder / "ct1"


def test_a_run_cancelled_half_way_is_resumed_where_it_ended(
    window: MainWindow, qtbot: QtBot, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    dialog = open_dialog(window, folder, out)
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: any(r.state == "done" for r in dialog.cases.rows), timeout=60000)
    press(qtbot, dialog.cancel)
    qtbot.waitUntil(lambda: not dialog.running, timeout=30000)
    assert dialog.status.text().startswith("Cancelled:")
    done = {r["case"] for r in rows(out / "cases.csv") if r["state"] == "done"}
    assert 1 <= len(done) < CASES
    dialog.existing.setCurrentIndex(dialog.existing.findData(Existing.RESUME.value))
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    assert dialog.status.text().startswith("Finished:")
    kept = [r for r in dialog.cases.rows if r.state == "done" and r.earlier]
    assert len(kept) >= len(done)
    assert all(r.findings for r in kept)
    assert len([r for r in rows(out / "cases.csv") if r["state"] == "done"]) == CASES - 1 + _scope(dialog)


def test_cases_are_sorted_by_how_sure_the_model_is(
    window: MainWindow, qtbot: QtBot, folder: Path, tmp_path: Path
) -> None:
    dialog = open_dialog(window, folder, tmp_path / "out")
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)

    def column(name: str) -> list[str]:
        place = COLUMNS.index(name)
        return [dialog.sorted.index(row, place).data() for row in range(dialog.sorted.rowCount())]

    assert column("Case")[:1] == [dialog.cases.rows[0].text(0)]  # as found
    dialog.table.sortByColumn(COLUMNS.index("Probability"), Qt.SortOrder.DescendingOrder)
    shown = column("Probability")
    assert float(shown[0]) > 0
    assert shown == sorted(shown, key=lambda text: float(text or -1), reverse=True)
    assert shown[-1] == ""  # what was not done
    assert column("Case")[0] in {f"in/ct{number}" for number in range(CASES - 1)} | {"us/frame.dcm"}


def test_images_that_nobody_could_tell_are_run_as_breast_when_the_user_says_so(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    for name in "ab":
        write_png(tmp_path / "in" / f"{name}.png")
    write_ct(tmp_path / "in" / "ct", slices=3)
    dialog = open_dialog(window, tmp_path / "in", tmp_path / "out")
    dialog.threshold.setValue(0.35)
    dialog.pixel.setValue(0.08)
    assert (dialog.options().threshold, dialog.options().spacing_mm) == (0.35, 0.08)
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    assert sorted(row.state for row in dialog.cases.rows) == ["done", "refused", "refused"]
    assert dialog.tell.isVisible()
    assert dialog.tell.text() == "Run 2 as breast ultrasound"
    press(qtbot, dialog.tell)
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    assert dialog.status.text().startswith("Finished:"), dialog.status.text()
    told = {row.source.name: (row.task, row.state, row.earlier) for row in dialog.cases.rows}
    assert told["a.png"] == told["b.png"] == ("breast", "done", False)
    assert told["ct"] == ("nodules", "done", True)
    assert not dialog.tell.isVisible()
    assert len(rows(tmp_path / "out" / "breast.csv")) == 2


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([], ("", None)),
        ([{"score": "0.4"}, {"score": "0.9"}], ("", 0.9)),
        ([{"call": "benign", "probability_malignant": "0.2"}, {"call": "malignant", "probability_malignant": "0.8"}],
         ("malignant", 0.8)),
        ([{"call": "no_lesion", "probability_malignant": ""}], ("no_lesion", None)),
    ],
)  # fmt: skip
def test_a_case_is_as_suspicious_as_its_worst_image(
    findings: list[dict[str, str]], expected: tuple[str, float | None]
) -> None:
    assert worst(findings) == expected


def _scope(dialog: BatchDialog) -> int:
    """1 when the ultrasound noise was taken as a breast image, 0 when it was refused with a reason."""
    return sum(r.source.name == "frame.dcm" and r.state.startswith("done") for r in dialog.cases.rows)


def test_an_error_that_nobody_foresaw_ends_the_run_and_is_told_without_its_words(
    window: MainWindow, qtbot: QtBot, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Doe^Jane")

    monkeypatch.setattr("cadviewer.batch.run", fail)
    dialog = open_dialog(window, folder, tmp_path / "out")
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: not dialog.running, timeout=10000)
    assert "unexpected RuntimeError" in dialog.status.text()
    assert "Doe" not in dialog.status.text()


def test_results_of_an_earlier_run_are_left_alone_when_asked_to(
    window: MainWindow, qtbot: QtBot, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    dialog = open_dialog(window, folder / "ct0", out)
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    before = (out / "cases.csv").read_bytes()
    dialog.existing.setCurrentIndex(dialog.existing.findData(Existing.KEEP_OUT.value))
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    assert dialog.status.text().startswith("Not started:")
    assert (out / "cases.csv").read_bytes() == before


def test_the_open_case_goes_before_the_batch_and_keeps_its_own_findings(
    window: MainWindow, qtbot: QtBot, folder: Path, tmp_path: Path
) -> None:
    dialog = open_dialog(window, folder, tmp_path / "out")
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: any(r.state.startswith("running") for r in dialog.cases.rows), timeout=60000)
    window.open_paths([write_ct(tmp_path / "mine", slices=3)])
    qtbot.waitUntil(lambda: window.cases.current is not None and window.cases.current.result is not None, timeout=30000)
    assert window.cases.current.result.case_id == window.cases.current.case_id
    assert dialog.running
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    assert dialog.status.text().startswith("Finished:")


def test_only_the_formats_that_are_ticked_are_written(
    window: MainWindow, qtbot: QtBot, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    dialog = open_dialog(window, folder / "ct0", out)
    for name, box in dialog.formats.items():
        assert isinstance(box, QCheckBox)
        box.setChecked(name == "csv")
    press(qtbot, dialog.start)
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    assert (out / "nodules.csv").is_file()
    assert not list(out.glob("**/*.json"))
