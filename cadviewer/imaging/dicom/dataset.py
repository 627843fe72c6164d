"""What needs pydicom: unusual encodings, functional groups, ultrasound regions, texts in unusual character sets.

Its import takes 0.3 s and a header 1 ms, so a plain series is found and read without it (`dicom_header`).
"""

from __future__ import annotations

import logging
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydicom
import pydicom.config
import pydicom.errors
import pydicom.uid
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from cadviewer.imaging.dicom import codecs, deflated
from cadviewer.imaging.dicom import header as dh
from cadviewer.imaging.dicom.fragments import without_wrong_offsets
from cadviewer.imaging.dicom.frames import Frame, orientation, pixel_spacing, positive, stored_of, vector
from cadviewer.imaging.dicom.header import Header
from cadviewer.imaging.faults import cleaned
from cadviewer.imaging.series import InputError, Window
from cadviewer.messages import Message

_CENTIMETRES = 3  # PhysicalUnits of an ultrasound region, PS3.3 C.8.5.5.1.15
_TISSUE = 1  # RegionDataType
_COLOUR_FLOW = 2  # drawn over tissue, in its scale
_PLANE = 1  # RegionSpatialFormat 2D

# pydicom quotes values that are not as the standard wants them, names of patients too: it is not to say so.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")

FAULTS = (
    pydicom.errors.InvalidDicomError,
    pydicom.errors.BytesLengthException,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    NotImplementedError,
    IndexError,
    RuntimeError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What pydicom and its plug-ins raise over damaged files, also when an element is only looked at: not of one kind."""

_OWN = (
    ("MREchoSequence", "EffectiveEchoTime", dh.ECHO_TIME),
    ("MRDiffusionSequence", "DiffusionBValue", dh.B_VALUE),
    ("MRModifierSequence", "InversionTimes", dh.INVERSION_TIME),
    ("MRImageFrameTypeSequence", "FrameType", dh.IMAGE_TYPE),
    ("CTImageFrameTypeSequence", "FrameType", dh.IMAGE_TYPE),
    ("CTReconstructionSequence", "ConvolutionKernel", dh.KERNEL),
    ("CTXRayDetailsSequence", "KVP", dh.KVP),
    ("FrameContentSequence", "TemporalPositionIndex", dh.TEMPORAL_POSITION),
    ("FrameContentSequence", "StackID", dh.STACK),
    ("FrameContentSequence", "FrameAcquisitionNumber", dh.ACQUISITION_NUMBER),
    ("PixelValueTransformationSequence", "RescaleIntercept", dh.INTERCEPT),
    ("PixelValueTransformationSequence", "RescaleType", dh.RESCALE_TYPE),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", dh.TRIGGER_TIME),
)
"""Functional group, its element, and the element of a single image that says the same."""

_ESCAPES = re.compile(r"\x1b[$()\-]{1,2}[0-9A-Za-z]?")
"""Switches of character set (ISO 2022) that pydicom leaves in a text: of ISO 2022 IR 58, for one."""

_T = TypeVar("_T")
UltrasoundRegions = tuple[tuple[int, int, int, int, int], ...]


def read_dataset(file: Path, *, pixels: bool = False) -> FileDataset:
    """The whole header by pydicom, with `pixels` the pixel data too.

    Raises InputError when the file is not DICOM or is damaged, OSError when it cannot be opened.
    """
    deflated.check(file)
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=not pixels, force=True)
    except EOFError as error:
        raise InputError(Message("truncated: the file ends within its header")) from error
    except FAULTS as error:
        # Its own words may quote values, and so a patient: only their kind is told.
        raise InputError(Message("damaged DICOM header ({kind})", kind=type(error).__name__)) from error
    if len(dataset) == 0:
        raise InputError(Message("damaged: a DICOM file without any element"))
    element = dataset.get(dh.PIXEL_DATA) if pixels else None
    if element is not None and element.is_undefined_length and isinstance(element.value, bytes):
        element.value = without_wrong_offsets(element.value, _frame_count(dataset))
    return dataset


def _frame_count(dataset: FileDataset) -> int:
    try:
        return int(dataset.get("NumberOfFrames") or 1)
    except FAULTS:
        return 1


def read_header(file: Path, size: int) -> Header:
    """The header as `imaging.dicom.reader.read_header` gives it, of any encoding. Raises InputError, OSError."""
    dataset = read_dataset(file)
    values = {tag: text for tag in dh.WANTED if (text := _text(dataset, tag)) is not None}
    sequences = frozenset(tag for tag in dh.SEQUENCES if tag in dataset)
    # Stopped before the pixels: whether there are any is only known by looking on.
    whole = read_dataset(file, pixels=True)
    in_floats = any(tag in whole for tag in dh.FLOAT_PIXELS)
    return Header(file, size, syntax_of(dataset), values, sequences, dh.PIXEL_DATA in whole, float_pixels=in_floats)


def words_of(file: Path) -> dict[int, str]:
    """Names and descriptions of a file whose character set only pydicom knows. Raises InputError, OSError."""
    dataset = read_dataset(file)
    return {tag: text for tag in dh.WORDS if (text := _text(dataset, tag))}


def syntax_of(dataset: FileDataset) -> str:
    """The transfer syntax, taken from how the file was encoded where its meta header does not say."""
    meta = getattr(dataset, "file_meta", None)
    named = str(meta.get("TransferSyntaxUID", "") or "") if meta is not None else ""
    if named:
        return named
    implicit, little = dataset.original_encoding
    if implicit is None or implicit:
        return dh.IMPLICIT
    return dh.EXPLICIT if little in (None, True) else dh.BIG_ENDIAN


def frames_of(plain: Frame, count: int) -> list[Frame]:
    """The frames of a file with functional groups (PS3.3 C.7.6.16). Raises InputError when they are damaged."""
    dataset = read_dataset(plain.header.file)
    try:
        shared = _first(dataset, "SharedFunctionalGroupsSequence")
        groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
        return [_from_group(plain, k, groups[k] if k < len(groups) else Dataset(), shared) for k in range(count)]
    except FAULTS as error:
        raise InputError(Message("damaged: functional groups cannot be read")) from error


def _from_group(plain: Frame, index: int, group: Dataset, shared: Dataset) -> Frame:
    def item(sequence: str) -> Dataset:
        own = _first(group, sequence)
        return own if len(own) else _first(shared, sequence)

    measures = item("PixelMeasuresSequence")
    rescale = item("PixelValueTransformationSequence")
    slope = _numbers(rescale.get("RescaleSlope")) or (plain.stored.slope,)
    intercept = _numbers(rescale.get("RescaleIntercept")) or (plain.stored.intercept,)
    return replace(
        plain,
        index=index,
        stored=stored_of(plain.header, index, plain.colour, slope[0], intercept[0]),
        position=vector(_numbers(item("PlanePositionSequence").get("ImagePositionPatient"))) or plain.position,
        orientation=orientation(_numbers(item("PlaneOrientationSequence").get("ImageOrientationPatient")))
        or plain.orientation,
        spacing=pixel_spacing(_numbers(measures.get("PixelSpacing"))) or plain.spacing,
        thickness=positive(_numbers(measures.get("SliceThickness"))) or plain.thickness,
        own={tag: text for sequence, name, tag in _OWN if (text := _value_text(item(sequence).get(name)))},
    )


def ultrasound(file: Path) -> tuple[UltrasoundRegions, tuple[float, float] | None, bool]:
    """Pixel rectangles of the regions; mm per pixel (row, column) where all that show tissue agree; whether they do.

    Tissue in another spatial format than two dimensions has data type 0 here. DICOM PS3.3 C.8.5.5. Raises InputError,
    OSError.
    """
    regions: list[tuple[int, int, int, int, int]] = []
    spacings: set[tuple[float, float]] = set()
    for item in _items(read_dataset(file), "SequenceOfUltrasoundRegions"):
        try:
            x0, y0 = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
            x1, y1 = int(item.RegionLocationMaxX1), int(item.RegionLocationMaxY1)
            kind = int(item.get("RegionDataType", 0))
            flat = item.get("RegionSpatialFormat") == _PLANE
            if kind == _TISSUE and not flat and item.get("RegionSpatialFormat") is not None:
                kind = 0  # tissue over time (M-mode), spectra, graphics: no image of tissue
            units = (item.get("PhysicalUnitsYDirection"), item.get("PhysicalUnitsXDirection"))
            delta = _numbers(item.get("PhysicalDeltaY")) + _numbers(item.get("PhysicalDeltaX"))
        except FAULTS:
            continue
        regions.append((x0, y0, x1, y1, kind))
        if (
            kind in (_TISSUE, _COLOUR_FLOW)
            and flat
            and units == (_CENTIMETRES, _CENTIMETRES)
            and len(delta) == 2
            and all(delta)
        ):
            spacings.add((round(abs(delta[0]) * 10, 9), round(abs(delta[1]) * 10, 9)))
    agree = len(spacings) < 2
    return tuple(regions), next(iter(spacings), None) if agree else None, agree


def group_windows(file: Path) -> list[tuple[Window, ...]]:
    """Display windows of each frame from functional groups; of fewer groups than frames, the shared ones are last.

    A frame's own group comes before the shared one (PS3.3 C.7.6.16.1).
    """
    dataset = read_dataset(file)
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    return [
        _frame_windows(_first(group, "FrameVOILUTSequence") or _first(shared, "FrameVOILUTSequence"))
        for group in (*_items(dataset, "PerFrameFunctionalGroupsSequence"), Dataset())
    ]


def _frame_windows(item: Dataset) -> tuple[Window, ...]:
    centres, widths = _numbers(item.get("WindowCenter")), _numbers(item.get("WindowWidth"))
    sigmoid = str(item.get("VOILUTFunction", "")).upper() == "SIGMOID"
    windows = tuple(Window(c, w, sigmoid=sigmoid) for c, w in zip(centres, widths, strict=False) if w > 0)
    return windows + _luts(item, negative=True)


def voi_luts(file: Path) -> tuple[Window, ...]:
    """The tables of a VOI LUT Sequence (PS3.3 C.11.2.1.1) as windows with a curve. Raises InputError, OSError."""
    dataset = read_dataset(file)
    intercept = _numbers(dataset.get("RescaleIntercept")) or (0.0,)
    signed = _or(lambda: int(dataset.get("PixelRepresentation", 0) or 0), 0)
    return _luts(dataset, negative=bool(signed) or intercept[0] < 0)


def _luts(dataset: Dataset, *, negative: bool) -> tuple[Window, ...]:
    """negative: whether values can be; then a first value beyond 32767 is one (its VR depends on other elements)."""
    return tuple(
        window
        for item in _items(dataset, "VOILUTSequence")
        if (window := _or(lambda item=item: _lut(item, negative), None)) is not None  # type: ignore[misc]
    )


def _lut(item: Dataset, negative: bool) -> Window | None:
    """None for a table that is not as the standard wants it: it is left out, as if it were not there."""
    count, first, bits = (int(v) for v in item.LUTDescriptor)
    count = count or 65536
    first = first - 65536 if negative and first > 32767 else first
    data = item.LUTData
    if isinstance(data, bytes):
        values = np.frombuffer(data, "<u2" if len(data) >= 2 * count else np.uint8)[:count]
    else:
        values = np.asarray(data)[:count]
    if len(values) != count or count < 2 or not 8 <= bits <= 16:
        return None
    gray = np.clip(np.rint(values.astype(float) * (255 / (2**bits - 1))), 0, 255).astype(np.uint8)
    name = " ".join(str(item.get("LUTExplanation", "") or "").split())
    return Window(first + (count - 1) / 2, count - 1, name, gray.tobytes())


def decode(dataset: FileDataset, frame: int) -> NDArray[Any]:
    """One frame: stored numbers, or values where a table gives them, (rows, columns); or 8-bit RGB (rows, columns, 3).

    Raises InputError naming what is damaged.
    """
    try:
        array = _decode_stored(dataset, frame)
        palette = str(dataset.get("PhotometricInterpretation", "")) == "PALETTE COLOR"
        if palette:
            array = apply_color_lut(array, dataset)
        if array.ndim == 2 and "ModalityLUTSequence" in dataset:
            array = apply_modality_lut(array, dataset)
        if array.ndim == 3 and array.dtype != np.uint8:  # colour is for looking at: the upper 8 bits of more
            bits = 8 * array.dtype.itemsize
            bits = _palette_bits(dataset) if palette else int(dataset.get("BitsStored", bits) or bits)
            array = (array >> max(bits - 8, 0)).astype(np.uint8)
    except FAULTS as error:
        raise InputError(
            Message("damaged pixels: {fault}", fault=cleaned(str(error), 200) or type(error).__name__)
        ) from error
    return array


def _decode_stored(dataset: FileDataset, frame: int) -> NDArray[Any]:
    """`codecs.decode`; stored bits further up in the word of a native image are brought down, which pydicom leaves to
    its caller (High Bit above Bits Stored − 1, which PS3.5 8.1.1 no longer allows)."""
    syntax = syntax_of(dataset)
    stored, high = dataset.get("BitsStored"), dataset.get("HighBit")
    below = high - stored + 1 if stored and high is not None and syntax not in codecs.COMPRESSED else 0
    if below <= 0 or high >= (dataset.get("BitsAllocated") or 0):
        return codecs.decode(dataset, syntax, frame)
    dataset.BitsStored = high + 1
    try:
        return codecs.decode(dataset, syntax, frame) >> below
    finally:
        dataset.BitsStored = stored


def _palette_bits(dataset: Dataset) -> int:
    """Bits of the values in tables of 16-bit words: eight may be in the low byte of each, as the descriptor says, or in
    the high one, as some write them (PS3.3 C.7.6.3.1.5)."""
    if dataset.RedPaletteColorLookupTableDescriptor[2] != 8:
        return 16
    tables = [dataset.get(f"{colour}PaletteColorLookupTableData", b"") for colour in ("Red", "Green", "Blue")]
    words = [np.frombuffer(table, "<u2") for table in tables]
    return 8 if max(int(w.max(initial=0)) for w in words) < 256 else 16


def _text(dataset: Dataset, tag: int) -> str | None:
    if tag not in dataset or tag in dh.SEQUENCES:
        return None
    try:
        text = _value_text(dataset[tag].value)
    except FAULTS:
        return None  # one bad element is as good as none
    return _ESCAPES.sub("", text) if tag in dh.WORDS else text


def _value_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, MultiValue | list):
        return "\\".join(str(v).strip("\0 ") for v in value)
    return str(value).strip("\0 ")


def _first(dataset: Dataset, sequence: str) -> Dataset:
    items = dataset.get(sequence)
    return items[0] if items else Dataset()


def _items(dataset: Dataset, name: str) -> list[Dataset]:
    return _or(lambda: list(dataset.get(name) or []), [])


def _numbers(value: Any) -> tuple[float, ...]:
    """Finite numbers of an element's value; empty when one of them is none."""

    def read() -> tuple[float, ...]:
        found = tuple(float(v) for v in value) if hasattr(value, "__iter__") else (float(value),)
        return found if all(np.isfinite(found)) else ()

    return _or(read, ()) if value is not None else ()


def _or(work: Callable[[], _T], default: _T) -> _T:
    try:
        return work()
    except FAULTS:
        return default
