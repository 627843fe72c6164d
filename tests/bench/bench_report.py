"""Measured: how long a reader waits for the preview of a report, and how long its files take.

`make bench`, or `pytest -m bench -s tests/bench/bench_report.py`; the preview must be there within 0.3 s.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gui_desk import Desk, StillEngine
from gui_desk import nodule as found_at
from gui_images import write_ct
from pytestqt.qtbot import QtBot

from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.review.report_preview import ReportPreview
from cadviewer.gui.review.reports import report_of_case, volume_of
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.store.reporting import writing
from cadviewer.store.reporting.key_pictures import key_pictures
from cadviewer.store.reporting.writing import usual_layout

pytestmark = pytest.mark.bench

FINDINGS = 10


@pytest.fixture
def read(qtbot: QtBot, tmp_path: Path) -> Iterator[Desk]:
    """A CT with ten findings of the model."""
    engine, bridge = StillEngine(), Bridge()
    window = MainWindow(engine, bridge, Preferences())
    window.show()
    desk = Desk(window, engine, bridge, qtbot)
    desk.open(write_ct(tmp_path / "ct", slices=60))
    qtbot.waitUntil(lambda: bool(engine.jobs), timeout=60_000)
    circle = np.stack([20 + 4 * np.cos(a := np.linspace(0, 6.28, 60)), 16 + 4 * np.sin(a)], axis=1).astype(np.float32)
    found = [found_at(k + 1, 0.9 - 0.01 * k, 5 * k, 5 * k + 4) for k in range(FINDINGS)]
    desk.finish(*(replace(n, outlines={n.box.slice: circle}) for n in found))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    yield desk
    window.close()
    window.shut()


def timed(
    step: Callable[[], object], times: int = 5, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, float]:
    """Seconds of the first time, and the median of those after it."""
    taken = []
    for _ in range(times):
        began = clock()
        step()
        taken.append(clock() - began)
    return taken[0], statistics.median(taken[1:])


def test_the_preview_is_there_at_once(read: Desk) -> None:
    def preview() -> None:
        dialog = ReportPreview(read.case, read.window.saving, "", read.window)
        dialog.open()
        dialog.page.grab()
        dialog.close()

    # the window's thread alone: others use the machine
    first, again = timed(preview, clock=time.thread_time)
    print(f"\nreport preview, {FINDINGS} findings: {first:.3f} s the first time, {again:.3f} s after that")
    assert again < 0.3
    assert first < 0.6, "with Jinja2 and the templates, once"


def test_files_of_a_report(read: Desk) -> None:
    report, volume = report_of_case(read.case), volume_of(read.case)
    assert report is not None
    layout = usual_layout()
    first, again = timed(lambda: key_pictures(report, volume, layout.words), 3)
    print(f"\nkey images, {FINDINGS} findings: {first:.3f} s, {again:.3f} s after that")
    for name, make in writing.MAKERS.items():
        first, again = timed(lambda make=make: make(report, volume, layout), 3)  # type: ignore[misc]
        size = len(make(report, volume, layout)) // 1000
        print(f"{name}: {first:.3f} s the first time, {again:.3f} s after that, {size} kB")
