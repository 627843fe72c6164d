"""MetaImage, NRRD and NIfTI headers are held against themselves and their files before a library sees them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series, State

PIXELS = bytes(2 * 4 * 4 * 4)


def metaimage(**fields: str) -> bytes:
    usual = {"NDims": "3", "DimSize": "4 4 4", "ElementType": "MET_SHORT"}
    usual |= fields
    last = usual.pop("ElementDataFile", "LOCAL")
    lines = [f"{name} = {value}\n" for name, value in {"ObjectType": "Image", **usual}.items()]
    return "".join([*lines, f"ElementDataFile = {last}\n"]).encode()


def nrrd(**fields: str) -> bytes:
    usual = {"type": "short", "dimension": "3", "sizes": "4 4 4", "encoding": "raw", "endian": "little", **fields}
    return ("NRRD0004\n" + "".join(f"{name}: {value}\n" for name, value in usual.items()) + "\n").encode()


def one(path: Path, content: bytes) -> Series | Rejected:
    path.write_bytes(content)
    (found,) = files.scan([path])
    return found


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"NDims": "300"}, "an image of 300 dimensions"),
        ({"NDims": "1000000000"}, "an image of 1000000000 dimensions"),
        ({"NDims": "x"}, "NDims is x"),
        ({"DimSize": "4 4"}, "DimSize is 4 4"),
        ({"DimSize": "4 4 -4"}, "DimSize is 4 4 -4"),
        ({"DimSize": "4 4 0"}, "DimSize is 4 4 0"),
        ({"DimSize": "4 4 4e9"}, "DimSize is 4 4 4e9"),
        ({"DimSize": "1000000000 1000000000 1000000000"}, "holds 305 of 2e+27 bytes"),
        ({"DimSize": "4 4 5"}, "of 160 bytes of pixels"),
        ({"DimSize": "4000 4000 4000", "CompressedData": "True"}, "no 128000000000 can be unpacked"),
        ({"ElementSpacing": "1 1"}, "elementspacing is 1 1, not 3 numbers"),
        ({"TransformMatrix": "1 0 0 1"}, "transformmatrix is 1 0 0 1, not 9 numbers"),
        ({"ElementType": "MET_STRIJG"}, "an ElementType that there is not"),
        ({"ElementNumberOfChannels": "-3"}, "a number below zero"),
        ({"ElementDataFile": "%s%s%n"}, "a pattern of data files that cannot be"),
        ({"ElementDataFile": "a%d.raw 1 4000000000 1"}, "a pattern of data files that cannot be"),
        ({"ElementDataFile": "a%d.raw 1 4 0"}, "a pattern of data files that cannot be"),
        ({"ElementDataFile": "../other/a.raw"}, "a data file outside its folder"),
        ({"ElementDataFile": "/etc/passwd"}, "a data file outside its folder"),
        ({"ElementDataFile": "C:\\a.raw"}, "a data file outside its folder"),
        ({"ElementDataFile": "LIST\n../a.raw"}, "a data file outside its folder"),
    ],
)
def test_a_metaimage_header_that_cannot_be_is_damaged(tmp_path: Path, fields: dict[str, str], reason: str) -> None:
    content = metaimage(**fields)
    content = content.ljust(305 - len(PIXELS)) if fields.get("DimSize", "").startswith("1000000000") else content
    found = one(tmp_path / "a.mha", content + PIXELS)
    assert isinstance(found, Rejected)
    assert found.state is State.FAILED
    assert reason in found.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dimension": "300"}, "an image of 300 dimensions"),
        ({"sizes": "4 4"}, "sizes is 4 4"),
        ({"sizes": "48 40 1000000000"}, "of 1920000000000 bytes"),
        ({"sizes": "48 40 1000000000", "encoding": "gzip"}, "no 1920000000000 can be unpacked"),
        ({"data file": "../a.raw"}, "a data file outside its folder"),
        ({"data file": "a%d.raw 0 4000000000 1"}, "a pattern of data files that cannot be"),
    ],
)
def test_an_nrrd_header_that_cannot_be_is_damaged(tmp_path: Path, fields: dict[str, str], reason: str) -> None:
    found = one(tmp_path / "a.nrrd", nrrd(**fields) + PIXELS)
    assert isinstance(found, Rejected)
    assert found.state is State.FAILED
    assert reason in found.reason


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), -1e30, -1.0, 3e38])
def test_a_nifti_header_whose_pixels_begin_nowhere_is_damaged(tmp_path: Path, offset: float) -> None:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, 4, 4, 4, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 4, 16)
    struct.pack_into("<8f", head, 76, 1, 0.7, 0.7, 2.5, 0, 0, 0, 0)
    struct.pack_into("<3f", head, 108, offset, 1.0, 0.0)
    head[344:348] = b"n+1\0"
    found = one(tmp_path / "a.nii", bytes(head) + PIXELS)
    assert isinstance(found, Rejected)
    assert "its pixels begin at no byte that there is" in found.reason


def test_sound_headers_are_read(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for k in range(4):
        (tmp_path / "s" / f"p{k}.raw").write_bytes(PIXELS[:32])
    for name, content in {
        "a.mha": metaimage(ElementSpacing="1 1 2", TransformMatrix="1 0 0 0 1 0 0 0 1") + PIXELS,
        "b.mhd": metaimage(ElementDataFile="s/p%d.raw 0 3 1"),
        "c.mhd": metaimage(ElementDataFile="LIST\ns/p0.raw\ns/p1.raw\ns/p2.raw\ns/p3.raw"),
        "d.nrrd": nrrd() + PIXELS,
        "e.nhdr": nrrd(**{"data file": "LIST\ns/p0.raw\ns/p1.raw\ns/p2.raw\ns/p3.raw"}).rstrip() + b"\n",
        "f.nhdr": nrrd(**{"data file": "s/p%d.raw 0 3 1"}),
        "g.mha": metaimage(NDims="2", DimSize="4 4") + PIXELS,
    }.items():
        found = one(tmp_path / name, content)
        assert isinstance(found, Series), (name, found)
        assert files.read(found).pixels.shape == ((1, 4, 4) if name == "g.mha" else (4, 4, 4))
