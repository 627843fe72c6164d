"""The window's composition root: settings, engine, window, and what the command line asks of them."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import cadviewer
from cadviewer import background, frozen, paths

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from cadviewer.gui.shell.main_window import MainWindow
    from cadviewer.gui.shell.start_window import StartWindow
    from cadviewer.settings import Settings

log = logging.getLogger("cadviewer")

WORKER = "cadviewer.inference.worker"
"""Module of the worker process; CADVIEWER_WORKER names another, for tests of the whole program without torch."""

SWITCH = 0.001
"""Seconds after which a thread that reads lets the window's go on: Python's own 0.005 are a third of a frame, and
a frame waits more than once."""


@dataclass(frozen=True)
class Opening:
    """What the command line asks of the window.

    paths: files and folders to open. screenshot: save a picture there and quit; size: (width, height) of the window;
    demo: open the built-in demo study. device: "auto", "cpu" or "cuda[:N]", None for what the settings say.
    """

    paths: tuple[Path, ...] = ()
    screenshot: Path | None = None
    size: tuple[int, int] | None = None
    demo: bool = False
    device: str | None = None


def run(args: Opening = Opening()) -> int:
    """Open the window and wait until it is closed; returns the exit status."""
    if not _has_display():
        if args.screenshot is None:
            return _say("there is no display; use --screenshot OUT.png, or cadviewer annotate", 1)
        os.environ["QT_QPA_PLATFORM"] = "offscreen"

    from PySide6.QtWidgets import QApplication

    from cadviewer.gui.settings.preferences import Preferences
    from cadviewer.gui.shell.application import Application
    from cadviewer.settings import Settings

    preferences = Preferences()
    if preferences.now.scale != Settings.scale:
        os.environ.setdefault(
            "QT_SCALE_FACTOR", f"{preferences.now.scale:g}"
        )  # Qt looks at it once, before its application
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else Application([sys.argv[0]])
    frozen.give_back_environment()
    app.setApplicationName("cadviewer")
    app.setApplicationVersion(cadviewer.__version__)
    app.setDesktopFileName("cadviewer")
    first_sign = _first_sign(app, preferences.now) if args.screenshot is None else None

    # While that is seen: what the real window needs takes several times as long
    from cadviewer.gui.engine.bridge import Bridge
    from cadviewer.gui.shell.main_window import MainWindow
    from cadviewer.gui.widgets import style
    from cadviewer.inference.engine import Engine

    _log_to_file()
    sys.excepthook = _unexpected
    background.catch_all()
    sys.setswitchinterval(SWITCH)
    speak(app, preferences.now.language)
    style.apply(app, preferences.now.theme)
    bridge = Bridge()
    engine = Engine(
        bridge.take, device=args.device or preferences.now.device, worker=os.environ.get("CADVIEWER_WORKER", WORKER)
    )
    window = MainWindow(engine, bridge, preferences)
    status = _Status()
    if first_sign is not None:
        window.first_frame.connect(first_sign.close)
    _start(args, app, window, status)
    try:
        app.exec()
    finally:
        window.shut()
        engine.close()
        window.cases.close()
    return status.value if not status.message else _say(status.message, status.value)


def _first_sign(app: QApplication, settings: Settings) -> StartWindow:
    """An empty window at once."""
    from cadviewer.gui.shell.start_window import StartWindow

    window = StartWindow(app, settings.theme, settings.window_geometry)
    window.show_now()
    return window


def speak(app: QApplication, language: str) -> str:
    """Use a language in the window and in what Qt itself says; "" for the system's. Returns the code of the one used.

    Numbers keep the decimal point, whatever the language and the system (see `gui.i18n.language`).
    """
    from PySide6.QtCore import QLibraryInfo, QLocale, QTranslator

    from cadviewer.gui.i18n import language as lang

    spoken = lang.use(language or next(iter(QLocale.system().uiLanguages()), lang.ENGLISH))
    for old in app.findChildren(QTranslator):
        app.removeTranslator(old)
        old.deleteLater()
    if spoken != lang.ENGLISH:
        translator = QTranslator(app)
        if translator.load(f"qtbase_{spoken}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
            app.installTranslator(translator)
    QLocale.setDefault(QLocale.c())
    return spoken


class _Status:
    value = 0
    message = ""


def _start(args: Opening, app: QApplication, window: MainWindow, status: _Status) -> None:
    from PySide6.QtCore import QSize, QTimer

    from cadviewer.gui.shell.application import Application
    from cadviewer.gui.widgets.notifications import Notification

    def done(value: int, message: str) -> None:
        status.value, status.message = value, message
        app.quit()

    opening = bool(args.paths) or args.demo
    size = QSize(*args.size) if args.size else None
    if args.screenshot is not None:
        from cadviewer.gui.shell.screenshot import Screenshot

        Screenshot(window, args.screenshot, size, opening, done)
    elif size is not None:
        window.resize(size)
    elif not window.preferences.now.window_geometry:
        window.fit_screen()
    for problem in window.preferences.problems:
        window.workspace.notifications.say(Notification("settings", problem))
    # The worker costs seconds of a core: it starts when the window is there.
    window.first_frame.connect(lambda: QTimer.singleShot(0, lambda: _start_engine(window)))
    window.show()
    if args.paths:
        window.open_paths(args.paths)
    elif args.demo:
        window.case_actions.open_demo()
    if isinstance(app, Application):
        app.open_with(window.open_paths)
    _let_signals_in(app)


def _start_engine(window: MainWindow) -> None:
    """Start the worker and have it load the models that a case would use, so that the first one begins at once.

    Likewise the process that reads pictures and volumes. And remove what a killed viewer left behind.
    """
    from cadviewer.findings import Task
    from cadviewer.imaging import archives, contained
    from cadviewer.models import catalogue

    archives.remove_abandoned_later()
    contained.prepare()
    window.engine.start()
    for task in Task:
        with contextlib.suppress(catalogue.CardError):  # the case that needs it will say so
            window.engine.warm(window.analysis.usual(task).model or catalogue.default(task).name)


def _has_display() -> bool:
    """Whether a window can be shown: a platform was chosen, or this is no X11/Wayland system, or it has a display."""
    if os.environ.get("QT_QPA_PLATFORM") or not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _let_signals_in(app: QApplication) -> None:
    """Ctrl+C in the terminal ends the window in order. Qt's loop must come back to Python for that now and then."""
    from PySide6.QtCore import QTimer

    def quit_(number: int, frame: FrameType | None) -> None:
        app.quit()

    signal.signal(signal.SIGINT, quit_)
    signal.signal(signal.SIGTERM, quit_)
    timer = QTimer(app, interval=300)
    timer.timeout.connect(lambda: None)
    timer.start()


def _log_to_file() -> None:
    """Warnings of the program itself, in the user's data folder. No message of this program carries patient data."""
    try:
        folder = paths.user_data() / "log"
        folder.mkdir(parents=True, exist_ok=True)
        log_file = folder / "window.log"
        handler = RotatingFileHandler(log_file, maxBytes=1 << 20, backupCount=2, encoding="utf-8", delay=True)
    except OSError:
        return  # a read-only home must not keep anybody from looking at images
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log.addHandler(handler)


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error nobody foresaw: where it was goes to the log, what it said does not, since that may name a patient."""
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(traceback.extract_tb(trace)))
    log.error("unexpected %s at %s", kind.__name__, places)
    if sys.stderr is not None and os.environ.get("CADVIEWER_DEBUG"):
        traceback.print_exception(kind, error, trace)
    elif sys.stderr is not None:
        sys.stderr.write(f"cadviewer: unexpected {kind.__name__} at {places}\n")


def _say(message: str, status: int) -> int:
    """A line for the user. A windowed start on Windows has nowhere to say it."""
    if sys.stderr is not None:
        sys.stderr.write(f"cadviewer: {message}\n")
    return status
