"""What a reader found: series of images described without their pixels, and with them.

A `Series` is what one row of the studies list and one case of a batch stands for: a volume, a stack of images that is
not a volume (and says why), or a single image. Every file found belongs to exactly one Series or Rejected.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry, Vector


class InputError(Exception):
    """A file or folder that cannot be used. The message names the reason in one line, never a patient."""


class Refusal(InputError):
    """A file that is not damaged, and that this program does not take."""


@dataclass(frozen=True)
class Patient:
    """Who the images belong to. For the banner in the window alone: its repr hides everything."""

    name: str = ""
    patient_id: str = ""
    sex: str = ""
    birth_date: str = ""
    age: str = ""

    def __repr__(self) -> str:
        return "Patient(hidden)"


@dataclass(frozen=True)
class Window:
    """A display window (DICOM PS3.3 C.11.2): values from centre − width/2 to centre + width/2 span black to white.

    curve: the gray (0–255) of evenly spaced values of that span, from a VOI LUT (PS3.3 C.11.2.1.1); empty for a
        straight line.
    sigmoid: the gray follows an S through the window and beyond (VOI LUT Function SIGMOID, PS3.3 C.11.2.1.3.1).
    """

    centre: float
    width: float
    name: str = ""
    curve: bytes = b""
    sigmoid: bool = False

    @property
    def low(self) -> float:
        return self.centre - self.width / 2

    @property
    def high(self) -> float:
        return self.centre + self.width / 2


@dataclass(frozen=True)
class Stored:
    """How the pixels of one slice lie in their file, kept from the scan so that reading parses no header again.

    offset: byte of the first pixel where the pixels are stored natively (uncompressed, little-endian), else None.
    dtype: NumPy name of the stored numbers ("uint16").
    bits: of them that hold the value, from the lowest (DICOM Bits Stored); the others may hold overlays.
    slope, intercept: value = stored × slope + intercept (DICOM PS3.3 C.11.1).
    padding: (lowest, highest) stored number that stands for "no pixel here" (DICOM PS3.3 C.7.5.1.1.2), else None.
    """

    offset: int | None
    dtype: str
    bits: int
    slope: float = 1.0
    intercept: float = 0.0
    padding: tuple[int, int] | None = None


@dataclass(frozen=True)
class SliceInfo:
    """One slice or frame of a series: where its pixels are and what its header says.

    stored: for the reader of this format alone; None where the reader needs none.
    windows: its own windows where they are not those of its series (see `Series.windows_of`), else None.
    """

    file: Path
    frame: int = 0
    sop_uid: str = ""
    instance_number: int | None = None
    position: Vector | None = None
    thickness_mm: float | None = None
    stored: Stored | None = None
    windows: tuple[Window, ...] | None = None


class Shape(StrEnum):
    """What the images of a series are to each other."""

    VOLUME = "volume"  # evenly spaced along one normal: slices can be joined
    STACK = "stack"  # several images that are not a volume: `Series.not_volume` says why
    IMAGE = "image"  # a single image


UNTOLD = ("", "OT", "SC", "XC")
"""Modalities that leave open what an image shows, as a file without any does."""


ULTRASOUND = ("US", "IVUS")
"""Modalities of images that nothing lies behind: loops are stacks in time."""


class State(StrEnum):
    """What a file that is no image to this program is; the words of `cases.csv`."""

    SKIPPED = "skipped"  # not an image at all: a report, a text, a DICOMDIR
    REFUSED = "refused"  # an image that this program does not take
    FAILED = "failed"  # damaged


@dataclass(frozen=True)
class Rejected:
    """A file that gave no image, and why, in one line. data_files: others that belong to it (the .raw of a .mhd)."""

    source: Path
    state: State
    reason: str
    data_files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Series:
    """Images that belong together, without their pixels.

    source: the file, or the folder of a series, as it was given (not resolved).
    format: "dicom", "sitk" (mhd, mha, nrrd, nii) or "image" (PNG, JPEG, BMP, TIFF).
    modality: DICOM modality, "" when unknown.
    geometry: shape (slices, rows, columns); its slice_spacing is None unless `shape` is VOLUME of ≥ 2 slices with
        known spacing.
    dtype, channels: of the pixels that `files.read` will give; channels is 1, or 3 for RGB.
    hounsfield: whether values are Hounsfield units after the rescale.
    not_volume: why a STACK is not a volume; "" otherwise.
    windows: those of the image in the middle, and its VOI LUTs after them, first one first; see `windows_of`.
    inverted: MONOCHROME1: low values are shown bright.
    pixel_aspect: height of a pixel over its width, for the shape of what is drawn where no mm are known.
    ultrasound_regions: mm per pixel (row, column) of the calibrated B-mode region is in `geometry.pixel_spacing`;
        here the pixel rectangles (x0, y0, x1, y1) with the region's data type (DICOM PS3.3 C.8.5.5.1.2), 0 for tissue
        that is no two-dimensional image (M-mode).
    frame_rate: images per second at which a loop is to be played, None where the file does not say.
    colour: whether an RGB image holds true colour (Doppler) and not gray values in three channels; None if unknown
        before the pixels are read.
    warnings: anything the user should know about the input, one line each.
    data_files: files beside those of `slices` that belong to the series (the .raw of a .mhd).
    """

    source: Path
    format: str
    slices: tuple[SliceInfo, ...]
    geometry: Geometry
    shape: Shape
    dtype: np.dtype[np.generic]
    channels: int = 1
    modality: str = ""
    hounsfield: bool = False
    series_uid: str = ""
    study_uid: str = ""
    frame_of_reference_uid: str = ""
    study_date: str = ""
    study_description: str = ""
    description: str = ""
    series_number: int | None = None
    body_part: str = ""
    manufacturer: str = ""
    patient: Patient = field(default_factory=Patient)
    windows: tuple[Window, ...] = ()
    inverted: bool = False
    image_type: tuple[str, ...] = ()
    pixel_aspect: float = 1.0
    ultrasound_regions: tuple[tuple[int, int, int, int, int], ...] = ()
    frame_rate: float | None = None
    colour: bool | None = None
    not_volume: str = ""
    warnings: tuple[str, ...] = ()
    data_files: tuple[Path, ...] = ()

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files of this series, each once, in slice order."""
        return tuple(dict.fromkeys(s.file for s in self.slices))

    def windows_of(self, index: int) -> tuple[Window, ...]:
        """The windows that image `index` names: DICOM lets each image have its own (PS3.3 C.11.2)."""
        own = self.slices[index].windows if index < len(self.slices) else None
        return self.windows if own is None else own

    @cached_property
    def image_numbers(self) -> tuple[int, ...] | None:
        """Instance Number (DICOM) of each image, as readers know them; None where some have none or share one."""
        numbers = [s.instance_number for s in self.slices if s.instance_number is not None]
        return tuple(numbers) if len(set(numbers)) == len(self.slices) else None

    @cached_property
    def case_id(self) -> str:
        """Sixteen hexadecimal digits that name this case without naming the patient or the path."""
        parts = [str(self.source), self.series_uid, *(s.sop_uid for s in self.slices)]
        if self.slices and self.slices[0].file == self.slices[-1].file:
            frames = [s.frame for s in self.slices]
            if sorted(frames) != list(range(len(frames))):
                parts += map(str, frames)  # a part of the frames of a file: the others are another case
        text = "\0".join(parts)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True)
class Volume:
    """A series with its pixels.

    pixels: (slice, row, column), or (frame, row, column, 3) for RGB; C order, slices increasing along their normal;
        Hounsfield units (int16, or float32 for a fractional slope) where `series.hounsfield`.
    """

    series: Series
    pixels: NDArray[np.generic]

    @property
    def geometry(self) -> Geometry:
        return self.series.geometry
