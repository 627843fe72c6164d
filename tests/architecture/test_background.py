"""Work beside the window's thread: no error passes unseen."""

from __future__ import annotations

import logging
import re
import threading
from pathlib import Path

import pytest

from cadviewer import background
from cadviewer.background import Background


def fails() -> None:
    raise ValueError("DOE^JANE")


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture(autouse=True)
def _listening(told: list[tuple[str, str]]) -> object:
    end = background.listen(lambda name, said: told.append((name, said)))
    yield
    end()


def test_an_error_of_a_step_is_logged_and_told_without_its_message_and_the_next_step_is_done(
    told: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []
    with caplog.at_level(logging.ERROR):
        work = Background("work")
        work.do(fails)
        work.do(done.append, 1)
        work.close()
    assert done == [1]
    ((name, said),) = told
    assert name == "work"
    assert re.fullmatch(r"unexpected ValueError \(test_background\.py, line \d+\)", said)
    assert "test_background.py" in caplog.text
    assert "DOE" not in caplog.text + said


def test_an_error_goes_to_whoever_answers_for_the_work(told: list[tuple[str, str]]) -> None:
    own: list[str] = []
    work = Background("work", own.append)
    work.do(fails)
    work.close()
    assert len(own) == 1
    assert told == []


def test_steps_that_are_not_begun_can_be_dropped() -> None:
    go, begun, done = threading.Event(), threading.Event(), []
    work = Background("work")
    work.do(lambda: (begun.set(), go.wait(10)))
    work.do(done.append, 1)
    begun.wait(10)
    threading.Timer(0.05, go.set).start()
    work.close(drop=True)
    assert done == []


def test_an_error_of_a_single_step_and_of_any_other_thread_is_told(
    told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    background.start("once", fails).join()
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    background.catch_all()
    thread = threading.Thread(target=fails, name="another")
    thread.start()
    thread.join()
    assert [name for name, _ in told] == ["once", "another"]


def test_nobody_has_a_pool_of_his_own() -> None:
    """One helper: a pool's Future that nobody reads swallows its error."""
    root = Path(background.__file__).parent
    users = [p.name for p in sorted(root.rglob("*.py")) if "ThreadPoolExecutor" in p.read_text(encoding="utf-8")]
    assert users == ["background.py"]
