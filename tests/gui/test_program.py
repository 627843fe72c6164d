"""The real program in a process of its own, with a worker that has no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from gui_images import write_ct, write_png
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication

from cadviewer.gui.shell import screenshot

REPOSITORY = Path(__file__).resolve().parents[2]
NODULES = json.dumps([[3, 18, 14, 30, 26, 0.97], [8, 40, 10, 46, 16, 0.6]])


def _run(home: Path, *arguments: str, fake: dict[str, object] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    environment |= {
        "CADVIEWER_HOME": str(home),
        "CADVIEWER_WORKER": "fake_worker",
        "CADVIEWER_FAKE_WORKER": json.dumps({"nodules": NODULES, **(fake or {})}),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")]),
    }
    command = [sys.executable, "-m", "cadviewer", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def home() -> Path:
    """The home that holds the model cards of the tests."""
    return Path(os.environ["CADVIEWER_HOME"])


def test_without_a_display_a_picture_shows_the_best_finding(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    done = _run(home, "--screenshot", str(out), "--size", "1000x700", str(write_ct(tmp_path / "ct")))
    assert done.returncode == 0, done.stderr
    image = cv2.imread(str(out))
    assert image.shape == (700, 1000, 3)
    orange = np.abs(image.astype(int) - (58, 166, 240)).max(axis=2) < 12  # the box, its label, the list
    assert orange[100:600, 240:650].sum() > 200


def test_a_path_that_cannot_be_shown_ends_with_a_message_and_status_one(home: Path, tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("no image\n" * 30)
    done = _run(home, "--screenshot", str(tmp_path / "out.png"), str(tmp_path / "note.png"))
    assert done.returncode == 1
    assert "note.png could not be opened" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_image_that_nobody_can_tell_is_shown_and_not_analysed(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    done = _run(home, "--screenshot", str(out), str(write_png(tmp_path / "photo.png", colour=True)))
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(out)).shape == (768, 1366, 3)  # without --size, whatever the screen


def test_without_a_path_a_picture_of_the_empty_window_is_saved(home: Path, tmp_path: Path) -> None:
    done = _run(home, "--screenshot", str(tmp_path / "out.png"), "--size", "1366x768")
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "out.png")).shape == (768, 1366, 3)


def test_a_failed_analysis_is_shown_and_said(home: Path, tmp_path: Path) -> None:
    folder = str(write_ct(tmp_path / "ct"))
    done = _run(home, "--screenshot", str(tmp_path / "out.png"), folder, fake={"fail": "no luck"})
    assert done.returncode == 0
    assert "shown, but not analysed: no luck" in done.stderr


def test_a_wrong_size_is_wrong_usage(home: Path, tmp_path: Path) -> None:
    assert _run(home, "--screenshot", str(tmp_path / "out.png"), "--size", "huge").returncode == 2


def test_without_a_display_the_window_says_what_to_do_instead(home: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("other systems always have a display")
    done = _run(home)
    assert done.returncode == 1
    assert "--screenshot" in done.stderr


def test_findings_come_without_torch_in_the_windows_process(home: Path, tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "ct")
    program = f"""
import sys
from cadviewer import app
from pathlib import Path
status = app.run(app.Opening((Path({str(folder)!r}),), Path({str(tmp_path / "out.png")!r})))
assert status == 0
heavy = [m for m in ("torch", "torchvision", "timm", "lightning", "pyqtgraph") if m in sys.modules]
assert not heavy, heavy
"""
    environment = os.environ | {
        "CADVIEWER_WORKER": "fake_worker",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")]),
    }
    script = tmp_path / "program.py"
    script.write_text(f"if __name__ == '__main__':\n    exec({program!r})\n")
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


FIRST_SIZE = """
import sys
from cadviewer import app
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from cadviewer.gui.shell.main_window import MainWindow

def show(self, was=MainWindow.show):
    was(self)
    QTimer.singleShot(300, lambda: told(self))

def told(self):
    print(self.screen().availableGeometry().contains(self.frameGeometry()), self.isMaximized(), flush=True)
    QApplication.quit()

MainWindow.show = show
app.run()
"""


def test_the_first_window_is_not_larger_than_a_small_screen_and_fills_it(home: Path) -> None:
    environment = os.environ | {"CADVIEWER_HOME": str(home), "CADVIEWER_WORKER": "fake_worker"}
    environment["QT_QPA_PLATFORM"] = "offscreen"  # its screen has 800 × 800 pixels
    command = [sys.executable, "-c", FIRST_SIZE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["True", "True"], done.stderr


FIRST_FRAME = """
import sys
from cadviewer import app
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from cadviewer.gui.shell.main_window import MainWindow

def painted(self, event, was=MainWindow.paintEvent):
    print(*sorted(sys.modules), flush=True)
    was(self, event)
    QTimer.singleShot(0, QApplication.quit)

MainWindow.paintEvent = painted
app.run()
"""


FIRST_SIGN = """
import os, sys
from cadviewer import app
from cadviewer.gui.shell.start_window import StartWindow

def painted(self, event, was=StartWindow.paintEvent):
    print(*sorted(sys.modules), flush=True)
    was(self, event)
    os._exit(0)

StartWindow.paintEvent = painted
app.run()
"""


@pytest.mark.parametrize("theme", ["dark", "light", "system"])
def test_nothing_but_qt_is_imported_before_the_first_sign_of_a_start(home: Path, theme: str) -> None:
    settings = home / "config" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"theme": theme}))
    environment = os.environ | {"CADVIEWER_HOME": str(home), "CADVIEWER_WORKER": "fake_worker"}
    command = [sys.executable, "-c", FIRST_SIGN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    imported = set(done.stdout.splitlines()[0].split())
    assert not {"numpy", "cadviewer.gui.shell.main_window", "cadviewer.inference.engine"} & imported


def test_only_what_the_empty_window_needs_is_imported_before_its_first_frame(home: Path) -> None:
    environment = os.environ | {"CADVIEWER_HOME": str(home), "CADVIEWER_WORKER": "fake_worker"}
    command = [sys.executable, "-c", FIRST_FRAME]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    imported = set(done.stdout.splitlines()[0].split())
    assert {"PySide6.QtWidgets", "cadviewer.gui.shell.main_window"} <= imported
    late = {"scipy", "cv2", "torch", "pydicom", "SimpleITK", "pyqtgraph", "matplotlib", "jsonschema"}
    assert not late & imported


def test_a_picture_that_cannot_be_written_says_why(qapp: QApplication, tmp_path: Path) -> None:
    picture = QPixmap(4, 3)
    picture.fill()
    (tmp_path / "taken").touch()
    (tmp_path / "folder.png").mkdir()
    assert screenshot._write(picture, tmp_path / "new" / "picture.png") == ""
    assert cv2.imread(str(tmp_path / "new" / "picture.png")).shape == (3, 4, 3)
    assert screenshot._write(picture, tmp_path / "picture.xyz") == "no kind of picture ends in '.xyz'; .png does"
    assert screenshot._write(picture, tmp_path / "taken" / "picture.png") in ("Not a directory", "File exists")
    assert screenshot._write(picture, tmp_path / "folder.png") == "Is a directory"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.png", "new", "taken"]
