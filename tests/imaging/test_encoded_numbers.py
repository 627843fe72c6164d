"""The numbers of MetaImage and NRRD, however they are packed, written out, skipped to and spread over files."""

from __future__ import annotations

import bz2
import gzip
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cadviewer.imaging import files
from cadviewer.imaging.series import InputError, Rejected, Series

VALUES = np.arange(5 * 8 * 9, dtype=np.int16).reshape(5, 8, 9)
DATA = VALUES.tobytes()
META = "ObjectType = Image\nNDims = 3\nDimSize = 9 8 5\nElementType = MET_SHORT\n"
PACKED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("bzip2", bz2.compress),
    ("bz2", bz2.compress),
    ("gzip", gzip.compress),
    ("gz", gzip.compress),
]


def _nrrd(folder: Path, data: bytes, **fields: str) -> Series | Rejected:
    usual = {"type": "short", "dimension": "3", "sizes": "9 8 5", "endian": "little", "encoding": "raw"} | fields
    head = "".join(f"{name}: {value}\n" for name, value in usual.items() if value)
    (folder / "a.nrrd").write_bytes(f"NRRD0004\n{head}\n".encode() + data)
    (found,) = files.scan([folder])
    return found


def _pixels(found: Series | Rejected) -> NDArray[Any]:
    assert isinstance(found, Series), found
    return files.read(found).pixels


def _metaimage(folder: Path, lines: str, data: bytes) -> NDArray[Any]:
    (folder / "a.mha").write_bytes(f"{META}{lines}ElementDataFile = LOCAL\n".encode() + data)
    (found,) = files.scan([folder])
    return _pixels(found)


def test_a_packed_metaimage_need_not_name_its_length(tmp_path: Path) -> None:
    """ITK gives what lies in memory for the pixels then, another image each time."""
    assert (_metaimage(tmp_path, "CompressedData = True\n", zlib.compress(DATA)) == VALUES).all()


@pytest.mark.parametrize("size", [-1, 200])
def test_header_size_counts_in_a_metaimage_that_holds_its_header_too(tmp_path: Path, size: int) -> None:
    lines = f"HeaderSize = {size}\n"
    head = f"{META}{lines}ElementDataFile = LOCAL\n"
    pixels = _metaimage(tmp_path, lines, b"x" * (200 - len(head)) + DATA)
    assert (pixels == VALUES).all()
    image: Any = SimpleITK.ReadImage(str(tmp_path / "a.mha"))
    assert (SimpleITK.GetArrayFromImage(image) == VALUES).all()


def test_a_metaimage_may_be_a_text(tmp_path: Path) -> None:
    text = "\n".join(map(str, VALUES.ravel().tolist()))
    assert (_metaimage(tmp_path, "BinaryData = False\n", text.encode()) == VALUES).all()


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_packed_nrrd_is_read(tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    assert (_pixels(_nrrd(tmp_path, pack(DATA), encoding=encoding)) == VALUES).all()


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_packed_nrrd_that_ends_early_or_is_damaged_says_so(
    tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    for data in (pack(DATA)[:-30], pack(DATA[:-1]), b"x" + pack(DATA)):
        with pytest.raises(InputError, match="truncated"):
            _pixels(_nrrd(tmp_path, data, encoding=encoding))


@pytest.mark.parametrize(
    ("encoding", "data", "reason"),
    [
        ("ascii", b" ".join([b"7"] * 359), "truncated"),
        ("ascii", b" ".join([b"70000"] * 360), "no numbers of their type"),
        ("ascii", b" ".join([b"x"] * 360), "no numbers of their type"),
        ("ascii", b"7" * 4000, "no numbers"),
        ("hex", b"00" * 719, "truncated"),
        ("hex", b"0g" * 720, "no hexadecimal numbers"),
    ],
)
def test_numbers_as_text_that_are_none_say_so(tmp_path: Path, encoding: str, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        _pixels(_nrrd(tmp_path, data, encoding=encoding))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"endian": ""}, "it does not say the order of the bytes of its numbers"),
        ({"line skip": "-1"}, "a number below zero"),
        ({"encoding": "hex", "byte skip": "-1"}, "backwards byte skip only in raw encoding"),
        ({"encoding": "bzip2", "byte skip": "99999999999"}, "its pixels begin at no byte that there is"),
    ],
)
def test_a_header_of_numbers_that_cannot_be_is_damaged(tmp_path: Path, fields: dict[str, str], reason: str) -> None:
    found = _nrrd(tmp_path, DATA, **fields)
    assert isinstance(found, Rejected)
    assert reason in found.reason


def test_slices_that_files_cannot_share_are_damaged(tmp_path: Path) -> None:
    for k in range(4):
        (tmp_path / f"{k}.raw").write_bytes(DATA)
    (tmp_path / "a.mhd").write_text(f"{META}ElementDataFile = %d.raw 0 3 1\n")
    (found,) = files.scan([tmp_path])
    assert isinstance(found, Rejected)
    assert found.reason == "damaged header: 4 data files for 5 slices"


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed", "3D-left-handed"])
def test_a_space_that_is_not_the_patients_is_no_place_in_the_patient(tmp_path: Path, space: str) -> None:
    vectors = {"space directions": "(0.7,0,0) (0,0.8,0) (0,0,2.5)", "space origin": "(1,2,3)"}
    found = _nrrd(tmp_path, DATA, space=space, **vectors)
    assert isinstance(found, Series)
    assert found.geometry.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert found.geometry.origin is None


# --------------------------------------------------------------------------------------------- drawn by Hypothesis

_META = {"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4"}
_META |= {"MET_LONG": "i4", "MET_LONG_LONG": "i8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8"}
_NRRD = {"int8": "i1", "unsigned char": "u1", "short int": "i2", "uint16_t": "u2", "signed int": "i4", "uint": "u4"}
_NRRD |= {"long long": "i8", "float": "f4", "double": "f8"}


@dataclass(frozen=True)
class Spread:
    """Files by their name, the header's first, and the values. by_library: whether SimpleITK reads such files."""

    files: dict[str, bytes]
    values: NDArray[Any]
    by_library: bool


def _drawn(draw: st.DrawFn, kind: str, big: bool, colour: bool) -> NDArray[Any]:
    shape = (draw(st.integers(1, 5)), draw(st.integers(2, 6)), draw(st.integers(2, 6)), *([3] if colour else []))
    rng, dtype = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), np.dtype(kind)
    if dtype.kind == "f":
        made = (rng.random(shape) * 4000 - 1500).astype(dtype)
    else:
        made = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype.type, endpoint=True)
    return np.asarray(made.astype(dtype.newbyteorder(">" if big else "<")))


def _text(draw: st.DrawFn, values: NDArray[Any], separators: tuple[str, ...]) -> bytes:
    return draw(st.sampled_from(separators)).join(repr(v) for v in values.ravel().tolist()).encode() + b"\n"


def _parts(values: NDArray[Any], make: Callable[[NDArray[Any]], bytes]) -> dict[str, bytes]:
    """One file for each slice."""
    return {f"p{k}.raw": make(plane) for k, plane in enumerate(values)}


@st.composite
def metaimages(draw: st.DrawFn) -> Spread:
    kind = draw(st.sampled_from(sorted(_META)))
    big, colour = draw(st.booleans()), kind in ("MET_UCHAR", "MET_USHORT") and draw(st.booleans())
    values = _drawn(draw, _META[kind], big, colour)
    encoding = draw(st.sampled_from(("raw", "zlib", "text")))
    where = draw(st.sampled_from(("LOCAL", "a.raw", "LIST", "p%d.raw")))
    junk = draw(st.binary(max_size=20)) if encoding == "raw" else b""
    skip = draw(st.sampled_from((-1, len(junk)))) if junk and where != "LOCAL" else -1 if junk else 0

    def coded(some: NDArray[Any]) -> bytes:
        if encoding == "text":
            return _text(draw, some, (" ", "\n", " \n "))
        return junk + (zlib.compress(some.tobytes()) if encoding == "zlib" else some.tobytes())

    whole = coded(values)
    lines = ["ObjectType = Image", "NDims = 3", f"BinaryData = {encoding != 'text'}", f"BinaryDataByteOrderMSB = {big}"]
    lines += ["DimSize = " + " ".join(map(str, values.shape[2::-1])), f"CompressedData = {encoding == 'zlib'}"]
    named = encoding == "zlib" and where in ("LOCAL", "a.raw") and draw(st.booleans())
    lines += [f"CompressedDataSize = {len(whole)}"] if named else []
    lines += [f"HeaderSize = {skip}"] if skip else []
    lines += ["ElementNumberOfChannels = 3"] if colour else []
    lines += [f"ElementType = {kind}"]
    parts = {}
    if where == "a.raw":
        parts = {where: whole}
    elif where != "LOCAL":
        parts = _parts(values, coded)
    last = (
        f"{where} 0 {len(values) - 1} 1" if "%" in where else "\n".join((where, *parts)) if where == "LIST" else where
    )
    head = "\n".join((*lines, f"ElementDataFile = {last}")) + "\n"
    made = {"a.mhd" if parts else "a.mha": head.encode() + (b"" if parts else whole), **parts}
    # SimpleITK reads none of the texts, and finds the packed length out of files of pixels alone.
    return Spread(made, values, encoding == "raw" or named or (encoding == "zlib" and where == "a.raw"))


@st.composite
def nrrds(draw: st.DrawFn) -> Spread:
    kind = draw(st.sampled_from(sorted(_NRRD)))
    big, colour = draw(st.booleans()), kind in ("unsigned char", "uint16_t") and draw(st.booleans())
    values = _drawn(draw, _NRRD[kind], big, colour)
    encoding = draw(st.sampled_from(("raw", "gzip", "gz", "bzip2", "bz2", "ascii", "txt", "hex")))
    where = draw(st.sampled_from(("", "a.raw", "LIST", "p%d.raw")))
    skipped = draw(st.integers(0, 2)) if where == "a.raw" else 0
    before = b"".join(b"a line\n" for _ in range(skipped))
    junk = draw(st.binary(max_size=20)) if encoding not in ("ascii", "txt") else b""
    skip = (
        draw(st.sampled_from((-1, len(junk)))) if encoding not in ("ascii", "txt", "hex") and not skipped else len(junk)
    )

    def coded(some: NDArray[Any]) -> bytes:
        if encoding in ("ascii", "txt"):
            return before + _text(draw, some, (" ", "\n", " , "))
        if encoding == "hex":
            return before + junk + some.tobytes().hex(*draw(st.sampled_from(((), ("\n", 7))))).encode()
        pack = {"g": gzip.compress, "b": bz2.compress}.get(encoding[0], bytes)
        return before + pack(junk + some.tobytes())

    axes = len(values.shape)
    lines = ["NRRD0005", f"type: {kind}", f"dimension: {axes}", f"encoding: {encoding}"]
    lines += ["sizes: " + " ".join(map(str, values.shape[2::-1] if not colour else (3, *values.shape[2::-1])))]
    lines += [f"endian: {'big' if big else 'little'}", *(["kinds: RGB-color domain domain domain"] if colour else [])]
    lines += [f"byte skip: {skip}"] if skip else []
    lines += [f"line skip: {skipped}"] if skipped else []
    parts = {}
    if where == "a.raw":
        parts = {where: coded(values)}
    elif where:
        parts = _parts(values, coded)
    if parts:
        subdivided = f" {axes - 1}" if draw(st.booleans()) else ""
        lines.append(
            f"data file: {where} 0 {len(values) - 1} 1{subdivided}"
            if "%" in where
            else "data file: "
            + "\n".join((where + subdivided * (where == "LIST"), *(parts if where == "LIST" else ())))
        )
    head = "\n".join(lines) + "\n"
    made = {"a.nhdr" if parts else "a.nrrd": head.encode() + (b"" if parts else b"\n" + coded(values)), **parts}
    # SimpleITK is built without bzip2.
    return Spread(made, values, encoding[0] != "b")


def check(spread: Spread) -> None:
    shown = spread.values
    if shown.ndim == 4 and shown.itemsize == 2:
        shown = (shown >> 8).astype(np.uint8)  # colour is for looking at
    with tempfile.TemporaryDirectory() as name:
        for file, content in spread.files.items():
            (Path(name) / file).write_bytes(content)
        (found,) = files.scan([Path(name)])
        pixels = _pixels(found)
        rounding = 1e-6 if pixels.dtype.kind == "f" else 0  # numbers of more than 24 bits are in single precision
        np.testing.assert_allclose(pixels.astype(float), shown.astype(float), rtol=rounding)
        if spread.by_library:
            image: Any = SimpleITK.ReadImage(str(Path(name) / next(iter(spread.files))))
            np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), spread.values)


@given(st.one_of(metaimages(), nrrds()))
@settings(max_examples=150, deadline=None, database=None, derandomize=True)
def test_numbers_are_found_however_they_are_spread(spread: Spread) -> None:
    check(spread)


@pytest.mark.slow
@given(st.one_of(metaimages(), nrrds()))
@settings(max_examples=5000, deadline=None, database=None)
def test_five_thousand_spreads_of_numbers(spread: Spread) -> None:
    check(spread)
