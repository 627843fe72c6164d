"""Work beside the window's thread: one helper, so that no error in any thread passes unseen.

What a step does not catch itself is logged (its kind and place; a message may quote a patient) and told to `on_error`
and to whoever `listen`s: the window shows it. `catch_all` does the same for threads that were begun without it.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

log = logging.getLogger("cadviewer.background")

Listener = Callable[[str, str], None]
"""Called with the name of the work and one line on the error, on the thread where it happened."""

_listeners: list[Listener] = []


class Background:
    """A thread that does one step after another, in the order in which they were given."""

    def __init__(self, name: str, on_error: Callable[[str], None] | None = None) -> None:
        """name: of the thread, for the log. on_error: given the line instead of the listeners."""
        self._name, self._on_error = name, on_error
        self._pool = ThreadPoolExecutor(1, name)

    def do(self, step: Callable[..., object], *arguments: Any) -> None:
        """Have a step done. Raises RuntimeError after `close`."""
        self._pool.submit(self._step, step, arguments)

    def settle(self, seconds: float) -> None:
        """Wait until what was given so far is done. Raises TimeoutError when it is not by then."""
        self._pool.submit(lambda: None).result(seconds)

    def close(self, *, drop: bool = False, wait: bool = True) -> None:
        """Wait until all is done. drop: what is not begun is not; wait: also for the step at hand."""
        self._pool.shutdown(wait=wait, cancel_futures=drop)

    def _step(self, step: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - what is not told here, nobody ever asks for
            _tell(self._name, error, self._on_error)


def start(name: str, step: Callable[..., object], *arguments: Any, daemon: bool = True) -> threading.Thread:
    """A thread for one step. daemon: the program does not wait for it at its end."""

    def run() -> None:
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - as above
            _tell(name, error, None)

    thread = threading.Thread(target=run, name=name, daemon=daemon)
    thread.start()
    return thread


def listen(listener: Listener) -> Callable[[], None]:
    """Tell errors to a listener too; returns what ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener) if listener in _listeners else None


def catch_all() -> None:
    """Log and tell what ends any other thread of this process."""
    threading.excepthook = _hook


def _hook(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        _tell(args.thread.name if args.thread is not None else "a thread", args.exc_value, None)


def _tell(name: str, error: BaseException, on_error: Callable[[str], None] | None) -> None:
    log_where(error, f"in {name}: ")
    said = describe(error)
    if on_error is not None:
        return on_error(said)
    for listener in tuple(_listeners):
        listener(name, said)
    return None


def describe(error: BaseException) -> str:
    """Type and place of an unexpected error. Not its message, which may quote a value of the input."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    return f"unexpected {type(error).__name__}{place}"


def log_where(error: BaseException, where: str = "", to: logging.Logger = log) -> None:
    """The stack of an error, without messages and values."""
    frames = traceback.extract_tb(error.__traceback__)
    stack = "\n".join(f"  {f.filename}:{f.lineno} in {f.name}" for f in frames)
    to.error("%s%s\n%s", where, type(error).__name__, stack)
