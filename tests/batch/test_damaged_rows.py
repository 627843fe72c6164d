"""Headers that crashed, hung or filled a reader: each is one failed case, and the two good images beside are done."""

from __future__ import annotations

import io
import os
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from batching import annotate, tables
from made_inputs import write_dicom, write_mhd

from cadviewer.batch import Existing
from cadviewer.imaging import contained
from cadviewer.phantoms.files import write_png

Files = dict[str, bytes]


def metaimage(**fields: str) -> bytes:
    usual = {"NDims": "3", "DimSize": "4 4 4", "ElementType": "MET_SHORT", "ElementDataFile": "LOCAL"}
    lines = "".join(f"{name} = {value}\n" for name, value in {"ObjectType": "Image", **usual, **fields}.items())
    return lines.encode()


def nifti(offset: float, magic: bytes = b"n+1\0", kind: int = 4) -> bytes:
    """A NIfTI-1 header (nifti1.h) of 48 × 40 × 6 short numbers that says where they begin."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, 48, 40, 6, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, kind, 16)
    struct.pack_into("<8f", head, 76, 1, 0.7, 0.7, 2.5, 0, 0, 0, 0)
    struct.pack_into("<3f", head, 108, offset, 1.0, 0.0)
    head[344:348] = magic
    return bytes(head)


def packed_with_lzma() -> bytes:
    """A zip whose LZMA stream is damaged."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("g.png", np.random.default_rng(0).bytes(4000))
    content = bytearray(stream.getvalue())
    content[100:200] = bytes(100)
    return bytes(content)


def nrrd(sizes: str) -> bytes:
    return f"NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\nencoding: raw\nendian: little\n\n".encode()


SHORTS = bytes(2 * 48 * 40 * 6)
ROWS: dict[str, Callable[[], Files]] = {
    "n300": lambda: {"bad.mha": metaimage(NDims="300") + bytes(128)},
    "n1e9": lambda: {"bad.mha": metaimage(NDims="1000000000") + bytes(128)},
    "abort1344": lambda: {
        "bad.mhd": metaimage(NDims="300", CompressedData="True", DimSize="48M 65535 6", ElementDataFile="hz.zraw"),
        "hz.zraw": os.urandom(500),
    },
    "dim1e9": lambda: {"bad.mha": metaimage(DimSize="1000000000 1000000000 1000000000") + bytes(128)},
    "nrrd1e9": lambda: {"bad.nrrd": nrrd("48 40 1000000000") + SHORTS},
    "lzma": lambda: {"bad.zip": packed_with_lzma()},
    "niiinf": lambda: {"bad.hdr": nifti(float("inf"), b"ni1\0"), "bad.img": SHORTS},
    "niinan": lambda: {"bad.nii": nifti(float("nan")) + SHORTS},
    "niioff": lambda: {"bad.nii": nifti(-1e30, kind=16) + SHORTS},
    "pattern": lambda: {"bad.mhd": metaimage(NDims="0", ElementDataFile="%s%s%n"), "bad.raw": SHORTS},
    "pattern without end": lambda: {"bad.mhd": metaimage(ElementDataFile="a%d.raw 1 4000000000 1")},
}


@pytest.mark.parametrize("row", ROWS)
def test_a_damaged_file_is_one_failed_case_and_the_others_are_done(
    tmp_path: Path, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contained, "SECONDS", 1.0)
    given, out = tmp_path / "in", tmp_path / "out"
    write_mhd(given / "a.mhd")
    write_dicom(given / "z.dcm", "US")
    for name, content in ROWS[row]().items():
        (given / name).write_bytes(content)
    began = time.monotonic()
    for existing in (Existing.KEEP_OUT, Existing.RESUME):
        annotate([given], out, existing=existing)
        states = {Path(r["source"]).name: r["state"] for r in tables(out)["cases"]}
        assert (states["a.mhd"], states["z.dcm"]) == ("done", "done")
        assert next(state for name, state in states.items() if name.startswith("bad.")) in ("failed", "refused")
        for error in tables(out)["errors"]:
            assert error["error"]
            assert "unexpected" not in error["error"]
            assert "%s" not in error["error"]
    assert time.monotonic() - began < 60


def test_a_picture_that_is_none_is_named_by_every_run(tmp_path: Path) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    write_mhd(given / "a.mhd")
    picture = write_png(np.zeros((64, 64), np.uint8), given / "bad.png")
    picture.write_bytes(picture.read_bytes()[:60] + b"IEND")
    for existing in (Existing.KEEP_OUT, Existing.RESUME):
        annotate([given], out, existing=existing)
        assert [r["error"] for r in tables(out)["errors"]] == ["damaged PNG image: it cannot be decoded"]
