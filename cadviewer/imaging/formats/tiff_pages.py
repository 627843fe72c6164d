"""How many pages a TIFF has, by its chain of directories alone (TIFF 6.0 section 2, BigTIFF): before it is decoded."""

from __future__ import annotations

import struct

from cadviewer.imaging.series import Refusal
from cadviewer.messages import Message

MOST = 4096
"""Pages of one file: more than any scanner's slices."""


def check(data: bytes) -> None:
    """Raises Refusal for more than `MOST` pages. What is damaged is left to the decoder to say."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count_form, entry, next_form = (order + "Q", 20, order + "Q") if big else (order + "H", 12, order + "I")
    seen: set[int] = set()
    try:
        (position,) = struct.unpack_from(next_form, data, 8 if big else 4)
        while position and position not in seen:
            if len(seen) == MOST:
                raise Refusal(Message("a TIFF of more than {most} pages", most=MOST))
            seen.add(position)
            (entries,) = struct.unpack_from(count_form, data, position)
            after = position + struct.calcsize(count_form) + entry * entries
            (position,) = struct.unpack_from(next_form, data, after)
    except struct.error:
        return
