"""Asking another process for what may crash, hang or eat the memory of the one it runs in.

Native parsers (ITK, OpenCV, the codecs) and unusual headers are read in a small process of their own
(`imaging.reading_process`): a file that ends it has failed, and nothing else has. Plain pixels need none of this and
are read where they are wanted. A process is started when the first such file comes, is used again for the next, and
ends after some minutes without one; as many run as threads ask at a time.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cadviewer import paths
from cadviewer.imaging.reading_process import IDLE_SECONDS, Answer, Request, receive, send
from cadviewer.imaging.series import InputError
from cadviewer.messages import Message

ROLE = "--reader"
SECONDS = 3.0
"""Processor time that reading a small file may take; more is given for more bytes."""
BYTES_A_SECOND = 10_000_000
"""The slowest that any decoder is expected to be."""
MEMORY = 2 << 30
"""Bytes that reading a small file may take."""
_MAY_STAY = 32 << 20  # bytes that may stay in an idle process until its next request


def call(target: str, *arguments: Any, size: int = 0) -> Any:
    """What `target`, "package.module:function", returns for these arguments, computed in another process.

    size: bytes that have to be gone through, for the limits of time and memory.
    Raises InputError when the function does, when it raises anything unexpected, and when the file ends the process or
    takes too long; OSError when the file cannot be opened.
    """
    with _borrowed() as process:
        return process.ask(_request(target, arguments, size))


def prepare() -> None:
    """Start a process ahead of the first file that needs one: that takes a quarter of a second. Waits for nothing."""
    with contextlib.suppress(InputError):  # said when it is needed
        _give(_take())


class Opened:
    """Something that stays in the other process, to be asked several times. Its methods raise as `call` does."""

    def __init__(self, process: _Process, size: int) -> None:
        self._process, self._size = process, size

    def ask(self, method: str, *arguments: Any) -> Any:
        """What a method of it returns."""
        return self._process.ask(_request(method, arguments, self._size, kept=True))


@contextlib.contextmanager
def opened(target: str, *arguments: Any, size: int = 0) -> Iterator[Opened]:
    """What `target` returns, kept in the other process during the block. Raises as `call` does."""
    with _borrowed() as process:
        process.ask(_request(target, arguments, size, keep=True))
        try:
            yield Opened(process, size)
        finally:
            if size > _MAY_STAY:
                process.let_go()


def _request(target: str, arguments: tuple[Any, ...], size: int, *, keep: bool = False, kept: bool = False) -> Request:
    seconds = SECONDS + size / BYTES_A_SECOND
    return Request(target, arguments, keep, kept, seconds, MEMORY + 4 * size, os.getcwd())


# ------------------------------------------------------------------------------------------------------ the processes

if sys.platform == "win32":
    _LATE = frozenset({1})
else:
    _LATE = frozenset({-signal.SIGXCPU, -signal.SIGALRM})
"""Exit status of a process that its limits of time ended."""


@dataclass(eq=False)
class _Process:
    """One running process; used by one thread at a time."""

    popen: subprocess.Popen[bytes]
    last_used: float = field(default_factory=time.monotonic)

    def ask(self, request: Request) -> Any:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        try:
            send(self.popen.stdin.fileno(), request)
            answer: Answer = receive(self.popen.stdout.fileno())
        except (EOFError, OSError) as error:
            raise InputError(self._how_it_ended()) from error
        self.last_used = time.monotonic()
        if answer.fault is not None:
            raise answer.fault
        return answer.value

    def let_go(self) -> None:
        """Forget what was kept: it may be large."""
        with contextlib.suppress(InputError):  # it has ended
            self.ask(Request("builtins:int"))

    def usable(self) -> bool:
        return self.popen.poll() is None and time.monotonic() - self.last_used < IDLE_SECONDS / 2

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()

    def _how_it_ended(self) -> str:
        try:
            status = self.popen.wait(5)
        except subprocess.TimeoutExpired:
            status = 0
        if status in _LATE:
            return Message("damaged, or made to harm: reading it takes too long")
        with contextlib.suppress(ValueError):
            if status < 0:
                return Message("damaged: it crashes its decoder ({name})", name=signal.Signals(-status).name)
        return Message("damaged: it crashes its decoder")


_lock = threading.Lock()
_idle: list[_Process] = []
_all: set[_Process] = set()


@contextlib.contextmanager
def _borrowed() -> Iterator[_Process]:
    process = _take()
    try:
        yield process
    finally:
        _give(process)


def _take() -> _Process:
    with _lock:
        old = [p for p in _idle if not p.usable()]
        _idle[:] = [p for p in _idle if p not in old]
        _all.difference_update(old)
        process = _idle.pop() if _idle else None
    for each in old:
        each.end()
    return process or _start()


def _start() -> _Process:
    source = os.pathsep.join(p for p in sys.path if p)
    # `-m` would look for modules in the folder where the program was started, which may be that of the images.
    safe = {"PYTHONPATH": source, "PYTHONSAFEPATH": "1"}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # their stacks would count as memory
    try:
        popen = subprocess.Popen(
            [*paths.program(), ROLE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, **threads, **safe},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise InputError(
            Message("the process that reads it cannot be started: {strerror}", strerror=error.strerror)
        ) from error
    process = _Process(popen)
    with _lock:
        _all.add(process)
    return process


def _give(process: _Process) -> None:
    if process.popen.poll() is None:
        with _lock:
            _idle.append(process)
    else:
        with _lock:
            _all.discard(process)
        process.end()


@atexit.register
def end_all() -> None:
    """End every process, those at work too."""
    with _lock:
        processes = list(_all)
        _idle.clear()
        _all.clear()
    for process in processes:
        process.end()


def _forget() -> None:
    """In a forked child: the processes are its parent's."""
    global _lock
    _lock = threading.Lock()
    _idle.clear()
    _all.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
