"""What is wrong with a run's settings or its checkpoint is said in our words, before the seconds that torch takes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = """
import sys
from trainers.__main__ import main
status = main(sys.argv[1:])
print([name for name in ("torch", "lightning") if name in sys.modules])
sys.exit(status)
"""


def train(*arguments: object) -> tuple[int, str, str]:
    """Exit status, the last line on standard error, what of the heavy libraries was imported."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)], cwd=root, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr.strip().splitlines()[-1], done.stdout.strip()


def whole(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("archive/data.pkl", bytes(5000))


def cut(path: Path) -> None:
    whole(path)
    path.write_bytes(path.read_bytes()[:3000])


def damaged(path: Path) -> None:
    whole(path)
    content = bytearray(path.read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("task", ["nodules", "outline", "breast"])
def test_settings_that_cannot_be_are_said_before_torch_is_there(tmp_path: Path, task: str) -> None:
    status, said, heavy = train(task, "--data", tmp_path, "--out", tmp_path / "out", "--set", "epochs=many")
    assert (status, heavy) == (2, "[]")
    assert said.startswith("cadviewer-train: epochs: 'many' is not int")


@pytest.mark.parametrize("make", [cut, damaged, Path.touch, Path.mkdir])
def test_a_checkpoint_that_is_none_is_said_before_torch_is_there(tmp_path: Path, make: object) -> None:
    (tmp_path / "out").mkdir()
    make(tmp_path / "out" / "last.ckpt")  # type: ignore[operator]
    status, said, heavy = train("breast", "--data", tmp_path, "--out", tmp_path / "out", "--resume")
    assert (status, heavy) == (2, "[]")
    assert "last.ckpt" in said
    assert "nothing can go on from it" in said or "to go on from" in said
