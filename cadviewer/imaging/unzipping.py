"""One member of a zip, in pieces of bounded size whatever its packing makes of them.

zipfile bounds only what deflate gives; of bzip2 and LZMA it unpacks all that it has read at once, and four kilobytes of
bzip2 can be four gigabytes. Those two are unpacked here by the same library modules, with a bound.
"""

from __future__ import annotations

import bz2
import copy
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

PIECE = 1 << 20
"""Bytes of a piece at most."""
_SMALLEST_DICTIONARY = 4096  # lzma.h, LZMA_DICT_SIZE_MIN
_ENDS = 9  # bytes of LZMA's header within a zip, APPNOTE.TXT 5.8.8


def pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """What a member holds. Raises zipfile.BadZipFile, and whatever the packings raise, where it is damaged."""
    if member.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA) or member.flag_bits & 0x1:
        with archive.open(member) as source:
            while part := source.read(PIECE):
                yield part
        return
    packed = copy.copy(member)  # the same bytes as they lie there
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, member.compress_size
    packed.CRC = None  # type: ignore[assignment]  # of what is unpacked: compared below
    with archive.open(packed) as source:
        yield from _checked(_unpacked(source, member), member)


def _unpacked(source: IO[bytes], member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.compress_type == zipfile.ZIP_BZIP2:
        unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor = bz2.BZ2Decompressor()
    else:
        unpacker = _lzma(source.read(_ENDS), member.file_size)
    left = member.file_size
    while left > 0 and not unpacker.eof:
        data = source.read(PIECE) if unpacker.needs_input else b""
        if unpacker.needs_input and not data:
            return
        part = unpacker.decompress(data, min(left, PIECE))
        left -= len(part)
        yield part


def _lzma(head: bytes, size: int) -> lzma.LZMADecompressor:
    """`head`: version (2 bytes), length of the properties (2), lc, lp and pb in one, size of the dictionary (4)."""
    length, packed, dictionary = struct.unpack("<2xHBI", head)
    if length != 5 or packed >= 9 * 5 * 5:
        raise zipfile.BadZipFile
    parts = {"lc": packed % 9, "lp": packed // 9 % 5, "pb": packed // 45}
    # more than the whole is never looked back at: no memory for it on a header's word
    parts["dict_size"] = max(min(dictionary, size), _SMALLEST_DICTIONARY)
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, **parts}])


def _checked(parts: Iterator[bytes], member: zipfile.ZipInfo) -> Iterator[bytes]:
    size = checksum = 0
    for part in parts:
        size += len(part)
        checksum = zlib.crc32(part, checksum)
        yield part
    if size != member.file_size or checksum != member.CRC:
        raise zipfile.BadZipFile
