"""What is said of a file that raised something nobody expected. Nothing that stood in the file gets into it unseen."""

from __future__ import annotations

import os
import re
import traceback

from cadviewer.imaging.series import InputError
from cadviewer.messages import Message

_LONGEST = 160
_PATH = re.compile(r"(?:[A-Za-z]:)?[/\\][^\s'\"]*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|b'[^']*'")


def reason_of(error: BaseException) -> str:
    """One line for an error of any kind. Of one that nobody expected what it is and where it came up, never its own
    words, which may quote a value of the file."""
    if isinstance(error, InputError):
        return one_line(str(error))
    if isinstance(error, MemoryError):
        return Message("it takes more memory than there is to read it")
    if isinstance(error, RecursionError):
        return Message("damaged: nested too deeply")
    if isinstance(error, OSError) and error.errno is not None:
        return Message("cannot be read: {strerror}", strerror=error.strerror or type(error).__name__)
    frames = traceback.extract_tb(error.__traceback__)
    place = (
        Message(
            " in {basename}, line {lineno}", basename=os.path.basename(frames[-1].filename), lineno=frames[-1].lineno
        )
        if frames
        else ""
    )
    return Message(
        "damaged or of an unknown kind: it cannot be read ({kind}{place})", kind=type(error).__name__, place=place
    )


def one_line(text: str, longest: int = 300) -> str:
    """Printable, without line ends, and no longer than is read at a glance."""
    made = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if made == text and len(text) <= longest:
        return text  # as it is: a message stays one
    return made if len(made) <= longest else made[: longest - 1] + "…"


def cleaned(text: str, longest: int = _LONGEST) -> str:
    """A library's words, fit to be kept: one line, printable, without paths and what it puts in quotes, and short."""
    return one_line(_PATH.sub("…", _QUOTED.sub("…", text)), longest)
