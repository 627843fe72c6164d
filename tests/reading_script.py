"""Readings in the real window, in processes of their own that may be killed at any moment.

`python -m reading_script FOLDER` waits for orders, each a line of JSON on its standard input, and forks a reading of
the CT in FOLDER for each: so that the imports, most of what a reading costs, are paid once. A reading opens the CT,
makes up what the model found, works through it with keys and mouse, and writes lines into the pipe that its order
names: `PID N`, `READY`, one `SHOWN ACTION RECORDS` once that action is shown as done in the window, and `END`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any


def serve(folder: str) -> None:
    """Fork a reading for each order {"pipe": path, "home": path, "across": columns, "actions": number}."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    import gui_desk  # noqa: F401 - Qt and the window: nothing of them is begun before the fork

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the end of the pipe tells
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.environ["CADVIEWER_HOME"] = order["home"]
            try:
                with open(order["pipe"], "w", buffering=1, encoding="ascii") as pipe:
                    read(Path(folder), partial(print, file=pipe), order["across"], order["actions"])
            except BaseException:  # noqa: BLE001 - why a reading ended early must be seen
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(0)  # not through what the server would do at its own end


def read(folder: Path, tell: Callable[[str], object], across: float, actions: int) -> None:
    """One reading of so many actions.

    across: columns by which everything drawn is moved, for a second window that draws elsewhere.
    """
    from gui_desk import StillEngine, ct_result, nodule
    from PySide6.QtWidgets import QApplication

    from cadviewer.gui.engine.bridge import Bridge
    from cadviewer.gui.settings.preferences import Preferences
    from cadviewer.gui.shell.main_window import MainWindow
    from cadviewer.inference.protocol import Finished

    tell(f"PID {os.getpid()}")
    app = QApplication([])
    engine, bridge = StillEngine(), Bridge()
    window: Any = MainWindow(engine, bridge, Preferences())
    window.resize(1000, 700)
    window.show()
    window.open_paths([folder])
    reading = Reading(app, window, across)
    reading.wait(lambda: bool(engine.jobs) and window.cases.current.stack.complete)
    job = engine.jobs[-1]
    result = ct_result(job.case_id, nodule(1, 0.9, 2, 4), nodule(2, 0.8, 6, 8, x=30), nodule(3, 0.6, 9, 9, y=30))
    bridge.take(Finished(job.case_id, job.request_id, result))
    reading.wait(lambda: window.cases.current.result is not None and window.journal.pending == 0)
    tell("READY")
    for number in range(actions):
        reading.act(number)
        tell(f"SHOWN {number} {reading.records()}")
    tell("END")


class Reading:
    """The hands of a reader."""

    def __init__(self, app: Any, window: Any, across: float) -> None:
        self._app, self._window, self._across = app, window, across

    def records(self) -> int:
        """How many records of this window the journal of the open case holds, undone things too."""
        session = self._window.journal._sessions[self._window.cases.current.case_id]
        return sum(entry.window == session._window for entry in session.history())

    def wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not done():
            self._app.processEvents()
            time.sleep(0.001)  # others use the machine too
            if time.monotonic() > end:
                raise SystemExit("the window did not get on")

    def act(self, number: int) -> None:
        """Action `number`, until it is shown as done."""
        from PySide6.QtCore import Qt

        keys, window = Qt.Key, self._window
        age = 40 + number + (20 if self._across else 0)
        kinds: list[Callable[[], None]] = [
            lambda: self._answer(keys.Key_Return),
            lambda: self._draw("d", number),
            lambda: self._answer(keys.Key_X),
            lambda: self._draw("o", number),
            lambda: window.review_controller.enter(
                1 + number % 3, {"type": "solid", "note": f"note {number} {self._across}"}
            ),
            lambda: self._key(keys.Key_K),
            lambda: window.review_controller.enter(0, {"setting": "screening", "age": str(age)}),
            lambda: self._move_last(number),
            lambda: self._key(keys.Key_Z, Qt.KeyboardModifier.ControlModifier),
            lambda: self._answer(keys.Key_U),
        ]
        window.review_controller.choose(1 + number % 3)
        before = self.records()
        kinds[number % len(kinds)]()
        self.wait(lambda: window.journal.pending == 0)
        if self.records() == before:
            raise SystemExit(f"action {number} did nothing")

    def _answer(self, key: Any) -> None:
        """Give the answer of a key, or another one where a window that reads the same case gave it before."""
        from PySide6.QtCore import Qt

        from cadviewer.store.session import Answer

        given = {
            Qt.Key.Key_Return: Answer.ACCEPTED,
            Qt.Key.Key_X: Answer.REJECTED,
            Qt.Key.Key_U: Answer.UNSURE,
        }
        case = self._window.cases.current
        there = case.answer(case.finding(case.selected))
        self._key(next(k for k in (key, *given) if given[k] is not there))

    def _key(self, key: Any, modifiers: Any = None) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        QTest.keyClick(self._window, key, modifiers or Qt.KeyboardModifier.NoModifier)

    def _drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        from PySide6.QtCore import QPoint, Qt
        from PySide6.QtTest import QTest

        view = self._window.workspace.viewport
        a, b = view.to_screen(*start).toPoint(), view.to_screen(*end).toPoint()
        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mousePress(view, left, none, a)
        QTest.mouseMove(view, QPoint((a.x() + b.x()) // 2, (a.y() + b.y()) // 2))
        QTest.mouseMove(view, b)
        QTest.mouseRelease(view, left, none, b)

    def _draw(self, tool: str, number: int) -> None:
        from cadviewer.gui.canvas.mouse import Tool

        self._window.workspace.viewport.mouse.set_tool(Tool.DISTANCE if tool == "d" else Tool.ELLIPSE)
        x, y = 40 + self._across, 2.0 + number % 10
        self._drag((x, y), (x + 6 + number % 7, y + 5))

    def _move_last(self, number: int) -> None:
        """Take a new length by its end."""
        self._draw("d", number)
        self.wait(lambda: self._window.journal.pending == 0)
        end = self._window.cases.current.shapes[-1].points[1][1:]
        self._drag(end, (end[0] - 3, end[1] + 12))


if __name__ == "__main__":
    serve(sys.argv[1])
