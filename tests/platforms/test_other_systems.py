"""What differs on Windows and macOS, as far as Linux can pretend to be one of them; see docs/platforms.md.

Code that asks for the system when it is imported is imported in a process of its own that says it is another one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QWidget

from cadviewer import __main__ as program
from cadviewer import atomic, frozen
from cadviewer.gui.review.saving import proposed
from cadviewer.gui.training import run as training_run
from cadviewer.gui.widgets import actions, shortcuts
from cadviewer.inference import life, worker_process
from cadviewer.models import card_check

ROOT = Path(__file__).resolve().parents[2]

AS_WINDOWS = """
import importlib, io, os, pkgutil, sys, types
import multiprocessing.connection, multiprocessing.shared_memory, subprocess, tempfile, zipfile, asyncio, ctypes.util
import cv2, contourpy, imagecodecs, jsonschema, numpy, platformdirs, psutil, pydicom, pyqtgraph, safetensors, SimpleITK
import pydicom.pixels, scipy.interpolate, scipy.ndimage, scipy.optimize, scipy.spatial, scipy.special
from PySide6 import QtCore, QtGui, QtSvg, QtWidgets
sys.platform = "win32"
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("O_CLOEXEC", "nice", "getuid", "sched_getaffinity", "statvfs", "posix_fallocate", "readv", "sysconf"):
    if hasattr(os, name):
        delattr(os, name)
os.O_BINARY = 0
held = set()
def locking(descriptor, mode, count):
    key = os.fstat(descriptor).st_ino
    if key in held:
        raise OSError("in use")
    held.add(key)
sys.modules["msvcrt"] = types.SimpleNamespace(setmode=lambda *_: 0, locking=locking, LK_NBLCK=2)
for name in ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP"):
    setattr(subprocess, name, 0)
# end of pretence
"""
"""The beginning of a program that believes that it is on Windows; libraries were imported before that."""


def as_windows(program: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a program that believes that it is on Windows."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-c", AS_WINDOWS + textwrap.dedent(program)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500, **more)


def test_every_module_of_the_window_can_be_imported_on_windows() -> None:
    done = as_windows("""
        import cadviewer
        torch = ("cadviewer.models.nets", "cadviewer.inference.worker", "cadviewer.models.openvino")
        failed = []
        for found in pkgutil.walk_packages(cadviewer.__path__, "cadviewer."):
            if found.name.endswith("__main__") or found.name == torch[1] or found.name.startswith((torch[0], torch[2])):
                continue
            try:
                importlib.import_module(found.name)
            except Exception as error:
                failed.append((found.name, repr(error)))
        print(failed)
    """)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_a_file_that_a_virus_scanner_holds_for_a_moment_is_replaced_all_the_same(tmp_path: Path) -> None:
    done = as_windows(f"""
        from cadviewer import atomic
        real, tries = os.replace, []
        def held_twice(source, target):
            tries.append(target)
            if len(tries) < 3:
                raise PermissionError(13, "in use")
            real(source, target)
        os.replace = held_twice
        path = __import__("pathlib").Path({str(tmp_path)!r}) / "a.txt"
        atomic.write_text(path, "whole")
        print(len(tries), path.read_text(), len(list(path.parent.iterdir())))
        os.replace = lambda *_: (_ for _ in ()).throw(PermissionError(13, "in use"))
        try:
            atomic.write_text(path, "other")
        except PermissionError:
            print(path.read_text(), len(list(path.parent.iterdir())))
    """)
    assert done.stdout.split() == ["3", "whole", "1", "whole", "1"], done.stderr


def test_a_lock_of_windows_is_held_by_one_alone(tmp_path: Path) -> None:
    done = as_windows(f"""
        from cadviewer import atomic
        path = __import__("pathlib").Path({str(tmp_path)!r}) / "a.lock"
        with atomic.locked(path):
            try:
                with atomic.locked(path, wait=0):
                    print("twice")
            except atomic.LockedError:
                print("once")
    """)
    assert done.stdout == "once\n", done.stderr


@pytest.mark.parametrize(
    ("target", "argument", "said"), [("builtins:len", "four", "4"), ("time:sleep", 60, "reading it takes too long")]
)
def test_the_reading_process_keeps_its_time_without_signals(target: str, argument: object, said: str) -> None:
    done = as_windows(f"""
        from cadviewer.imaging import contained
        import cadviewer.paths as paths, tempfile
        script = tempfile.NamedTemporaryFile("w", suffix=".py", delete=False)
        script.write(open("/proc/self/cmdline").read().split(chr(0))[2].split("# end of pretence")[0])
        script.write("import cadviewer.imaging.reading_process as r\\nr.main()\\n")
        script.close()
        paths.program = lambda: [sys.executable, script.name]
        contained.SECONDS = 0.3
        try:
            print(contained.call({target!r}, {argument!r}))
        except contained.InputError as error:
            print(error)
        os.unlink(script.name)
    """)
    assert said in done.stdout, done.stderr


def test_shared_pixels_need_nothing_that_windows_lacks() -> None:
    done = as_windows("""
        from cadviewer.inference import shared
        assert not hasattr(shared, "fcntl")
        shared.remove_abandoned = lambda folder: None  # it would find what other processes of this machine hold
        with shared.SharedPixels() as pixels:
            array = pixels.allocate((3, 4), numpy.dtype("int16"))
            array[:] = 7
            with shared.attach(pixels.handle) as seen:
                print(int(seen.sum()), pixels.handle.mapped)
            del seen, array
        shared._segment = lambda size: None
        with shared.SharedPixels() as pixels:
            array = pixels.allocate((3, 4), numpy.dtype("int16"))
            array[:] = 8
            with shared.attach(pixels.handle) as seen:
                print(int(seen.sum()), pixels.handle.mapped)
            del seen, array
            name = pixels.handle.name
        print(os.path.exists(name))
    """)
    assert done.stdout.split() == ["84", "False", "96", "True", "False"], done.stderr


def test_a_trainer_on_windows_outlives_the_window_and_opens_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x8000000, raising=False)
    assert training_run._detached() == {"creationflags": 0x8000200}


def test_the_worker_asks_windows_for_a_low_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    asked: list[tuple[int, int]] = []
    kernel = types.SimpleNamespace(
        GetCurrentProcess=lambda: -1, SetPriorityClass=lambda process, kind: asked.append((process, kind))
    )
    monkeypatch.setattr(ctypes, "windll", types.SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    worker_process._lower_priority()
    assert asked == [(-1, 0x4000)]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0xC0000005, "crashed (0xC0000005)"),  # STATUS_ACCESS_VIOLATION
        (-signal.SIGSEGV, "crashed (SIGSEGV)"),
        (1, "ended by itself (status 1)"),
    ],
)
def test_how_a_worker_ended_is_said_in_the_words_of_its_system(status: int, said: str) -> None:
    process: Any = types.SimpleNamespace(exitcode=status)
    assert said in str(life.Life(process, None, None).why_gone())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["CON", "nul", "aux.v2", "COM1", "lpt9.x", "ends.", "a:b", "a/b", "ä", ""])
def test_a_model_gets_no_name_that_a_system_cannot_keep(name: str) -> None:
    assert not card_check.is_name(name)


@pytest.mark.parametrize("name", ["console", "own-nodules-2026-01-31", "COM10", "auxiliary.v2", "x" * 60])
def test_other_names_are_free(name: str) -> None:
    assert card_check.is_name(name)


def test_the_name_proposed_for_a_saved_reading_is_one_on_every_system() -> None:
    for day, number in (("20260131", 7), ("20260131", None), ("31/01/2026", 7), ("", None)):
        series: Any = types.SimpleNamespace(study_date=day, series_number=number, case_id="0123456789abcdef")
        name = f"{proposed(series)}.json"
        assert not set(name) & set('<>:"/\\|?*')
        assert len(name) < 40


def test_a_name_as_long_as_a_system_allows_can_be_written(tmp_path: Path) -> None:
    for letter in ("a", "ä", "語"):
        path = tmp_path / (letter * (251 // len(letter.encode())) + ".txt")
        atomic.write_text(path, "whole")
        assert path.read_text() == "whole"


def test_what_the_frozen_program_starts_finds_its_own_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"LD_LIBRARY_PATH": "/ours", "LD_LIBRARY_PATH_ORIG": "/theirs", "QT_PLUGIN_PATH": "/ours", "A": "1"}
    kept = dict(environment)
    frozen.give_back_environment(environment)
    assert environment == kept  # not frozen: the user's own
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    frozen.give_back_environment(environment)
    assert environment == {"LD_LIBRARY_PATH": "/theirs", "A": "1"}


def test_a_program_without_trainers_says_where_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trainers", None)
    monkeypatch.delitem(sys.modules, "trainers.__main__", raising=False)
    assert program.main(["--train", "inspect", "--json"]) == 2
    assert capsys.readouterr().err.startswith("cadviewer-train: the installed program brings no trainers")


def test_files_that_macos_hands_over_are_opened_before_and_after_the_window_is_there() -> None:
    program = """
    from pathlib import Path
    from PySide6.QtCore import QCoreApplication
    from PySide6.QtGui import QFileOpenEvent
    from cadviewer.gui.shell.application import Application
    app, opened = Application(["x"]), []
    QCoreApplication.sendEvent(app, QFileOpenEvent("/Users/jörg/a.dcm"))
    app.open_with(opened.append)
    QCoreApplication.sendEvent(app, QFileOpenEvent("/b"))
    print(opened == [[Path("/Users/jörg/a.dcm")], [Path("/b")]])
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_types_hold_on_other_systems(platform: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--platform", platform, "--cache-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_macos_puts_into_its_own_menu_what_belongs_there_and_nothing_else(qapp: QApplication) -> None:
    """By their words "About the model" and "Settings" in German would be taken for others."""
    parent = QWidget()
    made = actions.Actions(parent, {spec.name: lambda: None for spec in actions.SPECS}, {})
    roles = {spec.name: made[spec.name].menuRole() for spec in actions.SPECS}
    own = {name: role for name, role in roles.items() if role is not QAction.MenuRole.NoRole}
    assert own == actions.ROLES
    assert own["about"] is QAction.MenuRole.AboutRole


def test_keys_that_macos_keeps_for_itself_are_others_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shortcuts.usual(("Ctrl+Tab", "N")) == ("Ctrl+Tab", "N")
    monkeypatch.setattr(sys, "platform", "darwin")
    table = [replace(spec, keys=shortcuts.usual(spec.keys)) for spec in actions.SPECS]
    keys = shortcuts.resolve(table, {})
    assert keys.taken == ()
    used = {key for of in keys.of.values() for key in of}
    system = {"Ctrl+Tab", "Ctrl+H", "Ctrl+M", "Ctrl+Space", "F11", "Meta+Up", "Meta+Down", "Meta+Left", "Meta+Right"}
    assert not used & system
    assert keys.of["next_view"] == ("Meta+Tab",)
