"""What training needs and is not installed: it is said, with its size, and installed from here where that can be done.

The viewer comes without PyTorch and the trainers' libraries. Which they are is what the package itself declares for
its extra `train`. They go into the Python that runs this program, by uv or pip, in a process that can be stopped:
both download everything first, so that one that was stopped has changed nothing.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

from PySide6.QtCore import QProcess, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from cadviewer.gui.i18n.language import tr

EXTRAS = ("cuda", "train")
COMMAND = 'pip install "cadviewer[train]"'
SIZES = {"linux": (3.0, 5.5)}
"""GB to download and on the disk, by system: on Linux with CUDA."""
USUAL_SIZES = (0.4, 1.6)


def missing() -> list[str]:
    """Requirements of the trainers that are not installed ("torch>=2.6"); [] where nobody declares them."""
    try:
        declared = metadata.requires("cadviewer") or []
    except metadata.PackageNotFoundError:
        return []
    wanted = [
        line.partition(";")[0].strip()
        for line in declared
        if any(re.search(rf"extra\s*==\s*['\"]{extra}['\"]", line) for extra in EXTRAS)
    ]
    named = {_name(w): w for w in wanted}  # an extra that takes in another repeats what that one declares
    return [w for name, w in named.items() if name != "cadviewer" and not _installed(name)]


def _name(requirement: str) -> str:
    return re.split(r"[\s<>=!;\[~(]", requirement, maxsplit=1)[0]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def installer() -> list[str] | None:
    """The command before the names of what is to be installed; None where this Python can take nothing in."""
    if getattr(sys, "frozen", False):
        return None
    beside = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if beside is not None:
        return [beside, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    return None


class InstallBar(QWidget):
    """Says what is missing, and installs it; hidden where nothing is."""

    done = Signal()
    """Everything is there now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self.text = QLabel(wordWrap=True)
        self.busy = QProgressBar(maximum=0, textVisible=False)
        self.busy.hide()
        self.button = QPushButton()
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self._pressed)
        column = QVBoxLayout()
        column.addWidget(self.text)
        column.addWidget(self.busy)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addLayout(column, 1)
        row.addWidget(self.button)
        self.look()

    def look(self) -> bool:
        """Look what is missing and say it; True where nothing is."""
        wanted = missing()
        self.setVisible(bool(wanted))
        if not wanted:
            return True
        download, disk = SIZES.get(sys.platform, USUAL_SIZES)
        names = ", ".join(map(_name, wanted))
        self.text.setText(
            tr(
                "Training needs libraries that are not installed: {names}. They are about {download:.1f} GB to "
                "download and {disk:.1f} GB on the disk.",
                names=names,
                download=download,
                disk=disk,
            )
        )
        self.button.setText(tr("Install"))
        if installer() is None:
            self.button.hide()
            told = tr("This program cannot take them in; a Python of its own can: {command}", command=COMMAND)
            self.text.setText(self.text.text() + " " + told)
        return False

    def _pressed(self) -> None:
        if self._process is not None:
            self.cancel()
            return
        command = installer()
        if command is None:
            return
        process = QProcess(self)
        self._process = process
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.readyRead.connect(self._said)
        process.finished.connect(self._ended)
        process.errorOccurred.connect(self._ended)
        process.start(command[0], [*command[1:], *missing()])
        self.text.setText(tr("Installing: {step}", step=tr("looking for what is needed")))
        self.busy.show()
        self.button.setText(tr("Stop"))

    def cancel(self) -> None:
        """Stop installing; what was downloaded is kept by the installer, and nothing is installed."""
        process, self._process = self._process, None
        if process is not None:
            process.disconnect(self)
            process.kill()
            process.waitForFinished(2000)
            process.deleteLater()
            self.busy.hide()
            self.look()

    def _said(self) -> None:
        assert self._process is not None
        lines = bytes(self._process.readAll().data()).decode("utf-8", "replace").split("\n")
        step = next((line.strip() for line in reversed(lines) if line.strip()), "")
        if step:
            self.text.setText(tr("Installing: {step}", step=step[:120]))

    def _ended(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        reason = self.text.text() if process.exitCode() else process.errorString()
        process.deleteLater()
        self.busy.hide()
        if self.look():
            self.done.emit()
        else:
            failed = tr("Nothing was installed: {reason}", reason=reason)
            self.text.setText(f"{failed} {tr('The command: {command}', command=COMMAND)}")
