"""The images that the objects of a case are about: their headers where they are DICOM, else generated identifiers.

Identifiers of images that are no DICOM are UIDs derived from a UUID (PS3.5 annex B.2) of what is in the file: the same
file gets the same ones wherever it lies, and fields about the patient stay empty, since nobody knows who it is.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging import contained
from cadviewer.imaging.annotations import Where
from cadviewer.imaging.dicom.header import is_uid
from cadviewer.imaging.series import Series
from cadviewer.messages import Message
from cadviewer.store.export import ExportError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NAMESPACE = uuid.UUID("6f0b3c4e-4f4b-5d3c-9c57-5f6d1c0a7e11")
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_LOOP = "1.2.840.10008.5.1.4.1.1.3.1"
_ENDS = 1 << 20
_CHARACTERS_OF_A_DECIMAL = 16


def uid_of(*parts: object) -> str:
    """A UID that the same parts always give."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(0).join(map(str, parts))).int}"


def new_uid() -> str:
    """A UID that nothing else has."""
    return f"2.25.{uuid.uuid4().int}"


def identity(series: Series) -> str:
    """What a series is known by wherever its files are: its UIDs, else what is in its files. Raises OSError."""
    if series.series_uid and all(s.sop_uid for s in series.slices):
        parts = ("uid", series.series_uid, *(f"{s.sop_uid}#{s.frame}" for s in series.slices))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    digest = hashlib.sha256(series.format.encode())
    for file in (*series.files, *series.data_files):
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            digest.update(size.to_bytes(8, "big") + stream.read(_ENDS))
            if size > _ENDS:
                stream.seek(-min(size - _ENDS, _ENDS), os.SEEK_END)
                digest.update(stream.read())
    return digest.hexdigest()


def where(series: Series) -> Where:
    """How other objects name the images of a series, generated identifiers included. Raises OSError."""
    own = identity(series)
    if series.format == "dicom":
        uids = {s.file: s.sop_uid if is_uid(s.sop_uid) else _image_uid(series, own, s.file) for s in series.slices}
        images = {(uids[s.file], s.frame): k for k, s in enumerate(series.slices)}
        named = series.series_uid if is_uid(series.series_uid) else uid_of("series", own)
        return Where.of(images, series.frame_of_reference_uid, named)
    images = {(uid_of("image", own, k), 0): k for k in range(len(series.slices))}
    return Where.of(images, uid_of("frame of reference", own), uid_of("series", own))


def _image_uid(series: Series, own: str, file: Path) -> str:
    """Of a DICOM file that has no SOP Instance UID."""
    return uid_of("file", own, series.files.index(file))


class Images:
    """The images of a series as data sets without pixels, read where they are wanted.

    What refers to them goes through `put_back` when it is made.

    identity: what UIDs of findings are made from. generated: whether the identifiers are.
    Raises OSError where a file is gone.
    """

    def __init__(self, series: Series) -> None:
        self.series = series
        self.identity = identity(series)
        self.generated = series.format != "dicom"
        self._read: dict[str, Dataset] = {}
        self._classes: dict[str, str] = {}  # of images whose own one highdicom does not know

    def load(self, slices: Iterable[int]) -> None:
        """Read the headers of these slices, all at one go. Raises OSError, InputError."""
        if self.generated:
            return
        files = dict.fromkeys(self.series.slices[k].file for k in slices)
        wanted = [file for file in files if str(file) not in self._read]
        if wanted:
            target = "cadviewer.imaging.dicom.references:read_references"
            size = sum(min(file.stat().st_size, _ENDS) for file in wanted)
            for file, dataset in zip(wanted, contained.call(target, wanted, size=size), strict=True):
                self._read[str(file)] = self._completed(dataset, file)

    def of(self, index: int) -> Dataset:
        """The object that a slice is (a frame of)."""
        if self.generated:
            if str(index) not in self._read:
                self._read[str(index)] = self._made(index)
            return self._read[str(index)]
        self.load([index])
        return self._read[str(self.series.slices[index].file)]

    def all_of(self, slices: Sequence[int]) -> list[Dataset]:
        """The objects of several slices, each once, in their order."""
        self.load(slices)
        return list({str(dataset.SOPInstanceUID): dataset for dataset in map(self.of, slices)}.values())

    def frame_number(self, index: int) -> int | None:
        """Of a slice within its object, from 1; None where that is a single image."""
        frames = int(self.of(index).get("NumberOfFrames") or 1)
        return self.series.slices[index].frame + 1 if frames > 1 else None

    @property
    def frame_of_reference(self) -> str:
        """UID of the space that positions are in; "" where there are none."""
        placed = all(self.position(k) is not None for k in (0, len(self.series.slices) - 1))
        if not placed or self.series.geometry.pixel_spacing is None:
            return ""
        if self.generated:
            return uid_of("frame of reference", self.identity)
        return str(self.of(0).get("FrameOfReferenceUID", ""))

    def position(self, index: int) -> NDArray[np.float64] | None:
        """LPS mm of the centre of the first pixel of a slice."""
        if self.series.geometry.direction is None:
            return None
        if self.series.slices[index].position is not None:
            return np.array(self.series.slices[index].position, float)
        if self.series.geometry.placed:
            return self.series.geometry.to_patient((index, 0, 0))
        origin = self.series.geometry.origin
        return np.array(origin, float) if origin is not None and len(self.series.slices) == 1 else None

    def to_patient(self, index: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) LPS mm of (n, 2) edge coordinates (x, y) on a slice that has a place."""
        position, geometry = self.position(index), self.series.geometry
        assert position is not None
        assert geometry.direction is not None
        assert geometry.pixel_spacing is not None
        _, down, right = (np.array(v, float) for v in geometry.direction)
        row_mm, column_mm = geometry.pixel_spacing
        moved: NDArray[np.float64] = (
            position + (points[:, :1] - 0.5) * column_mm * right + (points[:, 1:] - 0.5) * row_mm * down
        )
        return moved

    # ------------------------------------------------------------------------------------------------- as data sets

    def _completed(self, dataset: Dataset, file: Path) -> Dataset:
        """With generated identifiers where its own are missing or none."""
        named = {
            "StudyInstanceUID": uid_of("study", self.identity),
            "SeriesInstanceUID": uid_of("series", self.identity),
            "SOPInstanceUID": _image_uid(self.series, self.identity, file),
        }
        for keyword, uid in named.items():
            if keyword not in dataset:
                setattr(dataset, keyword, uid)
        for keyword in ("SOPClassUID", "Rows", "Columns"):
            if keyword not in dataset:
                raise ExportError(Message("its header names no {keyword}, which other objects need", keyword=keyword))
        if "SamplesPerPixel" not in dataset:
            dataset.SamplesPerPixel = self.series.channels
        if not self._placed(dataset) and "FrameOfReferenceUID" in dataset:
            del dataset.FrameOfReferenceUID  # of ultrasound: it places nothing
        self._give_known_class(dataset)
        return dataset

    def _give_known_class(self, dataset: Dataset) -> None:
        """highdicom takes no retired and private classes, nor frames of one that has none, as old ultrasound has them:
        one of its own stands for them, till `put_back`."""
        from pydicom.uid import UID

        own, frames = UID(dataset.SOPClassUID), int(dataset.get("NumberOfFrames") or 1)
        unknown = own.is_private or own.name == own or own.is_retired
        grouped = "Enhanced" in own.name and "SharedFunctionalGroupsSequence" in dataset
        if unknown or (frames > 1 and not grouped):
            self._classes[str(dataset.SOPInstanceUID)] = str(own)
            dataset.SOPClassUID = _LOOP if frames > 1 else SECONDARY_CAPTURE

    def put_back(self, made: Dataset) -> None:
        """The images' own classes in what refers to them."""
        for element in made.iterall() if self._classes else ():
            for item in element.value or () if element.VR == "SQ" else ():
                own = self._classes.get(str(item.get("ReferencedSOPInstanceUID", "")))
                if own is not None:
                    item.ReferencedSOPClassUID = own

    def _placed(self, dataset: Dataset) -> bool:
        """Whether a header places its image in the patient."""
        return (
            "PixelSpacing" in dataset and "ImagePositionPatient" in dataset
        ) or "PerFrameFunctionalGroupsSequence" in dataset

    def _made(self, index: int) -> Any:
        """What stands for an image that is no DICOM."""
        from cadviewer.imaging.dicom.references import empty

        series, geometry = self.series, self.series.geometry
        made: Any = empty()
        made.SOPClassUID = SECONDARY_CAPTURE
        made.SOPInstanceUID = uid_of("image", self.identity, index)
        made.SeriesInstanceUID = uid_of("series", self.identity)
        made.StudyInstanceUID = uid_of("study", self.identity)
        made.Modality = series.modality or "OT"
        made.InstanceNumber = index + 1
        made.Rows, made.Columns = geometry.shape[1:]
        made.SamplesPerPixel = series.channels
        made.PhotometricInterpretation = "RGB" if series.channels == 3 else "MONOCHROME2"
        bits = 8 * min(2, np.dtype(series.dtype).itemsize)
        made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
        made.PixelRepresentation = int(np.dtype(series.dtype).kind == "i")
        if uid := self.frame_of_reference:
            position, direction, spacing = self.position(index), geometry.direction, geometry.pixel_spacing
            assert position is not None
            assert direction is not None
            assert spacing is not None
            made.FrameOfReferenceUID, made.PositionReferenceIndicator = uid, ""
            made.ImagePositionPatient = [decimal(v) for v in position]
            made.ImageOrientationPatient = [decimal(v) for v in (*direction[2], *direction[1])]
            made.PixelSpacing = [decimal(v) for v in spacing]
            made.SliceThickness = decimal(geometry.slice_spacing or 1.0)
        return made


def decimal(value: float) -> str:
    """A decimal string (PS3.5 section 6.2) with as many digits as it may have."""
    for digits in range(12, 0, -1):
        text = f"{float(value) + 0.0:.{digits}g}"
        if len(text) <= _CHARACTERS_OF_A_DECIMAL:
            return text
    return "0"
