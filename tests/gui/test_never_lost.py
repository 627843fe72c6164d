"""Kill -9 in the middle of a reading, and two windows on one case: at most the action under way is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reading_script
from gui_desk import Desk, StillEngine, ct_result, nodule
from gui_images import write_ct
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from cadviewer import paths
from cadviewer.gui.bridge import Bridge
from cadviewer.gui.main_window import MainWindow
from cadviewer.gui.prefs import Prefs
from cadviewer.inference.protocol import Finished
from cadviewer.store.session import Answer, Measure, Session, case_key, filled_in, folder

KEY = Qt.Key
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ct(tmp_path_factory.mktemp("scan") / "ct")


def _start(scan: Path) -> subprocess.Popen[str]:
    """The reading in a process of its own, past its start."""
    child = subprocess.Popen(
        [sys.executable, "-m", "reading_script", str(scan)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "READY\n"
    return child


def _plain(records: list[Any]) -> list[Any]:
    """Records without what differs from run to run: ids by their order, no times."""
    order = {r["id"]: k for k, r in enumerate(records)}
    return [
        (r["type"], {name: order.get(v, v) if name == "target" else v for name, v in r["mark"].items()})
        for r in records
    ]


def _journal() -> list[Any]:
    """What lies on the disk, as the next window will find it."""
    (file,) = folder().glob("*.jsonl")
    session = Session(file.stem)
    assert session.problems == ()  # nothing damaged by the kill
    return list(session._journal.read().records)


def _clear() -> None:
    for file in folder().glob("*"):
        file.unlink()


def _kill_at_random_moments(scan: Path, moments: int) -> None:
    """Compare every killed reading with the one that nobody killed."""
    whole = _start(scan)
    assert whole.stdout is not None
    shown = [line.split() for line in whole.stdout]
    assert whole.wait() == 0
    assert len(shown) == reading_script.ACTIONS
    counts = [0, *(int(line[2]) for line in shown)]
    reference = _plain(_journal())
    dice = random.Random(20261122)
    for _ in range(moments):
        _clear()
        child = _start(scan)
        assert child.stdout is not None
        for _ in range(dice.randrange(reading_script.ACTIONS - 1)):
            assert child.stdout.readline().startswith("SHOWN")
        time.sleep(dice.random() * 0.08)
        child.kill()
        rest = child.stdout.read().splitlines()
        child.wait()
        child.stdout.close()
        done = [line for line in rest if line.startswith("SHOWN") and len(line.split()) == 3]
        survived = _plain(_journal())
        assert survived == reference[: len(survived)]
        least = int(done[-1].split()[2]) if done else 0
        last = next(k for k, count in enumerate(counts) if count >= max(least, 0))
        assert least <= len(survived), "something that was shown as done is gone"
        if done:
            assert len(survived) <= counts[min(last + 1, len(counts) - 1)]


def test_a_killed_reading_loses_at_most_the_action_under_way(scan: Path) -> None:
    _kill_at_random_moments(scan, 3)


@pytest.mark.slow
@pytest.mark.timeout(3600)  # a start takes 2 s, and a minute where others use the machine
def test_readings_killed_at_fifty_moments_lose_at_most_the_action_under_way(scan: Path) -> None:
    _kill_at_random_moments(scan, 50)


def test_after_a_kill_the_next_window_shows_what_was_shown(desk: Desk, scan: Path) -> None:
    child = _start(scan)
    assert child.stdout is not None
    for _ in range(12):
        child.stdout.readline()
    child.kill()
    child.wait()
    child.stdout.close()
    desk.open(scan)
    desk.finish(nodule(1, 0.9, 2, 4), nodule(2, 0.8, 6, 8, x=30), nodule(3, 0.6, 9, 9, y=30))
    desk.bot.waitUntil(lambda: desk.case.result is not None and desk.window.journal.pending == 0)
    case, kept = desk.case, Session(case_key(desk.case.series))
    entries = kept.entries()
    assert len(entries) >= 10
    assert case.kept.entries == entries
    assert len(case.shapes) == sum(isinstance(e.mark, Measure) for e in entries)
    assert {case.answer(n) for n in case.findings()} == set(kept.decisions().values())
    values = filled_in(entries)
    assert case.reading().values["setting"] == "screening"
    for (place, name), text in values.items():
        if place is not None:
            assert case.values(case.finding(place.number))[name] == text


@pytest.fixture
def beside(read_ct: Desk, qtbot: QtBot, ct_folder: Path) -> Iterator[Desk]:
    """A second window on the same case, analysed alike."""
    engine, bridge = StillEngine(), Bridge()
    window = MainWindow(engine, bridge, Prefs())
    window.resize(1000, 700)
    window.show()
    other = Desk(window, engine, bridge, qtbot)
    other.open(ct_folder)
    job = engine.jobs[-1]
    found = (nodule(1, 0.9, 2, 4), nodule(2, 0.8, 6, 8, x=30), nodule(3, 0.6, 9, 9, y=30))
    bridge.take(Finished(job.case_id, job.request_id, ct_result(job.case_id, *found)))
    qtbot.waitUntil(lambda: other.case.result is not None and window.journal.pending == 0)
    yield other
    window.close()
    window.shut()
    window.cases.close()
    window.deleteLater()


def test_two_windows_on_one_case_keep_what_either_does(read_ct: Desk, beside: Desk) -> None:
    read_ct.window.decisions.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.decisions.answer(Answer.ACCEPTED))
    beside.window.decisions.choose(2)
    beside.wait_kept(lambda: beside.window.decisions.answer(Answer.REJECTED))
    assert beside.case.answer(beside.case.finding(1)) is Answer.ACCEPTED  # what the other did is seen with one's own
    read_ct.wait_kept(lambda: read_ct.window.decisions.enter(1, {"note": "here"}))
    assert read_ct.case.answer(read_ct.case.finding(2)) is Answer.REJECTED
    assert list(Session(case_key(read_ct.case.series)).decisions().values()) == [Answer.ACCEPTED, Answer.REJECTED]


def test_undo_in_one_window_leaves_alone_what_the_other_did(read_ct: Desk, beside: Desk) -> None:
    read_ct.window.decisions.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.decisions.answer(Answer.ACCEPTED))
    beside.window.decisions.choose(2)
    beside.wait_kept(lambda: beside.window.decisions.answer(Answer.REJECTED))
    read_ct.wait_kept(read_ct.window.decisions.undo)
    assert list(Session(case_key(read_ct.case.series)).decisions().values()) == [Answer.REJECTED]
    assert beside.case.answer(beside.case.finding(2)) is Answer.REJECTED


def test_a_window_that_is_turned_to_shows_what_the_other_did_meanwhile(read_ct: Desk, beside: Desk) -> None:
    beside.window.decisions.choose(3)
    beside.wait_kept(lambda: beside.window.decisions.answer(Answer.UNSURE))
    assert read_ct.case.answer(read_ct.case.finding(3)) is None
    beside.window.activateWindow()
    read_ct.bot.wait(20)
    read_ct.window.activateWindow()
    read_ct.bot.waitUntil(lambda: read_ct.case.answer(read_ct.case.finding(3)) is Answer.UNSURE, timeout=5000)


def test_nothing_is_written_beside_the_images(read_ct: Desk, ct_folder: Path) -> None:
    before = sorted(p.name for p in ct_folder.iterdir())
    read_ct.window.decisions.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.decisions.answer(Answer.ACCEPTED))
    read_ct.wait_kept(lambda: read_ct.window.decisions.enter(1, {"note": "mine"}))
    assert sorted(p.name for p in ct_folder.iterdir()) == before
    assert paths.user_data() in folder().parents
