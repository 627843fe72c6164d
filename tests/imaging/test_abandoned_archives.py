"""What killed processes unpacked: removed by the next start, and nothing else is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace

import pytest

from cadviewer import app
from cadviewer.cli import main
from cadviewer.imaging import archives

UNPACK = """
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from cadviewer.imaging import archives
print(next(iter(archives.unpack(Path(sys.argv[1])))).parents[1], flush=True)
input()
"""
TWO_HOURS = 7200.0


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, of this process and of those that it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def unpacking(temporary: Path, tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], Path]]]:
    """Starts a process that unpacks an archive and waits; the process and its folder."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("sub/x.txt", "a text")
    begun: list[subprocess.Popen[str]] = []

    def begin() -> tuple[subprocess.Popen[str], Path]:
        child = subprocess.Popen(
            [sys.executable, "-c", UNPACK, str(tmp_path / "a.zip")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        begun.append(child)
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        assert folder.parent == temporary
        return child, folder

    yield begin
    for child in begun:
        child.kill()
        child.communicate()


def _age(folder: Path, seconds: float = TWO_HOURS) -> None:
    then = time.time() - seconds
    os.utime(folder, (then, then))


def test_what_a_killed_process_unpacked_is_removed_and_what_a_living_one_did_is_kept(
    unpacking: Callable[[], tuple[subprocess.Popen[str], Path]],
) -> None:
    dead, abandoned = unpacking()
    _, used = unpacking()
    dead.kill()
    dead.wait()
    assert abandoned.is_dir()
    archives.remove_abandoned()
    assert not abandoned.exists()
    assert len(list(used.rglob("*.txt"))) == 1


def test_a_killed_process_leaves_no_name_of_the_archive(
    unpacking: Callable[[], tuple[subprocess.Popen[str], Path]],
) -> None:
    dead, abandoned = unpacking()
    dead.kill()
    dead.wait()
    left = sorted(p.relative_to(abandoned).as_posix() for p in abandoned.rglob("*"))
    assert left == ["00001", "00001/000000.txt", "in-use"]


def test_a_folder_that_another_start_takes_away_is_made_again(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, taken = archives.atomic.locked, 0

    def locked(path: Path, **how: float) -> AbstractContextManager[None]:
        nonlocal taken
        taken += 1
        held = real(path, **how)
        if taken == 1:
            return _gone(held, path)
        return held

    monkeypatch.setattr(archives.atomic, "locked", locked)
    folder = archives._folder()
    assert taken == 2
    assert list(temporary.iterdir()) == [folder]
    assert (folder / "in-use").exists()


@contextlib.contextmanager
def _gone(held: AbstractContextManager[None], path: Path) -> Iterator[None]:
    with held:
        path.unlink()
        yield


def test_a_process_that_ends_by_itself_leaves_nothing(
    unpacking: Callable[[], tuple[subprocess.Popen[str], Path]], temporary: Path
) -> None:
    child, folder = unpacking()
    assert folder.is_dir()
    child.communicate("\n")
    assert child.returncode == 0
    assert list(temporary.iterdir()) == []


def test_only_old_folders_of_its_own_are_removed(temporary: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "images"
    elsewhere.mkdir()
    (elsewhere / "x").touch()
    (temporary / "cadviewer-zip-link").symlink_to(elsewhere, target_is_directory=True)
    (temporary / "cadviewer-zip-file").touch()
    for name in ("cadviewer-zip-young", "cadviewer-zip-old", "somebody-else"):
        (temporary / name).mkdir()
    for old in ("cadviewer-zip-file", "cadviewer-zip-old", "somebody-else"):
        _age(temporary / old)
    _age(temporary / "cadviewer-zip-young", 1800)
    archives.remove_abandoned()
    left = sorted(p.name for p in temporary.iterdir())
    assert left == ["cadviewer-zip-file", "cadviewer-zip-link", "cadviewer-zip-young", "somebody-else"]
    assert (elsewhere / "x").exists()


def test_annotate_removes_them_at_its_start(temporary: Path, tmp_path: Path) -> None:
    (temporary / "cadviewer-zip-old").mkdir()
    _age(temporary / "cadviewer-zip-old")
    (tmp_path / "in").mkdir()
    main(["annotate", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    end = time.monotonic() + 10
    while (temporary / "cadviewer-zip-old").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not (temporary / "cadviewer-zip-old").exists()


def test_the_window_removes_them_once_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    window = SimpleNamespace(
        engine=SimpleNamespace(start=lambda: done.append("engine"), warm=lambda model: None),
        analysis=SimpleNamespace(usual=lambda task: SimpleNamespace(model="any")),
    )
    monkeypatch.setattr(archives, "remove_abandoned_later", lambda: done.append("archives"))
    app._start_engine(window)  # type: ignore[arg-type]
    assert done == ["archives", "engine"]
