"""Kill -9 in the middle of a reading, and two windows on one case: at most the action under way is lost."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from gui_desk import Desk, StillEngine, ct_result, nodule
from gui_images import write_ct
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from cadviewer import paths
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.inference.protocol import Finished
from cadviewer.store.session import Answer, Measure, Session, case_key, filled_in, folder

KEY = Qt.Key
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ct(tmp_path_factory.mktemp("scan") / "ct")


class _Reading:
    """A reading in a process of its own.

    over: whether it came to its end. counts: records of its window after each action shown so far, 0 first.
    """

    def __init__(self, orders: IO[str], pipe: Path, across: float, actions: int) -> None:
        os.mkfifo(pipe)
        order = {"pipe": str(pipe), "home": os.environ["CADVIEWER_HOME"], "across": across, "actions": actions}
        orders.write(json.dumps(order) + "\n")
        orders.flush()
        self._pipe = pipe.open(encoding="ascii")
        pipe.unlink()
        self.pid = int(self._pipe.readline().split()[1])
        self.counts = [0]
        self.over = False

    def wait_ready(self) -> _Reading:
        """Past its start."""
        assert self._pipe.readline() == "READY\n"
        return self

    def follow(self, actions: int = 1000) -> None:
        """Wait until so many more actions are shown as done, or there are no more."""
        for _ in range(actions):
            line = self._pipe.readline()
            if line == "END\n" or not line.endswith("\n"):
                self.over = line == "END\n"
                return
            self.counts.append(int(line.split()[2]))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it came to its end meanwhile
            os.kill(self.pid, signal.SIGKILL)
        self.end()

    def end(self) -> None:
        """Take in what it still had to say. A pipe ends with the last thread of the process: none of it writes now."""
        if not self._pipe.closed:
            self.follow()
            self._pipe.close()


@pytest.fixture(scope="module")
def readers(scan: Path) -> Iterator[IO[str]]:
    """Where to order readings."""
    if not hasattr(os, "fork"):
        pytest.skip("readings are forked, which this system cannot")
    server = subprocess.Popen(
        [sys.executable, "-m", "reading_script", str(scan)],
        stdin=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert server.stdin is not None
    yield server.stdin
    server.stdin.close()
    assert server.wait(60) == 0


@pytest.fixture
def start(readers: IO[str], tmp_path: Path) -> Iterator[Callable[..., _Reading]]:
    """Begins a reading of some actions. across: columns by which what it draws is moved. None is left at the end."""
    begun: list[_Reading] = []

    def begin(across: float = 0, actions: int = 20) -> _Reading:
        begun.append(_Reading(readers, tmp_path / f"pipe{len(begun)}", across, actions))
        return begun[-1]

    yield begin
    for reading in begun:
        if not reading.over:
            with contextlib.suppress(ProcessLookupError):
                os.kill(reading.pid, signal.SIGKILL)


def _plain(records: list[Any]) -> list[Any]:
    """Records without what differs from run to run: ids by their order, no times."""
    order = {r["id"]: k for k, r in enumerate(records)}
    return [
        (r["type"], {name: order.get(v, v) if name == "target" else v for name, v in r["mark"].items()})
        for r in records
    ]


def _journal() -> list[Any]:
    """What lies on the disk, as the next window will find it: the journal of the only case, if there is one."""
    files = list(folder().glob("*.jsonl"))
    if not files:
        return []
    (file,) = files
    session = Session(file.stem)
    assert session.problems == ()  # nothing damaged by the kill
    return list(session._journal.read().records)


def _by_window(records: list[Any]) -> list[list[Any]]:
    """The records of each window, the one that wrote first before the others."""
    windows: dict[str, list[Any]] = {}
    for record in records:
        windows.setdefault(record["window"], []).append(record)
    return list(windows.values())


def _clear() -> None:
    for file in folder().glob("*"):
        file.unlink()


def _lost_at_most_one(survived: int, shown: list[int], whole: list[int]) -> None:
    """Of a killed reading: what it showed is there, and nothing beyond the action that was under way.

    survived: its records on the disk. shown: records after each action that it showed as done. whole: as many of a
    reading that nobody killed.
    """
    assert survived >= shown[-1], "something that was shown as done is gone"
    assert survived <= whole[min(len(shown), len(whole) - 1)]


@dataclass(frozen=True)
class _Whole:
    """A reading that nobody killed.

    counts: records after each action. ends: numbers of records after which no group of them is half there. records:
    themselves. pace: seconds for an action.
    """

    counts: list[int]
    ends: set[int]
    records: list[Any]
    pace: float


def _read_whole(start: Callable[..., _Reading], actions: int) -> _Whole:
    reading = start(actions=actions).wait_ready()
    begun = time.monotonic()
    reading.end()
    assert reading.over
    assert len(reading.counts) == actions + 1
    kept = _journal()
    _clear()
    ends = {0, len(kept)} | {k for k in range(1, len(kept)) if kept[k]["time"] != kept[k - 1]["time"]}
    return _Whole(reading.counts, ends, _plain(kept), (time.monotonic() - begun) / actions)


def _kill_at_random_moments(start: Callable[..., _Reading], moments: int, actions: int) -> None:
    """Compare every killed reading with the one that nobody killed."""
    whole = _read_whole(start, actions)
    dice = random.Random(20261122)
    for _ in range(moments):
        reading = start(actions=actions).wait_ready()
        reading.follow(dice.randrange(actions - 1))
        time.sleep(dice.random() * 2 * whole.pace)
        reading.kill()
        survived = _plain(_journal())
        assert survived == whole.records[: len(survived)]
        assert len(survived) in whole.ends, "half of what belongs together is there"
        _lost_at_most_one(len(survived), reading.counts, whole.counts)
        _clear()


def test_a_killed_reading_loses_at_most_the_action_under_way(start: Callable[..., _Reading]) -> None:
    _kill_at_random_moments(start, 3, 20)


@pytest.mark.slow
@pytest.mark.timeout(3600)  # 1.2 s of processor time each, and many times that where others use the machine
def test_readings_killed_at_fifty_moments_lose_at_most_the_action_under_way(start: Callable[..., _Reading]) -> None:
    _kill_at_random_moments(start, 50, 40)


def test_a_killed_window_takes_nothing_of_another_one_on_the_same_case(start: Callable[..., _Reading]) -> None:
    killed, other = start(), start(across=-38)
    killed.wait_ready().follow(8)
    other.wait_ready()
    killed.kill()
    other.end()
    assert other.over
    mine, theirs = _by_window(_journal())
    if len(mine) == other.counts[-1]:
        mine, theirs = theirs, mine
    assert len(theirs) == other.counts[-1]
    _lost_at_most_one(len(mine), killed.counts, other.counts)


def test_two_windows_at_work_at_once_on_one_case_overwrite_nothing(start: Callable[..., _Reading]) -> None:
    one, two = start(), start(across=-38)
    one.wait_ready().end()
    two.wait_ready().end()
    assert one.over
    assert two.over
    records = _journal()
    turns = sum(a["window"] != b["window"] for a, b in itertools.pairwise(records))
    assert turns > 5, "they did not write at the same time"
    first, second = _by_window(records)
    assert len(first) == len(second) == one.counts[-1] == two.counts[-1]


def test_after_a_kill_the_next_window_shows_what_was_shown(
    desk: Desk, scan: Path, start: Callable[..., _Reading]
) -> None:
    reading = start().wait_ready()
    reading.follow(12)
    reading.kill()
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
    window = MainWindow(engine, bridge, Preferences())
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
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    beside.window.review_controller.choose(2)
    beside.wait_kept(lambda: beside.window.review_controller.answer(Answer.REJECTED))
    assert beside.case.answer(beside.case.finding(1)) is Answer.ACCEPTED  # what the other did is seen with one's own
    read_ct.wait_kept(lambda: read_ct.window.review_controller.enter(1, {"note": "here"}))
    assert read_ct.case.answer(read_ct.case.finding(2)) is Answer.REJECTED
    assert list(Session(case_key(read_ct.case.series)).decisions().values()) == [Answer.ACCEPTED, Answer.REJECTED]


def test_undo_in_one_window_leaves_alone_what_the_other_did(read_ct: Desk, beside: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    beside.window.review_controller.choose(2)
    beside.wait_kept(lambda: beside.window.review_controller.answer(Answer.REJECTED))
    read_ct.wait_kept(read_ct.window.review_controller.undo)
    assert list(Session(case_key(read_ct.case.series)).decisions().values()) == [Answer.REJECTED]
    assert beside.case.answer(beside.case.finding(2)) is Answer.REJECTED


def test_a_window_that_is_turned_to_shows_what_the_other_did_meanwhile(read_ct: Desk, beside: Desk) -> None:
    beside.window.review_controller.choose(3)
    beside.wait_kept(lambda: beside.window.review_controller.answer(Answer.UNSURE))
    assert read_ct.case.answer(read_ct.case.finding(3)) is None
    beside.window.activateWindow()
    read_ct.bot.wait(20)
    read_ct.window.activateWindow()
    read_ct.bot.waitUntil(lambda: read_ct.case.answer(read_ct.case.finding(3)) is Answer.UNSURE, timeout=5000)


def test_nothing_is_written_beside_the_images(read_ct: Desk, ct_folder: Path) -> None:
    before = sorted(p.name for p in ct_folder.iterdir())
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    read_ct.wait_kept(lambda: read_ct.window.review_controller.enter(1, {"note": "mine"}))
    assert sorted(p.name for p in ct_folder.iterdir()) == before
    assert paths.user_data() in folder().parents
