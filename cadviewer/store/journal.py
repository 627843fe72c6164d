"""Append-only files of JSON lines that survive a kill, a power cut and a second process.

A line is one JSON object whose last key, `sum`, is a checksum of the rest. Records that belong together are one line,
under the key `together`: a kill leaves all of them or none. `append` returns after the line is on the disk. A last line
without its end is what a killed process left of a record that nobody was told is saved: readers ignore it and the next
`append` cuts it off. Any other line that does not check is damage: the file is then kept aside under another name and a
new one is begun with every record that could still be read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cadviewer import atomic
from cadviewer.messages import Message

Record = dict[str, Any]
_TOGETHER = "together"


class JournalError(Exception):
    """A record could not be made to last, or a journal not be read; the message says why in one line."""


@dataclass(frozen=True)
class Content:
    """What a journal holds.

    records: the objects of the lines that check, in the order of writing.
    damaged: numbers, from 1, of the complete lines that do not check.
    torn: bytes after the last complete line.
    """

    records: tuple[Record, ...] = ()
    damaged: tuple[int, ...] = ()
    torn: int = 0


def encode(record: Mapping[str, Any]) -> bytes:
    """One line with its checksum and its end. Raises ValueError for NaN or infinity, TypeError for what is no JSON."""
    body = json.dumps(record, allow_nan=False, separators=(",", ":"))  # ASCII: paths can hold odd bytes
    data = body.encode("utf-8")
    comma = b"," if record else b""
    return data[:-1] + comma + b'"sum":"' + _checksum(data) + b'"}\n'


def decode(line: bytes) -> Record | None:
    """The record of a line without its end; None when its checksum is not right."""
    head, mark, tail = line.rpartition(b'"sum":"')
    if not mark or not tail.endswith(b'"}') or not head:
        return None
    data = head.removesuffix(b",") + b"}"
    if tail[:-2] != _checksum(data):
        return None
    record = json.loads(data)
    return record if isinstance(record, dict) else None


def parse(data: bytes) -> Content:
    """What the bytes of a journal hold."""
    whole, _, rest = data.rpartition(b"\n")
    records, damaged = [], []
    for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
        record = decode(line)
        if record is None:
            damaged.append(number)
        elif record.keys() == {_TOGETHER} and isinstance(record[_TOGETHER], list):
            records.extend(record[_TOGETHER])
        else:
            records.append(record)
    return Content(tuple(records), tuple(damaged), len(rest))


class Journal:
    """One journal file. Opens it anew for each access, so that several processes can share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.with_name(path.name + ".lock")

    def read(self) -> Content:
        """What is in the file now; empty when there is none. Raises JournalError when it cannot be read."""
        try:
            return parse(self.path.read_bytes())
        except FileNotFoundError:
            return Content()
        except OSError as error:
            raise JournalError(
                Message("the journal {name} cannot be read: {strerror}", name=self.path.name, strerror=error.strerror)
            ) from error

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write records so that they last, all or none, then return.

        Raises JournalError when the disk does not take them, or when they are no JSON.
        """
        try:
            data = encode(records[0] if len(records) == 1 else {_TOGETHER: list(records)})
        except (ValueError, TypeError, RecursionError) as error:
            raise JournalError(Message("nothing was saved in {name}: it is no JSON", name=self.path.name)) from error
        try:
            with atomic.locked(self._lock):
                self._append(data)
        except OSError as error:
            raise JournalError(
                Message(
                    "nothing was saved in {name}: {strerror}", name=self.path.name, strerror=error.strerror or error
                )
            ) from error

    def _append(self, data: bytes) -> None:
        new = not self.path.exists()
        with self.path.open("ab+", buffering=0) as stream:
            end = self._end_of_whole_lines(stream.fileno())
            stream.truncate(end)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[stream.write(rest) :]
                os.fsync(stream.fileno())
            except OSError:
                with contextlib.suppress(OSError):  # what stays is torn, and the next append cuts it off
                    stream.truncate(end)
                raise
        if new:
            atomic.sync_folder(self.path.parent)

    @staticmethod
    def _end_of_whole_lines(descriptor: int) -> int:
        """Offset just after the last line end; the lock must be held, so a torn line has no living writer."""
        end = os.lseek(descriptor, 0, os.SEEK_END)
        position = end
        while position > 0:
            start = max(0, position - 65536)
            os.lseek(descriptor, start, os.SEEK_SET)
            block = os.read(descriptor, position - start)
            if (found := block.rfind(b"\n")) >= 0:
                return start + found + 1
            position = start
        return 0

    def repair(self) -> tuple[Content, Path | None]:
        """Read, and when a complete line is damaged keep the file aside and begin a new one with the readable records.

        Returns what could be read and where the damaged file is now (None when nothing was damaged).
        """
        content = self.read()
        if not content.damaged:
            return content, None
        try:
            with atomic.locked(self._lock):
                content = self.read()  # another process may have repaired it meanwhile
                if not content.damaged:
                    return content, None
                # A hard copy first: at no moment are the records in no file.
                kept = atomic.aside(self.path)
                atomic.write_bytes(kept, self.path.read_bytes())
                atomic.write_bytes(self.path, b"".join(encode(r) for r in content.records))
        except OSError as error:
            raise JournalError(
                Message("the damaged journal {name} could not be kept aside: {error}", name=self.path.name, error=error)
            ) from error
        return content, kept


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest()[:16].encode("ascii")
