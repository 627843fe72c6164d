"""What training needs and is not installed: said, installed, stopped; with a stand-in for the installer."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from cadviewer.gui.training import installing
from cadviewer.gui.training.installing import InstallBar

DECLARED = [
    "numpy>=2.0",
    "torch>=2.6; extra == 'cuda'",
    'cadviewer[cuda]; extra == "train"',
    'lightning>=2.6; extra == "train"',
    'torch>=2.6; extra == "train"',
    'pytest>=8; extra == "dev"',
    'numpy>=2.0; extra == "train"',
]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of libraries that count as installed; the trainers' are not among them."""
    there = {"numpy"}

    def version(name: str) -> str:
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(installing.metadata, "requires", lambda name: DECLARED)
    monkeypatch.setattr(installing.metadata, "version", version)
    return there


def bar_with(monkeypatch: pytest.MonkeyPatch, bot: QtBot, script: str) -> InstallBar:
    monkeypatch.setattr(installing, "installer", lambda: [sys.executable, "-u", "-c", script])
    bar = InstallBar()
    bot.addWidget(bar)
    bar.show()
    bar.look()
    return bar


def test_what_the_package_declares_for_training_and_is_not_there_is_missing(without: set[str]) -> None:
    assert installing.missing() == ["torch>=2.6", "lightning>=2.6"]
    without |= {"torch", "lightning"}
    assert installing.missing() == []


def test_where_everything_is_there_nothing_is_said(qtbot: QtBot) -> None:
    bar = InstallBar()
    qtbot.addWidget(bar)
    assert bar.look()
    assert bar.isHidden()


def test_what_is_missing_is_named_with_its_size_and_installed_with_what_the_installer_says(
    without: set[str], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    script = (
        f"import sys, time, pathlib; pathlib.Path({str(given)!r}).write_text(' '.join(sys.argv[1:]))\n"
        "print('Downloading torch (1 GiB)', flush=True); time.sleep(0.5)"
    )
    bar = bar_with(monkeypatch, qtbot, script)
    assert "torch, lightning" in bar.text.text()
    assert "GB to download" in bar.text.text()
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    assert bar.busy.isVisible()
    qtbot.waitUntil(lambda: "Downloading torch (1 GiB)" in bar.text.text(), timeout=20000)
    without |= {"torch", "lightning"}
    qtbot.waitSignal(bar.done, timeout=20000).wait()
    assert given.read_text() == "torch>=2.6 lightning>=2.6"
    assert bar.isHidden()


def test_an_installation_that_fails_says_why_and_can_be_tried_again(
    without: set[str], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    bar = bar_with(monkeypatch, qtbot, "import sys; print('no space left on device'); sys.exit(1)")
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Nothing was installed" in bar.text.text(), timeout=20000)
    assert "no space left on device" in bar.text.text()
    assert 'pip install "cadviewer[train]"' in bar.text.text()
    assert bar.button.isEnabled()
    assert not bar.busy.isVisible()


def test_an_installation_can_be_stopped(without: set[str], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    bar = bar_with(monkeypatch, qtbot, "import time; print('Downloading', flush=True); time.sleep(600)")
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Downloading" in bar.text.text(), timeout=20000)
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    assert "torch, lightning" in bar.text.text()
    assert not bar.busy.isVisible()


def test_a_program_that_can_take_nothing_in_says_what_can(
    without: set[str], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    bar = InstallBar()
    qtbot.addWidget(bar)
    assert bar.button.isHidden()
    assert 'pip install "cadviewer[train]"' in bar.text.text()


def test_the_installer_is_uv_beside_this_python_or_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing.shutil, "which", lambda name, path=None: None)
    assert (installing.installer() or [])[:3] == [sys.executable, "-m", "pip"]
    monkeypatch.setattr(installing.shutil, "which", lambda name, path=None: "/x/uv" if path else None)
    assert installing.installer() == ["/x/uv", "pip", "install", "--python", sys.executable]
