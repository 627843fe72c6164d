"""Printing to whatever standard output is: a terminal, a file, a pipe whose reader has gone, nothing at all."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def speaking() -> Iterator[None]:
    """For a whole command: within it every text can be printed, and a reader that has gone (`| head`) ends it quietly.

    Letters that the terminal does not have (a Windows code page, the C locale) are written as escapes. Raises
    SystemExit 1 when standard output is closed by its reader.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # there is none in a windowed start on Windows
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            _flush()
    except BrokenPipeError:
        try:
            sys.stdout.write("\n")  # whether it was this pipe, and no other
            _flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
        raise


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()
