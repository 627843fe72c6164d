"""A window with an engine that does nothing by itself: tests say what comes back, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gui_desk import Desk, StillEngine, nodule
from gui_images import write_ct
from pytestqt.qtbot import QtBot

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.inference.protocol import Cancelled
from cadviewer.models.catalogue import ModelCard

PATIENCE_MS = 120_000
"""How long a test waits for what has to come: a busy machine is slow, and only a test that fails waits so long."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test fails since others use the machine: every wait of pytest-qt is a long one."""
    for name in ("waitUntil", "waitSignal", "waitSignals", "waitExposed"):
        wait = getattr(QtBot, name)

        def patiently(*given: Any, wait: Callable[..., Any] = wait, **named: Any) -> Any:
            return wait(*given, **{**named, "timeout": max(PATIENCE_MS, named.get("timeout", 0))})

        monkeypatch.setattr(QtBot, name, patiently)


@pytest.fixture(autouse=True)
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """One model for each task, and none of those that really ship."""
    folder = paths.user_data().parent / "shipped"
    monkeypatch.setattr(paths, "shipped_weights", lambda: folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths.own_weights().mkdir(parents=True, exist_ok=True)
    for name, task in (("ssd-test", Task.NODULES), ("estan-test", Task.BREAST)):
        card = ModelCard(
            name, "1", task, name, "net", {}, {}, 0.5, "ab" * 32, default=True, limits=("Not for children.",)
        )
        (folder / f"{name}.json").write_text(card.to_json(), encoding="utf-8")
        (folder / f"{name}.safetensors").write_bytes(b"")


@pytest.fixture
def desk(qtbot: QtBot) -> Iterator[Desk]:
    """The window, shown, with nothing open."""
    engine, bridge = StillEngine(), Bridge()
    window = MainWindow(engine, bridge, Preferences())
    window.resize(1200, 800)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    yield Desk(window, engine, bridge, qtbot)
    for job in engine.jobs:
        bridge.take(Cancelled(job.case_id, job.request_id))
    window.close()
    window.shut()
    window.cases.close()
    window.deleteLater()


@pytest.fixture
def ct_folder(tmp_path: Path) -> Path:
    """Twelve small CT slices."""
    return write_ct(tmp_path / "ct")


@pytest.fixture
def ct(desk: Desk, ct_folder: Path) -> Desk:
    """The window with a CT open, its analysis running."""
    desk.open(ct_folder)
    desk.viewport.setFocus()
    return desk


@pytest.fixture
def read_ct(ct: Desk) -> Desk:
    """The window with an analysed CT: three findings above the threshold and two below."""
    ct.finish(
        nodule(1, 0.9, 2, 4),
        nodule(2, 0.8, 6, 8, x=30),
        nodule(3, 0.6, 9, 9, y=30),
        nodule(4, 0.4, 1, 1),
        nodule(5, 0.2, 10, 11),
    )
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    return ct
