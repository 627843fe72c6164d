"""Basic Offset Tables that are wrong, as many programs write them."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage, generate_uid

from cadviewer.imaging import files
from cadviewer.imaging.dicom.fragments import without_wrong_offsets
from cadviewer.imaging.series import Series

GRAYS = (40, 120, 220)


def _item(data: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data)) + data


def _frames() -> list[bytes]:
    streams = [imagecodecs.jpeg8_encode(np.full((64, 64), gray, np.uint8), level=95) for gray in GRAYS]
    return [bytes(s) + bytes(len(s) % 2) for s in streams]


def _clip(folder: Path, value: bytes) -> None:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    clip = pydicom.FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    clip.SOPClassUID, clip.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    clip.Modality, clip.SeriesInstanceUID, clip.StudyInstanceUID = "US", generate_uid(), generate_uid()
    clip.Rows, clip.Columns, clip.NumberOfFrames = 64, 64, len(GRAYS)
    clip.SamplesPerPixel, clip.PhotometricInterpretation = 1, "MONOCHROME2"
    clip.BitsAllocated, clip.BitsStored, clip.HighBit, clip.PixelRepresentation = 8, 8, 7, 0
    clip.PixelData = value
    clip["PixelData"].VR = "OB"
    clip["PixelData"].is_undefined_length = True
    clip.save_as(folder / "clip.dcm", enforce_file_format=True)


def _offsets(frames: list[bytes], head: int) -> tuple[int, ...]:
    starts = np.cumsum([0, *(len(f) + head for f in frames[:-1])])
    return tuple(int(s) for s in starts)


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("wrong", ["zeros", "without heads", "too few", "none", "right"])
def test_frames_are_found_whatever_the_offset_table_says(tmp_path: Path, wrong: str, pieces: int) -> None:
    frames = _frames()
    heads = 8 * pieces
    table = {
        "zeros": (0, 0, 0),
        "without heads": _offsets(frames, 0),
        "too few": (0,),
        "none": (),
        "right": _offsets(frames, heads),
    }[wrong]
    parts = []
    for frame in frames:
        cut = len(frame) // 4 * 2 if pieces == 2 else len(frame)
        parts += [_item(frame[:cut]), *([_item(frame[cut:])] if pieces == 2 else [])]
    _clip(tmp_path, _item(struct.pack(f"<{len(table)}I", *table)) + b"".join(parts))
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    found = files.read(series).pixels.reshape(len(GRAYS), -1).mean(axis=1)
    assert found == pytest.approx(GRAYS, abs=1)


def test_a_right_table_stays_and_what_is_no_sequence_of_items_too() -> None:
    right = _item(struct.pack("<2I", 0, 12)) + _item(b"abcd") + _item(b"efgh")
    assert without_wrong_offsets(right, 2) is right
    for other in (b"", b"abc", b"\xff\xd8" * 20, _item(b"")[:6], b"\xfe\xff\x00\xe0" + b"\xff" * 4):
        assert without_wrong_offsets(other, 2) is other
