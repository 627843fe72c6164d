"""The numbers of MetaImage and NRRD, raw, packed or as text, in one file or several.

They are read here and not by ITK, whose MetaImage reader takes what happens to lie in memory for pixels where a packed
file does not name its length, and whose NRRD reader knows no bzip2. Whatever has to be unpacked is read from its
beginning, a slice at a time, and never farther than the header's own size.
"""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from cadviewer.imaging.faults import one_line
from cadviewer.imaging.series import InputError
from cadviewer.messages import Message

_PIECE = 1 << 20
_FARTHEST = 1 << 28  # bytes that are unpacked only to be skipped
_LONGEST_NUMBER = 400  # characters: a double written out has some 330


@dataclass(frozen=True)
class Numbers:
    """Where the numbers of an image lie, the slowest axis first, and an equal share of them in each file.

    dtype: NumPy's name, with the byte order. encoding: "raw", "zlib", "gzip", "bzip2", "text" or "hex". start: byte
    after the header, where that is in the same file. lines: then to be skipped; skip: bytes then to be skipped, of what
    is unpacked; -1 where the numbers are the end of the file, -1 - n where n bytes follow them.
    """

    files: tuple[Path, ...]
    dtype: str
    encoding: str = "raw"
    start: int = 0
    lines: int = 0
    skip: int = 0

    @property
    def direct(self) -> bool:
        """Whether each slice can be read from its place in the one file."""
        return self.encoding == "raw" and len(self.files) == 1

    def offset(self, needed: int, file: Path | None = None) -> int:
        """The byte of the first of `needed` bytes of raw numbers in a file, by default the first. Raises OSError."""
        file = file or self.files[0]
        if self.skip < 0:
            return max(file.stat().st_size - needed + self.skip + 1, 0)
        with file.open("rb") as stream:
            return _after_lines(stream, self.start, self.lines) + self.skip

    def check_length(self, needed: int, slices: int) -> None:
        """Raises InputError where files cannot share so many slices, and where raw ones end too early; OSError."""
        count = len(self.files)
        if (slices % count and count % slices) or needed % count:
            raise InputError(
                Message("damaged header: {count} data files for {slices} slices", count=count, slices=slices)
            )
        if self.encoding != "raw" and self.skip > _FARTHEST:
            raise InputError(Message("damaged header: its pixels begin at no byte that there is"))
        for file in self.files if self.encoding == "raw" else ():
            there = file.stat().st_size - self.offset(needed // count, file)
            if there < needed // count:
                name = one_line(file.name, 60)
                raise InputError(
                    Message(
                        "truncated: {name} holds {there} of {needed} bytes of pixels",
                        name=name,
                        there=max(there, 0),
                        needed=needed // count,
                    )
                )


class Stream:
    """The numbers of an image as bytes of their type, from the first one on; `needed` of them in all."""

    def __init__(self, numbers: Numbers, needed: int) -> None:
        self._pieces = _pieces(numbers, needed)
        self._rest = memoryview(b"")

    def read(self, count: int) -> bytes:
        """The next so many bytes. Raises InputError, OSError."""
        parts = []
        while count:
            if not self._rest:
                self._rest = memoryview(next(self._pieces, b""))
                if not self._rest:
                    raise InputError(Message("truncated: its pixels end too early"))
            parts.append(self._rest[:count])
            self._rest = self._rest[count:]
            count -= len(parts[-1])
        return b"".join(parts)


def _pieces(numbers: Numbers, needed: int) -> Iterator[bytes]:
    """Of each file its share, none of them empty."""
    share = needed // len(numbers.files)
    for file in numbers.files:
        left = share
        try:
            with file.open("rb") as stream:
                for piece in filter(None, _of_one(numbers, stream, share, file)):
                    yield piece[:left]
                    left -= len(piece[:left])
                    if not left:
                        break
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(Message("truncated or damaged: it cannot be unpacked")) from error
        except OSError as error:
            if error.errno is None:  # of bz2, which has no error of its own
                raise InputError(Message("truncated or damaged: it cannot be unpacked")) from error
            raise
        if left:
            raise InputError(
                Message(
                    "truncated: {file} lacks {left} of {share} bytes of pixels",
                    file=one_line(file.name, 60),
                    left=left,
                    share=share,
                )
            )


def _of_one(numbers: Numbers, stream: BinaryIO, share: int, file: Path) -> Iterator[bytes]:
    if numbers.encoding == "raw":
        stream.seek(numbers.offset(share, file))
        yield from iter(lambda: stream.read(_PIECE), b"")
        return
    stream.seek(_after_lines(stream, numbers.start, numbers.lines))
    if numbers.encoding in ("text", "hex"):
        stream.seek(numbers.skip, io.SEEK_CUR)
        yield from _typed(stream, numbers.dtype) if numbers.encoding == "text" else _from_hex(stream)
        return
    begin, skip = stream.tell(), numbers.skip
    if skip < 0:  # only unpacking tells how much there is
        skip += 1 - share
        for piece in _unpacked(stream, numbers.encoding):
            skip += len(piece)
            if skip > _FARTHEST:
                raise InputError(Message("damaged header: its pixels begin at no byte that there is"))
        skip = max(skip, 0)
        stream.seek(begin)
    for piece in _unpacked(stream, numbers.encoding):
        yield piece[skip:]
        skip = max(skip - len(piece), 0)


def _after_lines(stream: BinaryIO, start: int, lines: int) -> int:
    stream.seek(start)
    for _ in range(lines):
        if not stream.readline():
            break
    return stream.tell()


def _unpacked(stream: BinaryIO, encoding: str) -> Iterator[bytes]:
    if encoding == "zlib":
        inflate = zlib.decompressobj(wbits=47)  # as zlib or as gzip: MetaIO takes both
        while not inflate.eof and (data := inflate.unconsumed_tail or stream.read(_PIECE)):
            yield inflate.decompress(data, _PIECE)
        return
    packed = cast(BinaryIO, gzip.GzipFile(fileobj=stream) if encoding == "gzip" else bz2.BZ2File(stream))
    yield from iter(lambda: packed.read(_PIECE), b"")


def _words(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Words between white space and commas, some at a time. Raises InputError for one that is too long for a number."""
    rest = b""
    while data := stream.read(_PIECE):
        text = (rest + data).replace(b",", b" ")
        words = text.split()
        rest = words.pop() if words and not text[-1:].isspace() else b""
        if max(map(len, (*words, rest))) > _LONGEST_NUMBER:
            raise InputError(Message("damaged: its pixels are no numbers"))
        yield words
    yield [rest] if rest else []


def _typed(stream: BinaryIO, dtype: str) -> Iterator[bytes]:
    kind = np.dtype(dtype)
    number = float if kind.kind == "f" else int
    for words in _words(stream):
        try:
            yield np.array([number(word) for word in words], kind).tobytes()
        except (ValueError, OverflowError) as error:
            raise InputError(Message("damaged: its pixels are no numbers of their type")) from error


def _from_hex(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while data := stream.read(_PIECE):
        digits = rest + b"".join(data.split())
        even = len(digits) // 2 * 2
        rest = digits[even:]
        try:
            yield bytes.fromhex(digits[:even].decode("ascii"))
        except ValueError as error:
            raise InputError(Message("damaged: its pixels are no hexadecimal numbers")) from error
