"""Volumes with headers of every kind, as Hypothesis draws them: what they hold is known, how it is written differs."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from numpy.typing import NDArray

Floats = NDArray[np.float64]

INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4")
FLOATS = ("f4", "f8")


@dataclass(frozen=True)
class Made:
    """file: to open. pixels: (slice, row, column) values. axes: (3, 3) LPS mm from one voxel to the next along column,
    row and slice, in columns; origin: LPS mm of the first voxel. described: what was drawn, for a failure."""

    file: Path
    pixels: Floats
    axes: Floats
    origin: Floats
    described: str


@dataclass(frozen=True)
class Scene:
    """What a volume holds, whatever it is written as. numbers: as stored."""

    numbers: NDArray[np.generic]
    spacing: Floats
    rotation: Floats
    origin: Floats
    big: bool

    @property
    def axes(self) -> Floats:
        return np.asarray(self.rotation * self.spacing, float)

    @property
    def stored(self) -> bytes:
        return self.numbers.astype(self.numbers.dtype.newbyteorder(">" if self.big else "<")).tobytes()


def _rotation(draw: DrawFn) -> Floats:
    """Columns are directions: axes turned over in any way, and sometimes oblique."""
    order = draw(st.permutations([0, 1, 2]))
    signs = draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3))
    turned = np.zeros((3, 3))
    for column, (row, sign) in enumerate(zip(order, signs, strict=True)):
        turned[row, column] = sign
    if draw(st.booleans()):
        a, b = (np.deg2rad(draw(st.floats(-40, 40))) for _ in range(2))
        about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
        turned = about_x @ about_z @ turned
    return turned


@st.composite
def scenes(draw: DrawFn, types: tuple[str, ...], *, right_handed: bool = False) -> Scene:
    shape = tuple(draw(st.integers(2, 5)) for _ in range(3))
    kind = np.dtype(draw(st.sampled_from(types)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind.kind == "f":
        numbers = generator.normal(0, 300, shape).astype(kind)
    else:
        limits = np.iinfo(kind.name)
        low, high = max(limits.min, -3000), min(limits.max, 30000)
        numbers = generator.integers(low, high, shape, endpoint=True).astype(kind)
    spacing = np.array([draw(st.floats(0.3, 6)) for _ in range(3)])
    origin = np.array([draw(st.floats(-400, 400)) for _ in range(3)])
    rotation = _rotation(draw)
    if right_handed and np.linalg.det(rotation) < 0:
        rotation = rotation * np.array([1.0, 1.0, -1.0])
    return Scene(numbers, spacing, rotation, origin, draw(st.booleans()))


def _text(values: Floats) -> str:
    return " ".join(repr(float(v)) for v in np.ravel(values))


_META = {"u1": "MET_UCHAR", "i1": "MET_CHAR", "u2": "MET_USHORT", "i2": "MET_SHORT", "u4": "MET_UINT"}
_META |= {"i4": "MET_INT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}


@st.composite
def metaimages(draw: DrawFn, folder: Path) -> Made:
    scene = draw(scenes((*INTEGERS, *FLOATS)))
    matrix = draw(st.sampled_from(["TransformMatrix", "Rotation", "Orientation"]))
    place = draw(st.sampled_from(["Offset", "Position", "Origin"]))
    order = draw(st.sampled_from(["BinaryDataByteOrderMSB", "ElementByteOrderMSB"]))
    packed, local, skip = draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from([0, 7]))
    data = scene.stored
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        f"{order} = {scene.big}",
        f"{matrix} = {_text(scene.rotation.T)}",
        f"{place} = {_text(scene.origin)}",
        f"ElementSpacing = {_text(scene.spacing)}",
        "DimSize = " + " ".join(map(str, scene.numbers.shape[::-1])),
        f"ElementType = {_META[scene.numbers.dtype.str[1:]]}",
    ]
    if packed:
        import zlib

        data = zlib.compress(data)
        lines += ["CompressedData = True", f"CompressedDataSize = {len(data)}"]
    elif not local and skip:
        lines.append(f"HeaderSize = {skip}")
        data = b"\0" * skip + data
    name = "LOCAL" if local else "a.raw"
    head = "\n".join([*lines, f"ElementDataFile = {name}"]) + "\n"
    file = folder / ("a.mha" if local else "a.mhd")
    file.write_bytes(head.encode() + (data if local else b""))
    if not local:
        (folder / "a.raw").write_bytes(data)
    described = f"{head}"
    return Made(file, scene.numbers.astype(float), scene.axes, scene.origin, described)


_NRRD = {"u1": "uchar", "i1": "signed char", "u2": "unsigned short", "i2": "short", "u4": "unsigned int"}
_NRRD |= {"i4": "int", "f4": "float", "f8": "double"}
_SPACES = {"left-posterior-superior": (1, 1, 1), "right-anterior-superior": (-1, -1, 1), "LAS": (1, -1, 1)}


@st.composite
def nrrds(draw: DrawFn, folder: Path) -> Made:
    scene = draw(scenes((*INTEGERS, *FLOATS)))
    space = draw(st.sampled_from(list(_SPACES)))
    encoding = draw(st.sampled_from(["raw", "gzip", "gz", "ascii", "hex"]))
    detached = draw(st.booleans())
    into = np.array(_SPACES[space], float)
    data = scene.stored
    if encoding in ("gzip", "gz"):
        data = gzip.compress(data)
    elif encoding == "hex":
        data = data.hex().encode()
    elif encoding == "ascii":
        data = " ".join(repr(v.item()) for v in scene.numbers.ravel()).encode()
    vectors = " ".join("(" + ",".join(repr(float(v)) for v in column) + ")" for column in (scene.axes.T * into))
    lines = [
        "NRRD0004",
        "# made for a test",
        f"type: {_NRRD[scene.numbers.dtype.str[1:]]}",
        "dimension: 3",
        f"space: {space}",
        "sizes: " + " ".join(map(str, scene.numbers.shape[::-1])),
        f"space directions: {vectors}",
        f"endian: {'big' if scene.big else 'little'}",
        f"encoding: {encoding}",
        "space origin: (" + ",".join(repr(float(v)) for v in scene.origin * into) + ")",
    ]
    if draw(st.booleans()):
        lines.append("kinds: domain domain domain")
    if detached:
        lines.append("data file: a.raw")
        (folder / "a.raw").write_bytes(data)
    file = folder / ("a.nhdr" if detached else "a.nrrd")
    file.write_bytes("\n".join(lines).encode() + b"\n" + (b"" if detached else b"\n" + data))
    return Made(file, scene.numbers.astype(float), scene.axes, scene.origin, "\n".join(lines))


_NIFTI = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
_RAS = np.array([-1.0, -1.0, 1.0])


def _quaternion(rotation: Floats) -> tuple[float, float, float]:
    """(b, c, d) of a proper rotation with a ≥ 0."""
    from scipy.spatial.transform import Rotation

    b, c, d, a = Rotation.from_matrix(rotation).as_quat()
    return (b, c, d) if a >= 0 else (-b, -c, -d)


NIFTI_MM = {0: 1.0, 2: 1.0, 1: 1000.0, 3: 0.001}
"""Millimetres in the unit of length of a NIfTI header by its code (`NIFTI_UNITS_…`); not said is taken as mm."""


@st.composite
def niftis(draw: DrawFn, folder: Path) -> Made:
    scene = draw(scenes((*INTEGERS, *FLOATS)))
    second, packed, pair = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    by = draw(st.sampled_from(["sform", "qform", "both"]))
    slope, intercept = draw(st.sampled_from([(0.0, 0.0), (1.0, 0.0), (2.5, -1000.0), (1.0, -1024.0)]))
    rotation, origin = _RAS[:, None] * scene.rotation, _RAS * scene.origin
    axes = rotation * scene.spacing
    factor = 1.0
    proper = rotation
    if np.linalg.det(rotation) < 0:
        factor, proper = -1.0, rotation * np.array([1.0, 1.0, -1.0])
    b, c, d = _quaternion(proper)
    e = ">" if scene.big else "<"
    shape = scene.numbers.shape[::-1]
    dims = [draw(st.sampled_from([3, 4, 5])), *shape, 1, 1, 1, 1]
    units = draw(st.sampled_from(list(NIFTI_MM)))
    axes, origin = axes / NIFTI_MM[units], origin / NIFTI_MM[units]
    pixdim = [factor, *(scene.spacing / NIFTI_MM[units]), 0, 0, 0, 0]
    size, code = scene.numbers.dtype.itemsize * 8, _NIFTI[scene.numbers.dtype.str[1:]]
    qcode, scode = int(by != "sform"), int(by != "qform")
    rows = [[*axes[k], origin[k]] for k in range(3)]
    head_size = 540 if second else 348
    offset = 0 if pair else head_size + 4
    if second:
        magic = b"ni2\0\r\n\032\n" if pair else b"n+2\0\r\n\032\n"
        head = struct.pack(e + "i8shh8q3d8dq2d4d2q", 540, magic, code, size, *dims, 0, 0, 0, *pixdim, offset, slope,
                           intercept, 0, 0, 0, 0, 0, 0)  # fmt: skip
        head += b"\0" * (80 + 24)
        head += struct.pack(e + "2i6d", qcode, scode, b, c, d, *origin)
        head += struct.pack(e + "12d", *np.ravel(rows)) + struct.pack(e + "3i", 0, units, 0)
        head += b"\0" * (540 - len(head))
    else:
        head = struct.pack(e + "i10s18sihcB8h3fhhhh8ffffhBB4f2i", 348, b"", b"", 0, 0, b"r", 0, *dims, 0, 0, 0, 0, code,
                           size, 0, *pixdim, float(offset), slope, intercept, 0, 0, units, *[0] * 6)  # fmt: skip
        head += b"\0" * (80 + 24)
        head += struct.pack(e + "2h6f", qcode, scode, b, c, d, *origin) + struct.pack(e + "12f", *np.ravel(rows))
        head += b"\0" * 16 + (b"ni1\0" if pair else b"n+1\0")
    assert len(head) == head_size, len(head)
    tail = ".gz" if packed else ""
    write = lambda path, data: path.write_bytes(gzip.compress(data) if packed else data)  # noqa: E731
    if pair:
        file = folder / f"a.hdr{tail}"
        write(file, head)
        write(folder / f"a.img{tail}", scene.stored)
    else:
        file = folder / f"a.nii{tail}"
        write(file, head + b"\0" * 4 + scene.stored)
    values = scene.numbers.astype(float)
    values = values * slope + intercept if slope else values
    described = f"NIfTI-{2 if second else 1} {by} units {units} {dims[0]}-D "
    described += f"{scene.numbers.dtype} {e} slope {slope} pair {pair} packed {packed}"
    return Made(file, values, scene.axes, scene.origin, described)


_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5",
             "1.2.840.10008.1.2.1.99")  # fmt: skip
"""Implicit and explicit little-endian, big-endian, RLE, deflated."""


@st.composite
def dicoms(draw: DrawFn, folder: Path) -> Made:
    """A CT of several files, with any number of bits, signed or not, rescaled, and in any direction of its axes."""
    import pydicom
    from dicom_made import write

    scene = draw(scenes(("i2",), right_handed=True))
    signed = draw(st.booleans())
    syntax = draw(st.sampled_from(_SYNTAXES))
    packed = syntax == _SYNTAXES[3]
    allocated = draw(st.sampled_from([8, 16] if packed else [8, 16, 32]))
    # pydicom, which the files are compared by, takes RLE of as many bytes as the stored bits need
    stored = draw(st.integers(allocated - 7 if packed else max(6, allocated // 2), allocated))
    slope, intercept = draw(st.sampled_from([(1, -1024), (1, 0), (2, -1000), (0.5, 10)]))
    kind = np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")
    low, high = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    low, high = max(low, -15000), min(high, 15000)  # Hounsfield units end at those of 16 bits
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    numbers = generator.integers(low, high, scene.numbers.shape, endpoint=True).astype(kind)
    inverted = draw(st.booleans())
    for k, plane in enumerate(numbers):
        bits = plane.astype(kind).view(f"u{allocated // 8}") & np.array((1 << stored) - 1, f"u{allocated // 8}")
        raw = bits.astype(bits.dtype.newbyteorder(">" if syntax == _SYNTAXES[2] else "<"))
        path = write(
            folder / f"{k}.dcm",
            raw if allocated > 8 else bits,
            syntax=_SYNTAXES[1] if packed else syntax,
            InstanceNumber=k + 1,
            ImagePositionPatient=[f"{v:.10g}"[:16] for v in scene.origin + k * scene.axes[:, 2]],
            ImageOrientationPatient=[f"{v:.10f}"[:16] for v in (*scene.rotation[:, 0], *scene.rotation[:, 1])],
            PixelSpacing=[f"{scene.spacing[1]:.10g}"[:16], f"{scene.spacing[0]:.10g}"[:16]],
            PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2",
            RescaleSlope=str(slope),
            RescaleIntercept=str(intercept),
            RescaleType="HU",
            BitsStored=stored,
            HighBit=stored - 1,
            PixelRepresentation=int(signed),
        )
        if packed:
            dataset = pydicom.dcmread(path)
            dataset.compress(syntax, encoding_plugin="pydicom")
            dataset.save_as(path)
    described = f"DICOM {syntax} {allocated}/{stored} signed {signed} slope {slope} {intercept}"
    return Made(folder, numbers.astype(float) * slope + intercept, scene.axes, scene.origin, described)
