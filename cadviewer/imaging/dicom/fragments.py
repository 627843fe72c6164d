"""Which fragments of encapsulated pixels belong to which frame (DICOM PS3.5 annex A.4), where a file says it wrongly.

The Basic Offset Table is written wrongly by many programs: zeros, offsets that forget the heads of the items, too few.
One that does not point at fragments is taken away: with one fragment for each frame nothing is left to ask, and with
more the ends of the code streams tell. No pixels are decoded here.
"""

from __future__ import annotations

import struct
from itertools import pairwise

_ITEM = b"\xfe\xff\x00\xe0"
_HEAD = 8


def without_wrong_offsets(data: bytes, frames: int) -> bytes:
    """The value of encapsulated Pixel Data with its Basic Offset Table, or with an empty one where that is wrong.

    What is no sequence of items is given back as it is: the decoder says what is damaged.
    """
    if data[:4] != _ITEM or len(data) < _HEAD:
        return data
    (length,) = struct.unpack_from("<I", data, 4)
    first = _HEAD + length
    if not length or first > len(data):
        return data
    offsets = struct.unpack_from(f"<{length // 4}I", data, _HEAD)
    starts = set()
    position = first
    while data[position : position + 4] == _ITEM and position + _HEAD <= len(data):
        starts.add(position - first)
        position += _HEAD + struct.unpack_from("<I", data, position + 4)[0]
    right = len(offsets) == frames and offsets[0] == 0 and starts.issuperset(offsets)
    if right and all(a < b for a, b in pairwise(offsets)):
        return data
    return _ITEM + bytes(4) + data[first:]
