"""The window driven by random sequences of what a reader does; after every step it shows one patient and one answer.

What must hold: banner, study list, image and findings are of one case; a case beside it is of the same patient; no
answer and no measure is lost, moved or changed, over restarts too; no millimetres where the file gives none.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gui_desk import Desk, StillEngine, breast_result, nodule
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from test_drawing import drag

from cadviewer.findings import Task
from cadviewer.gui.canvas.mouse import Tool
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.banner import patient_line
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.gui.viewing.grid.layout import Layout
from cadviewer.inference.protocol import Finished
from cadviewer.store.session import Answer

KEYS = {Answer.ACCEPTED: Qt.Key.Key_Return, Answer.REJECTED: Qt.Key.Key_X, Answer.UNSURE: Qt.Key.Key_U}


@dataclass
class Kept:
    """What the reader did with one case, by number of the finding (frame −1 of an ultrasound image)."""

    answers: dict[int, Answer] = field(default_factory=dict)
    measures: int = 0
    undo: list[tuple[dict[int, Answer], int]] = field(default_factory=list)

    def before(self) -> None:
        self.undo.append((dict(self.answers), self.measures))


class Reader:
    """Does one thing after the other, knows what must be there, and looks whether it is."""

    def __init__(self, folder: Path, bot: QtBot, seed: int) -> None:
        self.draw, self.bot = random.Random(seed), bot
        jane = {"PatientName": "Doe^Jane", "PatientID": "P-7"}
        john = {"PatientName": "Roe^John", "PatientID": "P-8", "PatientBirthDate": "19610203", "PatientSex": "M"}
        self.paths = [
            write_ct(folder / "jane-now", **jane),
            write_ct(folder / "jane-prior", 10, StudyDate="20220131", **jane),
            write_ct(folder / "john", 14, **john),
            write_ultrasound(folder / "no-mm.dcm"),
        ]
        self.kept: dict[str, Kept] = {}
        self.done: list[str] = []
        self.desk = self._start()

    def _start(self) -> Desk:
        engine, bridge = StillEngine(), Bridge()
        window = MainWindow(engine, bridge, Preferences())
        window.resize(1200, 800)
        window.show()
        self.bot.waitExposed(window)
        window.activateWindow()
        return Desk(window, engine, bridge, self.bot)

    def close(self) -> None:
        window = self.desk.window
        window.close()
        window.shut()
        window.cases.close()
        window.deleteLater()

    @property
    def mine(self) -> Kept:
        return self.kept.setdefault(self.desk.case.case_id, Kept())

    def settle(self) -> None:
        window = self.desk.window
        self.bot.waitUntil(
            lambda: window.journal.pending == 0 and not window.opener.reading and not window.opener._reports,
            timeout=20_000,
        )

    # what a reader does -------------------------------------------------------------------------------------------

    def open(self) -> None:
        path = self.draw.choice(self.paths)
        self.done[-1] += f" {path.name}"
        self.desk.window.open_paths([path])
        self.settle()

    def click_in_the_list(self) -> None:
        listed = self.desk.window.studies.rows.listed()
        if listed:
            studies = self.desk.window.studies
            row = studies.rows.row_of(self.draw.choice(listed))
            rect = studies.visualRect(studies.rows.index(row))
            self.bot.mouseClick(studies.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
            self.settle()

    def finish(self) -> None:
        """The model has something to say of the open case, and always the same."""
        case = self.desk.case
        if case is None or not case.running or not self.desk.engine.jobs:
            return
        job = next((j for j in reversed(self.desk.engine.jobs) if j.request_id == case.request_id), None)
        if job is None:
            return
        if job.task is Task.BREAST:
            self.desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 160, 200)))
        else:
            found = nodule(1, 0.9, 2, 4), nodule(2, 0.8, 5, 6, x=30), nodule(3, 0.6, 7, 8, y=30)
            from gui_desk import ct_result

            self.desk.bridge.take(Finished(job.case_id, job.request_id, ct_result(job.case_id, *found)))
        self.bot.waitUntil(lambda: case.result is not None)
        self.settle()

    def answer(self) -> None:
        case = self.desk.case
        if case is None or case.result is None or case.concealed:
            return
        answer = self.draw.choice(list(KEYS))
        if case.task is Task.BREAST:
            number = -1
            if not case.takes_answer(self.desk.viewport.index):
                return
        else:
            found = [n.number for n in case.findings()]
            if not found:
                return
            number = self.draw.choice(found)
            self.desk.window.review_controller.choose(number)
        if self.mine.answers.get(number) is not answer:
            self.mine.before()
            self.mine.answers[number] = answer
        self.bot.keyClick(self.desk.window, KEYS[answer])
        self.settle()

    def undo(self) -> None:
        case = self.desk.case
        if case is None or not self.mine.undo or self.desk.window.view_actions.can_undo_reset:
            return
        self.mine.answers, self.mine.measures = self.mine.undo.pop()
        self.bot.keyClick(self.desk.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        self.settle()

    def measure(self) -> None:
        case = self.desk.case
        if case is None or case.stack is None or self.mine.measures == 6:
            return
        self.desk.window.view_actions.use_tool(Tool.DISTANCE)
        rows, columns = case.stack.rows, case.stack.columns
        y = rows * (0.12 + 0.13 * self.mine.measures)  # apart: a drag on an older one would change that
        self.mine.before()
        self.mine.measures += 1
        drag(self.desk, (0.1 * columns, y), (self.draw.uniform(0.3, 0.7) * columns, y + 1))
        self.desk.window.view_actions.use_tool(Tool.WINDOW)
        self.settle()

    def scroll(self) -> None:
        self.bot.keyClick(self.desk.window, self.draw.choice([Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Home]))

    def compare(self) -> None:
        if self.desk.case is not None:
            self.bot.keyClick(self.desk.window, Qt.Key.Key_4, Qt.KeyboardModifier.ControlModifier)
            self.bot.waitUntil(lambda: self.desk.window.comparison._wanted is None, timeout=20_000)

    def other_layout(self) -> None:
        key = self.draw.choice([Qt.Key.Key_1, Qt.Key.Key_3])
        self.bot.keyClick(self.desk.window, key, Qt.KeyboardModifier.ControlModifier)

    def first_read(self) -> None:
        """Cases that are opened from now on are read alone first, or no longer."""
        self.desk.window.preferences.change(reading=self.draw.choice(["second", "concurrent"]))

    def reveal(self) -> None:
        case = self.desk.case
        if case is not None and case.concealed and case.task is Task.NODULES and case.result is not None:
            self.mine.before()
            self.desk.window.review_controller.reveal()
            self.settle()

    def close_series(self) -> None:
        self.desk.window.case_actions.close_series()
        self.settle()

    def restart(self) -> None:
        self.settle()
        self.close()
        for kept in self.kept.values():
            kept.undo.clear()
        self.desk = self._start()

    # what must hold -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        window, case = self.desk.window, self.desk.case
        said = " → ".join(self.done)
        selected = window.studies.currentIndex()
        if case is None:
            assert window.banner.patient.text() == "cadviewer", said
            assert not selected.isValid(), said
            assert self.desk.viewport.stack is None, said
            return
        assert window.banner.patient.text() == patient_line(case.series), said
        assert selected.row() == window.studies.rows.row_of(case), said
        for pane in window.workspace.grid.shown:
            if pane.own and pane.viewport.stack is not None:
                assert pane.viewport.stack.series.case_id == case.case_id, said
                assert pane.boxes.case is case, said
        beside = window.workspace.grid.beside
        if window.workspace.grid.layout_now is Layout.PAIR:
            assert beside is not None, said
            assert beside is not case, said
            assert beside.series.patient == case.series.patient, said
            assert window.workspace.grid.shown[1].boxes.case is beside, said
        else:
            assert beside is None or window.workspace.grid.wanted is not Layout.PAIR, said
            assert not window.workspace.grid.panes[0].corners.head, said
        if case.task is Task.NODULES and case.result is not None:
            listed = [row[0].number for row in window.side.nodules.findings.model._rows]
            assert sorted(listed) == sorted(n.number for n in case.findings()), said
        self._answers(case, said)
        if case.stack is not None and case.series.geometry.pixel_spacing is None:
            assert case.stack.pixel_mm is None, said
            assert not any("mm" in row.title.split() for row in window.measures.rows), said

    def _answers(self, case: object, said: str) -> None:
        kept = self.mine
        now = self.desk.case
        assert len(now.shapes) == kept.measures, said
        assert len(self.desk.window.measures.rows) == kept.measures, said
        if now.result is None or now.concealed:
            return
        if now.task is Task.BREAST:
            found = {-1: answer} if (answer := now.frame_answer(0)) is not None else {}
        else:
            found = {n.number: a for n in now.findings() if (a := now.answer(n)) is not None}
        assert found == kept.answers, said


OFTEN = ("open", "click_in_the_list", "finish", "finish", "answer", "answer", "answer", "measure", "undo", "scroll")
SELDOM = ("compare", "compare", "other_layout", "first_read", "reveal", "close_series", "restart")


def _read(folder: Path, bot: QtBot, seed: int, steps: int) -> dict[str, int]:
    reader, counted = Reader(folder, bot, seed), dict.fromkeys((*OFTEN, *SELDOM), 0)
    try:
        for step in range(steps):
            name = reader.draw.choice([*OFTEN, *OFTEN, *SELDOM]) if step else "open"
            reader.done.append(name)
            act: Callable[[], None] = getattr(reader, name)
            act()
            counted[name] += 1
            reader.look()
        counted["answered"] = sum(len(k.answers) for k in reader.kept.values())
        return counted
    finally:
        reader.close()


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_shows_one_patient_and_keeps_every_answer(tmp_path: Path, qtbot: QtBot, seed: int) -> None:
    counted = _read(tmp_path, qtbot, seed, 60)
    assert counted["open"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_long_sequences_show_one_patient_and_keep_every_answer(tmp_path: Path, qtbot: QtBot, seed: int) -> None:
    _read(tmp_path, qtbot, seed, 200)
