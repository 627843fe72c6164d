"""Files that hold other files: how their images come to be read.

Folders are walked by `imaging.files`; what is in a file (an archive, a list that names files, an address where images
lie) comes through a `Source`. A further one is a module with three functions and a line of `SOURCES`; what it gives is
looked at like any other files, and named by the file and the path in it.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast

from cadviewer.imaging.budget import Share, TooMuch
from cadviewer.imaging.series import InputError, Rejected


class Contents(dict[Path, str]):
    """File on this disk → its path as it is shown, in order. broken: what could not be had, path → reason."""

    broken: dict[str, str]

    def __init__(self) -> None:
        super().__init__()
        self.broken = {}


class Source(Protocol):
    """A kind of file that holds others; a module is one."""

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes (352, or all it has) is of this kind."""
        ...

    def declared(self, file: Path, share: Share) -> tuple[int, int]:
        """(files, bytes) that it says it holds, before any is unpacked. Raises InputError, OSError, TooMuch."""
        ...

    def unpack(self, file: Path, share: Share) -> Contents | Rejected:
        """The files in it, on this disk. share: what it may take, and it takes that from it.

        Rejected: it is no container of images, or takes more than its share. Raises InputError where it is damaged,
        OSError when it or the disk cannot be used.
        """
        ...


SOURCES = MappingProxyType(
    {
        "zip": "cadviewer.imaging.archives",
    }
)


def source_of(head: bytes) -> Source | None:
    """What unpacks a file that begins with these bytes; None where it is a file like others."""
    for module in SOURCES.values():
        source = cast(Source, importlib.import_module(module))
        if source.recognises(head):
            return source
    return None


def too_large_together(files: Sequence[tuple[Path, Source]], share: Share) -> str:
    """Why files that lie in one are not opened, by what they declare; "" where they may be.

    They are counted before the first of them is unpacked: a thousand small ones can each be just small enough.
    """
    members = size = 0
    for file, source in files:
        with contextlib.suppress(InputError, OSError):  # damaged: said when it is opened itself
            try:
                count, length = source.declared(file, share)
            except TooMuch as error:
                return str(error)
            members += count
            size += length
    try:
        share.check_members(members)
        share.check_size(size)
    except TooMuch as error:
        return str(error)
    return ""
