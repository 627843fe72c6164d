"""The process in which damaged files may do their worst: native parsers crash here, bombs run out of memory or time.

`imaging.contained` starts it and asks; this side answers one request after the other over two pipes until they close.
Each request has its own limits. What a request raises goes back as its answer; what ends the process is seen by the
other side, which starts another one. Nothing here knows a format: a request names the function that does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import math
import os
import pickle
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cadviewer.imaging.faults import reason_of
from cadviewer.imaging.series import InputError

if sys.platform == "win32":
    import msvcrt

IDLE_SECONDS = 300.0
"""After so long without a request the process ends by itself."""
SLOWEST = 8.0
"""Times the seconds of a request that it may last where processor time is limited too: a busy machine or a slow disk
is no fault of the file."""


@dataclass(frozen=True)
class Request:
    """What is to be done.

    target: "package.module:function"; with `keep` what it returns stays here; with `kept` the name of a method of that.
    seconds: of processor time. memory: bytes that may be taken in addition. folder: what relative paths start from.
    """

    target: str
    arguments: tuple[Any, ...] = ()
    keep: bool = False
    kept: bool = False
    seconds: float = 5.0
    memory: int = 2 << 30
    folder: str = ""


@dataclass(frozen=True)
class Answer:
    """What came of it. fault: why there is no value, an InputError or an OSError, in words that may be shown."""

    value: Any = None
    fault: Exception | None = None


def send(pipe: int, message: object) -> None:
    """Write one message. Arrays in it are not copied on their way. Raises OSError when nobody reads any more."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(body), *(b.raw() for b in buffers)]
    _write(pipe, memoryview(struct.pack(f"<I{len(parts)}Q", len(parts), *(p.nbytes for p in parts))))
    for part in parts:
        _write(pipe, part)


def receive(pipe: int) -> Any:
    """The next message. Raises EOFError when the other end has gone."""
    (count,) = struct.unpack("<I", _read(pipe, 4))
    sizes = struct.unpack(f"<{count}Q", _read(pipe, 8 * count))
    body, *buffers = [_read(pipe, size) for size in sizes]
    return pickle.loads(body, buffers=buffers)


def _write(pipe: int, data: memoryview) -> None:
    done = 0
    while done < len(data):
        done += os.write(pipe, data[done : done + (1 << 20)])


def _read(pipe: int, size: int) -> bytearray:
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        if sys.platform == "win32":
            part = os.read(pipe, min(size - done, 1 << 20))
            got = len(part)
            view[done : done + got] = part
        else:
            got = os.readv(pipe, [view[done : done + (1 << 20)]])
        if not got:
            raise EOFError
        done += got
    return data


def main() -> int:
    """The life of the process: standard input brings requests, standard output takes answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the whole group; when to end is for the parent to say
    requests, answers = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        for pipe in (requests, answers):
            msvcrt.setmode(pipe, os.O_BINARY)
    with open(os.devnull, "r+b") as nothing:  # what libraries print must not get between the answers
        for stream in (0, 1):
            os.dup2(nothing.fileno(), stream)
    _no_core()
    kept: Any = None
    with contextlib.suppress(EOFError, OSError):  # the other end has gone
        while True:
            _end_after(IDLE_SECONDS)
            request: Request = receive(requests)
            _limit(request)
            if request.folder:
                os.chdir(request.folder)
            answer, kept = _answer(request, kept)
            send(answers, answer)
            del answer
    return 0


def _answer(request: Request, kept: Any) -> tuple[Answer, Any]:
    try:
        if request.kept:
            return Answer(getattr(kept, request.target)(*request.arguments)), kept
        kept = None
        value = _function(request.target)(*request.arguments)
        return (Answer(), value) if request.keep else (Answer(value), None)
    except Exception as error:  # noqa: BLE001 - whatever a file makes a library raise is that file's reason
        return Answer(fault=_fault(error)), kept


def _fault(error: Exception) -> Exception:
    """What the other side raises."""
    if isinstance(error, InputError):
        return type(error)(str(error))
    if isinstance(error, OSError) and error.errno is not None:  # libraries raise it without a number too
        return OSError(error.errno, error.strerror or type(error).__name__)
    return InputError(reason_of(error))


def _function(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


if sys.platform == "win32":
    _nowhere = open(os.devnull, "wb")  # noqa: SIM115 - for as long as the process lives

    def _no_core() -> None:
        pass

    def _end_after(seconds: float) -> None:
        """A thread in C, which native code cannot keep from running."""
        faulthandler.dump_traceback_later(seconds, exit=True, file=_nowhere)

    def _limit(request: Request) -> None:
        _end_after(request.seconds * 2)

else:
    import resource

    def _no_core() -> None:
        """A crash here is a reason, not a file of memory with a patient's images in it."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

    def _end_after(seconds: float) -> None:
        """SIGALRM ends a process that does not handle it, native code or not."""
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def _limit(request: Request) -> None:
        """Time by the clock and of the processor (SIGXCPU ends the process), and memory (MemoryError)."""
        _end_after(request.seconds * SLOWEST)
        _set(resource.RLIMIT_CPU, math.ceil(time.process_time() + request.seconds))
        with contextlib.suppress(OSError, ValueError, IndexError):  # not Linux: no limit of memory
            pages = int(Path("/proc/self/statm").read_bytes().split()[0])
            _set(resource.RLIMIT_AS, pages * resource.getpagesize() + request.memory)

    def _set(kind: int, soft: int) -> None:
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
