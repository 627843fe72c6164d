"""MetaImage, NRRD and NIfTI by SimpleITK, in DICOM's patient coordinates (LPS; SimpleITK converts NIfTI's RAS).

Pixels that lie uncompressed in their file are read straight into the caller's array. Slices are given increasing along
row × column, as those of DICOM are: a file that stores them the other way round is read backwards.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging import contained
from cadviewer.imaging.faults import cleaned, one_line
from cadviewer.imaging.formats import text_header_checks
from cadviewer.imaging.formats.encoded import Numbers, Stream
from cadviewer.imaging.formats.metaimage import (
    TextHeader,
    nrrd_has_place,
    nrrd_has_slice_spacing,
    nrrd_is_colour,
    nrrd_millimetres,
    nrrd_range_axis,
    read_metaimage,
    read_nrrd,
)
from cadviewer.imaging.formats.nifti import GZIP_FAULTS, NiftiHeader, read_nifti_header
from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.series import InputError, Series, Shape, SliceInfo
from cadviewer.messages import Message

_METAIMAGE = re.compile(rb"\s*(ObjectType|NDims|Comment|ObjectSubType|TransformType|ID)\s*[=:]", re.IGNORECASE)
_READERS = {"metaimage": "MetaImageIO", "nrrd": "NrrdImageIO"}  # kind → SimpleITK's name of what reads it
_AT_ONCE = 4 << 20  # bytes of slices that are asked of the library's process together
_LOOKED_AT = 64  # every so manieth pixel of a slice, to guess what its values are
_SKEW = 1.0  # degrees between rows and columns beyond which a slice is no grid: 1.7 % at its far corner
_TILT = 0.5  # degrees: as of DICOM series, whose slices less tilted are straight
_HU_WARNING = Message("taken as a CT in Hounsfield units, because its values look like them")


def kind_of(head: bytes) -> str | None:
    """ "metaimage", "nrrd" or "nifti" by the first 352 bytes of a file, else None."""
    if _METAIMAGE.match(head) and (b"NDims" in head or b"DimSize" in head):
        return "metaimage"
    if head.startswith(b"NRRD000"):
        return "nrrd"
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 544)
        except zlib.error:
            return None
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    return None


def data_files(file: Path, kind: str) -> tuple[Path, ...]:
    """The other files that belong to this one. Raises InputError, OSError."""
    if kind == "metaimage":
        return read_metaimage(file).data_files
    if kind == "nrrd":
        return read_nrrd(file).data_files
    bare = file.with_suffix("") if file.suffix.lower() == ".gz" else file
    if bare.suffix.lower() == ".hdr":
        names = (bare.with_suffix(f"{img}{gz}") for gz in ("", ".gz", ".GZ") for img in (".img", ".IMG"))
        return tuple(p for p in names if p.exists())[:1]
    return ()


def scan_volume(file: Path, kind: str) -> Series:
    """One file as a series. Raises InputError naming what is wrong, OSError when it cannot be opened."""
    import SimpleITK

    if kind == "nifti":
        return _scan_nifti(file)
    header = _text_header(file, kind)
    for data in header.data_files if header else ():
        if not data.is_file():
            raise InputError(Message("its data file {data} is missing", data=one_line(data.name, 60)))
    if header is not None:
        check = text_header_checks.check_metaimage if kind == "metaimage" else text_header_checks.check_nrrd
        check(header.fields, header.data_files or (file,))
    reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
    reader.SetImageIO(_READERS[kind])  # not by the name of the file
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(
            Message("damaged {suffix} header: {error}", suffix=file.suffix or "image", error=_reason(error))
        ) from error
    size = reader.GetSize()
    channels = reader.GetNumberOfComponents()
    if any(n > 1 for n in size[3:]) or len(size) < 2:
        raise InputError(Message("an image of {size} dimensions", size=len(size)))
    if channels not in (1, 3) or (channels == 3 and kind == "nrrd" and header and not nrrd_is_colour(header)):
        raise InputError(Message("an image of {channels} values for each pixel", channels=channels))
    spacing_known, place_known = _known(kind, header)
    unit = nrrd_millimetres(header) if kind == "nrrd" and header else 1.0
    shape = (size[2] if len(size) > 2 else 1, size[1], size[0])
    try:
        geometry, backwards, tilt = _geometry(
            *_grid(reader, unit or 1.0), shape, len(size), spacing_known and unit is not None, place_known
        )
        if kind == "nrrd" and header and not nrrd_has_slice_spacing(header):
            geometry = replace(geometry, slice_spacing=None)
    except ValueError as error:  # a spacing of zero, a singular direction: SimpleITK lets some of them pass here
        raise InputError(str(error)) from error
    stored = np.dtype(_numpy_type(reader.GetPixelID()))
    numbers = _numbers(header, channels)
    if numbers is not None:
        numbers.check_length(_bytes(numbers, shape, channels), shape[0])
    series = Series(
        source=file,
        format="sitk",
        slices=tuple(SliceInfo(file, shape[0] - 1 - k if backwards else k) for k in range(shape[0])),
        geometry=geometry,
        shape=Shape.IMAGE if shape[0] == 1 else Shape.VOLUME,
        dtype=np.dtype(np.uint8) if channels == 3 else _value_type(stored),
        channels=channels,
        modality="CT" if header and "CT" in header.fields.get("modality", "").upper() else "",
        colour=None if channels == 1 else True,
        warnings=_tilted(tilt),
    )
    if numbers is not None and numbers.direct and channels == 1:
        series = _with_values(series, [_peek(numbers, shape)])
    return series


def _scan_nifti(file: Path) -> Series:
    """See `scan_volume`: from the file's own header."""
    header = _nifti(file)
    if any(n > 1 for n in header.sizes[3:]) or len(header.sizes) < 2:
        raise InputError(Message("an image of {sizes} dimensions", sizes=len(header.sizes)))
    if header.dtype is None:
        raise InputError(Message("an image of a type that this program does not read"))
    if not header.packed:
        header.check_length()
    columns, rows, count = (*header.sizes, 1)[:3]
    shape = (count, rows, columns)
    try:
        geometry, backwards, tilt = _geometry(
            header.axes, header.origin, shape, len(header.sizes), header.spacing_known, header.placed
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    disagreement = (
        Message("its header has two sizes of a voxel: {disagrees} mm is not used", disagrees=header.disagrees)
        if header.disagrees
        else ""
    )
    colour = header.channels == 3
    stored = np.dtype(np.float32) if header.scale else np.dtype(header.dtype).newbyteorder("=")
    return Series(
        source=file,
        format="sitk",
        slices=tuple(SliceInfo(file, count - 1 - k if backwards else k) for k in range(count)),
        geometry=geometry,
        shape=Shape.IMAGE if count == 1 else Shape.VOLUME,
        dtype=np.dtype(np.uint8) if colour else _value_type(stored),
        channels=header.channels,
        colour=True if colour else None,
        warnings=(*_tilted(tilt), *([disagreement] if disagreement else [])),
    )


def _tilted(degrees: float) -> tuple[str, ...]:
    return (
        (Message("its slices are shifted against each other, as by a gantry tilt of {degrees:.1f}°", degrees=degrees),)
        if degrees
        else ()
    )


def read_volume(series: Series, out: NDArray[Any], on_slice: Callable[[int], None], order: Iterable[int]) -> Series:
    """Fills `out`; the series with what only the pixels tell. Raises InputError, OSError."""
    file = series.slices[0].file
    with file.open("rb") as stream:
        kind = kind_of(stream.read(352))
    numbers = _numbers(_text_header(file, kind or ""), series.channels)
    nifti = _nifti(file) if kind == "nifti" else None
    if nifti is not None:
        _read_nifti(nifti, series, out, on_slice, order)
    elif numbers is not None and numbers.direct:
        _read_raw(numbers, series, out, on_slice, order)
    elif numbers is not None:
        _read_encoded(numbers, series, out, on_slice, order)
    else:
        _read_by_library(file, series, out, on_slice, order)
    return series if series.channels == 3 else _with_values(series, [out[len(out) // 2]])


def _nifti(file: Path) -> NiftiHeader:
    pair = data_files(file, "nifti")
    return read_nifti_header(file, pair[0] if pair else None)


def _read_nifti(
    header: NiftiHeader, series: Series, out: NDArray[Any], on_slice: Callable[[int], None], order: Iterable[int]
) -> None:
    """A packed file can only be read from its beginning: its slices come in the order of the file."""
    dtype = np.dtype(header.dtype)
    plane = int(np.prod(out.shape[1:])) * dtype.itemsize
    if header.packed:
        order = sorted(order, key=lambda k: series.slices[k].frame)
    try:
        with header.open() as stream:
            for k in order:
                stream.seek(header.offset + series.slices[k].frame * plane)
                data = stream.read(plane)
                if len(data) < plane:
                    raise InputError(
                        Message("truncated: the file ends within slice {frame}", frame=series.slices[k].frame)
                    )
                values: NDArray[Any] = np.frombuffer(data, dtype).reshape(out.shape[1:])
                if header.scale:
                    slope, intercept = header.scale
                    values = values.astype(np.float64) * slope + intercept
                out[k] = values
                on_slice(k)
    except GZIP_FAULTS as error:
        raise InputError(Message("truncated or damaged: it cannot be unpacked")) from error


def _numbers(header: TextHeader | None, channels: int) -> Numbers | None:
    """Where to read the pixels from; None where the values of a voxel do not lie together: the library reads those."""
    if header is None or (channels > 1 and "dimension" in header.fields and nrrd_range_axis(header) != 0):
        return None
    return header.numbers


def _bytes(numbers: Numbers, shape: tuple[int, ...], channels: int = 1) -> int:
    return math.prod(shape) * channels * np.dtype(numbers.dtype).itemsize


def _read_raw(
    numbers: Numbers, series: Series, out: NDArray[Any], on_slice: Callable[[int], None], order: Iterable[int]
) -> None:
    dtype, file = np.dtype(numbers.dtype), numbers.files[0]
    plane = _bytes(numbers, out.shape[1:])
    offset = numbers.offset(len(out) * plane)
    buffer = np.empty(out.shape[1:], dtype)
    with file.open("rb", buffering=0) as stream:
        for k in order:
            target = out[k] if out.dtype == dtype and out.flags.c_contiguous else buffer
            stream.seek(offset + series.slices[k].frame * plane)
            if stream.readinto(memoryview(target.view(np.uint8).data).cast("B")) != plane:
                raise InputError(
                    Message("truncated: {file} ends within slice {frame}", file=file.name, frame=series.slices[k].frame)
                )
            if target is buffer:
                out[k] = _shown(buffer)
            on_slice(k)


def _read_encoded(
    numbers: Numbers, series: Series, out: NDArray[Any], on_slice: Callable[[int], None], order: Iterable[int]
) -> None:
    """From the beginning on, in the order of the file."""
    plane = _bytes(numbers, out.shape[1:])
    stream = Stream(numbers, len(out) * plane)
    for k in sorted(order, key=lambda k: series.slices[k].frame):
        out[k] = _shown(np.frombuffer(stream.read(plane), numbers.dtype).reshape(out.shape[1:]))
        on_slice(k)


def _shown(plane: NDArray[Any]) -> NDArray[Any]:
    """Values as they are; of colour the upper 8 bits."""
    if plane.ndim == 3 and plane.dtype.itemsize > 1:
        plane = plane >> 8 * (plane.dtype.itemsize - 1) if plane.dtype.kind == "u" else np.clip(plane, 0, 255)
    return plane


class LibraryImage:
    """The pixels of a file that only the library can read. Raises InputError when it cannot."""

    def __init__(self, file: Path, shape: tuple[int, ...]) -> None:
        import SimpleITK

        try:
            with file.open("rb") as stream:
                kind = kind_of(stream.read(352))
            image = SimpleITK.ReadImage(str(file), imageIO=_READERS.get(kind or "", ""))
        except RuntimeError as error:
            raise InputError(Message("damaged: {error}", error=_reason(error))) from error
        self._image = image  # the view lives as long as it does
        self._pixels = SimpleITK.GetArrayViewFromImage(image)
        if self._pixels.size != math.prod(shape):
            raise InputError(Message("the file has changed since it was found"))
        self._pixels = self._pixels.reshape(shape)

    def planes(self, wanted: list[int]) -> list[NDArray[Any]]:
        """Slices by their number in the file; colour as bytes."""
        return [self._plane(k) for k in wanted]

    def _plane(self, k: int) -> NDArray[Any]:
        return np.ascontiguousarray(_shown(self._pixels[k]))


def _read_by_library(
    file: Path, series: Series, out: NDArray[Any], on_slice: Callable[[int], None], order: Iterable[int]
) -> None:
    with contained.opened(f"{__name__}:LibraryImage", file, out.shape, size=out.nbytes) as image:
        wanted = list(order)
        several = max(1, _AT_ONCE // max(1, out[0].nbytes))
        parts = [wanted[:1], *(wanted[k : k + several] for k in range(1, len(wanted), several))]
        for part in parts:  # the first by itself: somebody waits for it
            for k, plane in zip(part, image.ask("planes", [series.slices[k].frame for k in part]), strict=True):
                out[k] = plane
                on_slice(k)


def _text_header(file: Path, kind: str) -> TextHeader | None:
    if kind == "metaimage":
        return read_metaimage(file)
    return read_nrrd(file) if kind == "nrrd" else None


def _known(kind: str, header: TextHeader | None) -> tuple[bool, bool]:
    """Whether the file itself says its spacing, and its place in the patient."""
    if kind == "metaimage" and header is not None:
        return header.has("elementspacing", "elementsize"), header.has("offset", "position", "origin")
    if kind == "nrrd" and header is not None:
        return header.has("spacings", "space directions"), nrrd_has_place(header)
    return False, False


def _grid(reader: Any, unit: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(axes, origin) of a header, as in `NiftiHeader`. unit: mm of its unit of length."""
    count = len(reader.GetSize())
    steps = np.ones(3)
    steps[: min(count, 3)] = reader.GetSpacing()[:3]
    matrix = np.eye(3)
    given = np.array(reader.GetDirection(), float).reshape(count, count)
    matrix[: min(count, 3), : min(count, 3)] = given[:3, :3]
    origin = np.zeros(3)
    origin[: min(count, 3)] = reader.GetOrigin()[:3]
    return unit * matrix * steps, unit * origin


def _geometry(
    axes: NDArray[np.float64],
    origin: NDArray[np.float64],
    shape: tuple[int, int, int],
    dimensions: int,
    spacing_known: bool,
    place_known: bool,
) -> tuple[Geometry, bool, float]:
    """The grid in LPS, whether its slices are stored against their normal, and by how many degrees they are tilted.

    axes: (3, 3) columns, mm from one voxel to the next along column, row and slice, of any length and angle: the
    distance of slices is that along their normal. Raises ValueError for rows that are not at right angles to columns.
    """
    x, y, step = (float(v) for v in np.linalg.norm(axes, axis=0))
    pixel_spacing = (y, x) if spacing_known else None
    if dimensions < 3:
        return Geometry(shape, pixel_spacing), False, 0.0
    if not all(math.isfinite(v) and v > 0 for v in (x, y, step)):
        raise ValueError(f"voxel spacing must be finite and positive, not ({x:g}, {y:g}, {step:g})")
    matrix = axes / (x, y, step)
    skew = abs(90 - math.degrees(math.acos(float(np.clip(matrix[:, 0] @ matrix[:, 1], -1, 1)))))
    if skew > _SKEW:
        raise ValueError(f"its rows and columns are not at right angles but off by {skew:.1f}°")
    backwards = bool(np.linalg.det(matrix) < 0)
    if backwards:
        origin = origin + axes[:, 2] * (shape[0] - 1)
        matrix = matrix * (1, 1, -1)
    # Columns within the tolerance of a right angle to the rows are set upright: a grid has no angle of its own.
    upright = matrix[:, 1] - (matrix[:, 1] @ matrix[:, 0]) * matrix[:, 0]
    matrix[:, 1] = upright / np.linalg.norm(upright)
    normal = np.cross(matrix[:, 0], matrix[:, 1])
    along = float(np.clip(matrix[:, 2] @ normal, 0, 1))
    tilt = math.degrees(math.acos(along)) if place_known and shape[0] > 1 else 0.0
    if tilt > _TILT:
        step *= along
        matrix = np.column_stack((matrix[:, 0], matrix[:, 1], normal))
    direction = (_vector(matrix[:, 2]), _vector(matrix[:, 1]), _vector(matrix[:, 0]))
    geometry = Geometry(
        shape,
        pixel_spacing,
        step if spacing_known and shape[0] > 1 else None,
        _vector(origin) if place_known else None,
        direction if place_known else None,
    )
    return geometry, backwards, tilt if tilt > _TILT else 0.0


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(v) + 0.0 for v in values)
    return x, y, z


def _numpy_type(pixel_id: int) -> Any:
    import SimpleITK as sitk_library

    SimpleITK: Any = sitk_library
    names = {
        SimpleITK.sitkUInt8: np.uint8,
        SimpleITK.sitkInt8: np.int8,
        SimpleITK.sitkUInt16: np.uint16,
        SimpleITK.sitkInt16: np.int16,
        SimpleITK.sitkUInt32: np.uint32,
        SimpleITK.sitkInt32: np.int32,
        SimpleITK.sitkUInt64: np.uint64,
        SimpleITK.sitkInt64: np.int64,
        SimpleITK.sitkFloat32: np.float32,
        SimpleITK.sitkFloat64: np.float64,
        SimpleITK.sitkVectorUInt8: np.uint8,
        SimpleITK.sitkVectorUInt16: np.uint16,
    }
    if pixel_id not in names:
        raise InputError(
            Message(
                "an image of {kind}",
                kind=SimpleITK.GetPixelIDValueAsString(pixel_id),
            )
        )
    return names[pixel_id]


def _value_type(stored: np.dtype[Any]) -> np.dtype[Any]:
    if stored in (np.uint8, np.int16, np.uint16):
        return stored
    return np.dtype(np.int16 if stored == np.int8 else np.float32)


def _peek(numbers: Numbers, shape: tuple[int, int, int]) -> NDArray[Any]:
    """The middle slice as stored."""
    dtype, plane = np.dtype(numbers.dtype), shape[1] * shape[2]
    offset = numbers.offset(_bytes(numbers, shape)) + shape[0] // 2 * plane * dtype.itemsize
    return np.fromfile(numbers.files[0], dtype, plane, offset=offset)


def _with_values(series: Series, samples: list[NDArray[Any]]) -> Series:
    """Says that values are Hounsfield units where they cannot well be anything else."""
    if series.hounsfield or not all(_looks_like_hounsfield(s) for s in samples):
        return series
    warnings = series.warnings if series.modality == "CT" else (*series.warnings, _HU_WARNING)
    return replace(series, hounsfield=True, modality="CT", warnings=warnings)


def _looks_like_hounsfield(values: NDArray[Any]) -> bool:
    """Air near −1000 (or padding below it) and soft tissue around 0, both common, as in a slice through a body."""
    if values.dtype.kind == "u" or values.size < 64:
        return False
    sample = values.reshape(-1)[:: max(1, min(_LOOKED_AT, values.size // 4096))]
    sample = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample  # NaN outside the field of view
    if not sample.size:
        return False
    air = float((sample <= -900).mean())
    tissue = float(((sample > -200) & (sample < 300)).mean())
    return air > 0.05 and tissue > 0.05 and float(sample.min()) >= -10000 and float(sample.max()) <= 32767


def _reason(error: RuntimeError) -> str:
    """The last line of what ITK says, without the paths and values that it repeats."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = cleaned(lines[-1]) if lines else Message("it cannot be read")
    text = re.sub(r"^(ITK ERROR:|itk::ERROR:)\s*", "", text)
    return re.sub(r"\(0x[0-9a-fA-F]+\)", "", text)  # the address of an object in memory
