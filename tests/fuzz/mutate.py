"""Damage as it happens and as it is made on purpose: every mutation follows from a seed and can be made again."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence

import numpy as np
from corpus import Input

_HEAD = 600
"""Bytes at the beginning of a file in which most damage is done: there the headers are."""
_NUMBERS = (
    0,
    1,
    -1,
    2,
    255,
    256,
    300,
    32767,
    -32768,
    65535,
    65536,
    10**6,
    10**9,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
)
_FLOATS = (0.0, -1.0, 1e38, -1e38, 1e-38, 1e300, 1e-300, float("nan"), float("inf"), float("-inf"))
_WORDS = (
    *("0", "-1", "1e38", "-1e38", "1e-38", "nan", "inf", "-inf", "1e400", "1000000000", "300", "65536", "4294967295"),
    *("99999999999999999999", "1,5", "", "x", "%d", "%s%s%n", "../../etc/passwd", "1 1 1 1 1 1 1", "LOCAL", "LIST"),
)
_TEXT_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
Mutation = Callable[[bytearray, np.random.Generator, Sequence[bytes]], None]


def mutated(given: Input, others: Sequence[bytes], seed: Sequence[int]) -> Input:
    """The files of an input, one of them damaged one to six times. others: what pieces may come from."""
    rng = np.random.default_rng(seed)
    names = sorted(given, key=lambda n: len(given[n]))  # a text header before its pixels
    name = names[0] if rng.random() < 0.6 else names[rng.integers(len(names))]
    data = bytearray(given[name])
    for _ in range(int(rng.integers(1, 7))):
        _MUTATIONS[rng.integers(len(_MUTATIONS))](data, rng, others)
    out = {**given, name: bytes(data)}
    if rng.random() < 0.05:  # by another name, or none
        out[("x", "x.png", "x.nii.gz", "x.mhd", "x.dcm", "x.zip")[rng.integers(6)]] = out.pop(name)
    return out


def _place(data: bytearray, rng: np.random.Generator, width: int = 1) -> int:
    end = max(1, len(data) - width + 1)
    kind = rng.random()
    if kind < 0.6:
        return int(rng.integers(min(end, _HEAD)))
    if kind < 0.7:
        return max(0, end - 1 - int(rng.integers(min(end, 64))))
    return int(rng.integers(end))


def _flip_bits(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    for _ in range(int(rng.integers(1, 17))):
        if data:
            data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _set_bytes(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    at, count = _place(data, rng), int(rng.integers(1, 33))
    data[at : at + count] = bytes([int(rng.choice((0, 255, 127, 128, 32, 10)))]) * len(data[at : at + count])


def _put_integer(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    width = int(rng.choice((1, 2, 4, 8)))
    at = _place(data, rng, width) & ~(1 if rng.random() < 0.7 else 0)
    if at + width <= len(data):
        value = _NUMBERS[rng.integers(len(_NUMBERS))] & (1 << 8 * width) - 1
        data[at : at + width] = value.to_bytes(width, "little" if rng.random() < 0.7 else "big")


def _put_float(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    value = _FLOATS[rng.integers(len(_FLOATS))]
    form = ("<f", "<d", ">f", ">d")[rng.integers(4)]
    if form[1] == "f":
        value = float(np.clip(value, -3e38, 3e38)) if np.isfinite(value) else value
    packed = struct.pack(form, value)
    at = _place(data, rng, len(packed)) & ~3
    if at + len(packed) <= len(data):
        data[at : at + len(packed)] = packed


def _put_words(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    found = list(_TEXT_NUMBER.finditer(bytes(data[:4096])))
    if found:
        match = found[rng.integers(len(found))]
        data[match.start() : match.end()] = _WORDS[rng.integers(len(_WORDS))].encode()


def _put_words_of_equal_length(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    found = [m for m in _TEXT_NUMBER.finditer(bytes(data[:4096])) if len(m.group()) > 1]
    if found:
        match = found[rng.integers(len(found))]
        word = _WORDS[rng.integers(len(_WORDS))].encode()[: len(match.group())]
        data[match.start() : match.end()] = word.ljust(len(match.group()))


def _truncate(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    del data[int(rng.integers(len(data) + 1)) if rng.random() < 0.5 else _place(data, rng) :]


def _double(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    at, count = _place(data, rng), int(rng.integers(1, 400))
    times = int(rng.choice((1, 1, 1, 2, 50)))
    data[at:at] = data[at : at + count] * times


def _insert(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    at = _place(data, rng)
    data[at:at] = rng.bytes(int(rng.integers(1, 65)))


def _remove(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 65))]


def _splice(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    other = others[rng.integers(len(others))]
    start = int(rng.integers(max(1, len(other))))
    at = _place(data, rng)
    data[at:at] = other[start : start + int(rng.integers(1, 1000))]


def _drop_line(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    lines = bytes(data[:4096]).split(b"\n")
    if len(lines) > 2:
        del lines[rng.integers(len(lines))]
        data[:4096] = b"\n".join(lines)


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip_bits, _flip_bits, _set_bytes, _put_integer, _put_integer, _put_integer, _put_float, _put_words, _put_words),
    *(_put_words_of_equal_length, _truncate, _double, _insert, _remove, _splice, _drop_line),
)
