"""The window under test and what stands around it, without pytest's fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot

from cadviewer.findings import Box, BreastFinding, Call, Estimate, Nodule, Provenance, Result, Task
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.inference.protocol import Finished, Job


class StillEngine:
    """Takes jobs and orders, and remembers them."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.cancelled: list[int] = []
        self.started = self.killed = 0
        self._last = 0

    def start(self) -> None:
        self.started += 1

    def next_request_id(self) -> int:
        self._last += 1
        return self._last

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def cancel(self, request_id: int) -> None:
        self.cancelled.append(request_id)

    def warm(self, model: str) -> None: ...

    def kill(self) -> None:
        self.killed += 1

    def close(self) -> None: ...


def nodule(number: int, score: float, first: int, last: int, x: float = 20, y: float = 16, side: float = 8) -> Nodule:
    """A finding with its best box on the middle slice."""
    best = (first + last) // 2
    boxes = [Box(k, x, y, x + side, y + side, score - 0.01 * abs(k - best)) for k in range(first, last + 1)]
    return Nodule(number, tuple(boxes), centre_mm=(1.0, -2.0, 3.0), long_mm=7.5, short_mm=6.0)


def provenance(threshold: float = 0.5) -> Provenance:
    return Provenance("cadviewer 0", "ssd-test", "1", "ab" * 32, threshold, "cpu", "none")


def ct_result(case_id: str, *nodules: Nodule, warnings: tuple[str, ...] = ()) -> Result:
    return Result(
        case_id,
        Task.NODULES,
        provenance(),
        nodules=tuple(n for n in nodules if n.score >= 0.5),
        candidates=tuple(n for n in nodules if n.score < 0.5),
        warnings=warnings,
    )


def breast_result(case_id: str, rows: int, columns: int, frames: int = 1, call: Call = Call.MALIGNANT) -> Result:
    mask = np.zeros((rows, columns), np.uint8)
    mask[rows // 4 : rows // 2, columns // 4 : columns // 2] = 255
    found = tuple(
        BreastFinding(k, (rows, columns), call, Estimate(0.8, 0.7, 0.9), mask, int((mask > 0).sum()))
        for k in range(frames)
    )
    return Result(case_id, Task.BREAST, provenance(), breast=found)


class Desk:
    """A window under test with what stands around it."""

    def __init__(self, window: MainWindow, engine: StillEngine, bridge: Bridge, bot: QtBot) -> None:
        self.window, self.engine, self.bridge, self.bot = window, engine, bridge, bot

    @property
    def case(self) -> Any:
        return self.window.cases.current

    @property
    def viewport(self) -> Any:
        return self.window.workspace.viewport

    def open(self, *paths: Path) -> None:
        """Open, and wait until the pixels are all there."""
        with self.bot.waitSignal(self.window.opener.loaded, timeout=10_000):
            self.window.open_paths(list(paths))
        self.bot.waitUntil(lambda: not self.window.opener._reports, timeout=10_000)

    def refuse(self, *paths: Path) -> str:
        """Open what cannot be opened; returns what is said."""
        with self.bot.waitSignal(self.window.opener.reported, timeout=10_000):
            self.window.open_paths(list(paths))
        self.bot.waitUntil(lambda: not self.window.opener.reading, timeout=10_000)
        return " ".join(self.window.workspace.notifications.texts())

    def finish(self, *nodules: Nodule, warnings: tuple[str, ...] = ()) -> None:
        """The running job of the open case ends with these findings."""
        job = self.engine.jobs[-1]
        result = ct_result(job.case_id, *nodules, warnings=warnings)
        self.bridge.take(Finished(job.case_id, job.request_id, result))

    def wait_kept(self, act: Callable[[], object]) -> None:
        """Do something that the journal keeps, and wait until it has."""
        self.bot.waitUntil(lambda: self.window.journal.pending == 0, timeout=10_000)
        act()
        assert self.window.journal.pending > 0
        self.bot.waitUntil(lambda: self.window.journal.pending == 0, timeout=10_000)
