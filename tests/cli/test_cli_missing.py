"""What is no file and no command is said, where the window would open on nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cadviewer import cli
from cadviewer.cli import WindowArgs


def program(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The whole program with no display: where it opens its window after all it says another thing, and 1."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {k: v for k, v in os.environ.items() if k not in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-m", "cadviewer", *words],
        cwd=folder,
        env=environment | {"PYTHONPATH": root, "CADVIEWER_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model",), "there is no command and no file 'model'; did you mean `cadviewer models`?"),
        (("model", "show", "ssd"), "did you mean `cadviewer models`?"),
        (("anotate", "scans"), "did you mean `cadviewer annotate`?"),
        (("Models",), "did you mean `cadviewer models`?"),
        (("train",), "did you mean `cadviewer-train`?"),
        (("scan.dcm",), "scan.dcm: no such file or folder"),
    ],
)
def test_a_mistyped_command_and_a_missing_file_end_with_2(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = program(*words, folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_what_is_there_is_opened_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert cli.missing(WindowArgs((tmp_path / "model",))) == ""
    assert cli.missing(WindowArgs((tmp_path / "model", tmp_path / "gone"))) == ""  # the window says it of the other
    assert cli.missing(WindowArgs()) == ""
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert cli.missing(WindowArgs((tmp_path / "dangling",))) == ""
    assert "no display" in program("model", folder=tmp_path).stderr
