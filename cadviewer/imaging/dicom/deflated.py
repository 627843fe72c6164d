"""Deflated DICOM (PS3.5 section A.5): how much a file unpacks to, found out before pydicom unpacks it in one piece."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from cadviewer.imaging.dicom.header import DEFLATED
from cadviewer.imaging.series import Refusal
from cadviewer.messages import Message

_FREE_SIZE = 128 << 20
_RATIO = 50
"""Times its own size that a file may unpack to beyond `_FREE_SIZE`: images give 2 to 10."""
_PIECE = 1 << 20


def check(file: Path) -> None:
    """Raises Refusal for a file that unpacks to more than any image of its size, OSError when it cannot be opened."""
    with file.open("rb") as stream:
        head = stream.read(144)
        if head[128:140] != b"DICM\x02\x00\x00\x00UL\x04\x00" or len(head) < 144:
            return
        meta = stream.read(min(struct.unpack_from("<I", head, 140)[0], _PIECE))
        if DEFLATED.encode() not in meta.split(b"\x02\x00\x10\x00UI", 1)[-1][: 2 + len(DEFLATED)]:
            return
        left = _FREE_SIZE + _RATIO * file.stat().st_size
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        while data := inflate.unconsumed_tail or stream.read(_PIECE):
            try:
                left -= len(inflate.decompress(data, _PIECE))
            except zlib.error:
                return  # damaged: pydicom says so
            if left < 0:
                raise Refusal(Message("a deflated file that would unpack out of all proportion to its size"))
