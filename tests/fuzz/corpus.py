"""Sound inputs of every format, small, from the project's own phantoms: what the fuzzer damages."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pydicom
import pydicom.datadict
import pydicom.uid
import SimpleITK
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate

from cadviewer.imaging.series import Volume
from cadviewer.phantoms.files import write_dicom_series, write_mhd
from cadviewer.phantoms.phantom import breast_ultrasound, chest_ct

Input = dict[str, bytes]
"""Name → content of the files of one input."""
_ROWS, _COLUMNS = 24, 32
_JPEG = "1.2.840.10008.1.2.4."


def seeds() -> dict[str, Input]:
    """Every seed by its name, always the same."""
    with tempfile.TemporaryDirectory() as name:
        made = {**dict(_dicom(Path(name))), **dict(_volumes(Path(name))), **dict(_pictures())}
    return {**made, **dict(_archives(made))}


@functools.cache
def _ct(slices: int) -> Volume:
    return chest_ct(3, shape=(slices, _ROWS, _COLUMNS), spacing=(20.0, 12.0, 12.0), nodules=()).volume


@functools.cache
def _gray() -> NDArray[np.uint8]:
    image, _, _ = breast_ultrasound(1, malignant=True)
    return np.ascontiguousarray(cv2.resize(image, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA))


def _colour() -> NDArray[np.uint8]:
    gray = _gray()
    return np.stack([gray, gray[::-1], gray[:, ::-1]], axis=-1)


def _bytes(folder: Path) -> Input:
    found = {p.name: p.read_bytes() for p in sorted(folder.iterdir())}
    for path in folder.iterdir():
        path.unlink()
    return found


# -------------------------------------------------------------------------------------------------------------- DICOM


def _dicom(folder: Path) -> Iterator[tuple[str, Input]]:
    made = folder / "dicom"
    write_dicom_series(_ct(3), made)
    series = _bytes(made)
    yield "dicom series", series
    first = next(iter(series.values()))

    def image() -> FileDataset:
        return pydicom.dcmread(io.BytesIO(first))

    yield "dicom implicit", {"a.dcm": _saved(image(), pydicom.uid.ImplicitVRLittleEndian)}
    yield "dicom deflated", {"a.dcm": _saved(image(), pydicom.uid.DeflatedExplicitVRLittleEndian)}
    yield "dicom big endian", {"a.dcm": _saved(_swapped(image()), pydicom.uid.ExplicitVRBigEndian)}
    rle = image()
    rle.compress(pydicom.uid.RLELossless)
    yield "dicom rle", {"a.dcm": _saved(rle, pydicom.uid.RLELossless)}
    gray, wide = _gray(), _gray().astype(np.uint16) * 16
    for name, syntax, pixels, data in (
        ("baseline", "50", gray, imagecodecs.jpeg8_encode(gray)),
        ("lossless", "70", wide, imagecodecs.ljpeg_encode(wide, bitspersample=16)),
        ("jpeg ls", "80", wide, imagecodecs.jpegls_encode(wide)),
        ("jpeg 2000", "90", wide, imagecodecs.jpeg2k_encode(wide, codecformat="j2k", reversible=True)),
        ("colour baseline", "50", _colour(), imagecodecs.jpeg8_encode(_colour())),
    ):
        yield f"dicom {name}", {"a.dcm": _saved(_with(image(), pixels, data), pydicom.uid.UID(_JPEG + syntax))}
    explicit = pydicom.uid.ExplicitVRLittleEndian
    yield "dicom rgb", {"a.dcm": _saved(_with(image(), _colour()), explicit)}
    yield "dicom palette", {"a.dcm": _saved(_palette(_with(image(), gray)), explicit)}
    yield "dicom ultrasound", {"a.dcm": _saved(_ultrasound(_with(image(), gray)), explicit)}
    yield "dicom enhanced", {"a.dcm": _saved(_enhanced(image(), np.stack([wide] * 4)), explicit)}
    yield "dicom lut", {"a.dcm": _saved(_with_lut(image()), explicit)}
    yield "dicom frames", {"a.dcm": _saved(_frames(image(), 3), pydicom.uid.UID(_JPEG + "80"))}
    report = image()
    report.Modality, report.SOPClassUID = "SR", pydicom.uid.BasicTextSRStorage
    del report.PixelData, report.Rows, report.Columns
    yield "dicom report", {"a.dcm": _saved(report, explicit)}


def _saved(dataset: Dataset, syntax: pydicom.uid.UID) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
    pydicom.dcmwrite(stream, dataset, implicit_vr=implicit, little_endian=little, force_encoding=True)
    return stream.getvalue()


def _swapped(dataset: FileDataset) -> FileDataset:
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    return dataset


def _with(dataset: FileDataset, pixels: NDArray[Any], data: bytes | None = None) -> FileDataset:
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelData = pixels.tobytes() if data is None else encapsulate([data])
    dataset["PixelData"].VR = "OB" if bits == 8 or data is not None else "OW"
    dataset["PixelData"].is_undefined_length = data is not None
    return dataset


def _palette(dataset: FileDataset) -> FileDataset:
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        name = f"{colour}PaletteColorLookupTable"
        dataset.add_new(pydicom.datadict.tag_for_keyword(f"{name}Descriptor"), "US", [256, 0, 16])
        setattr(dataset, f"{name}Data", (np.arange(256, dtype="<u2") * 257).tobytes())
    return dataset


def _ultrasound(dataset: FileDataset) -> FileDataset:
    dataset.Modality, dataset.SOPClassUID = "US", pydicom.uid.UltrasoundImageStorage
    region: Any = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 2, 2
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 30, 20
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.01
    dataset.SequenceOfUltrasoundRegions = [region]
    return dataset


def _enhanced(dataset: FileDataset, pixels: NDArray[Any]) -> FileDataset:
    _with(dataset, pixels[0])
    dataset.SOPClassUID, dataset.NumberOfFrames = pydicom.uid.EnhancedCTImageStorage, len(pixels)
    dataset.PixelData = pixels.tobytes()
    shared: Any = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[1.0, 1.0], SliceThickness=2.0)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.PixelValueTransformationSequence = [_item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")]
    shared.FrameVOILUTSequence = [_item(WindowCenter=40, WindowWidth=400)]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(len(pixels)):
        frame: Any = Dataset()
        frame.PlanePositionSequence = [_item(ImagePositionPatient=[0, 0, 2.0 * k])]
        frame.FrameContentSequence = [_item(StackID="1", InStackPositionNumber=k + 1)]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    return dataset


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return item


def _with_lut(dataset: FileDataset) -> FileDataset:
    table = np.linspace(0, 65535, 256).astype("<u2").tobytes()
    for name in ("ModalityLUTSequence", "VOILUTSequence"):
        item: Any = _item(LUTExplanation="a table", ModalityLUTType="HU")
        item.add_new("LUTDescriptor", "US", [256, 0, 16])
        item.add_new("LUTData", "OW", table)
        setattr(dataset, name, [item])
    return dataset


def _frames(dataset: FileDataset, count: int) -> FileDataset:
    wide = _gray().astype(np.uint16) * 16
    _with(dataset, wide, bytes(2))
    dataset.NumberOfFrames = count
    dataset.PixelData = encapsulate([imagecodecs.jpegls_encode(wide + k) for k in range(count)])
    return dataset


# ----------------------------------------------------------------------------------------- MetaImage, NRRD and NIfTI


def _volumes(folder: Path) -> Iterator[tuple[str, Input]]:
    made = folder / "volumes"
    volume = _ct(4)
    pixels = np.asarray(volume.pixels, np.int16)
    names = ("v.mhd", "v.mha", "v.nrrd", "v.nhdr", "v.nii", "v.nii.gz", "v.hdr")
    for name in names:
        for compressed in (False, True) if name in ("v.mhd", "v.mha", "v.nrrd") else (False,):
            write_mhd(volume, made / name, compressed=compressed)
            yield f"{name}{' packed' if compressed else ''}", _bytes(made)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(_colour()[None], isVector=True), str(made / "c.mha"))
    yield "colour.mha", _bytes(made)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels.astype(np.float64)), str(made / "f.nrrd"))
    yield "float.nrrd", _bytes(made)
    head = f"ObjectType = Image\nNDims = 3\nDimSize = {_COLUMNS} {_ROWS} 4\nElementType = MET_SHORT\n"
    planes = {f"p{k}.raw": plane.tobytes() for k, plane in enumerate(pixels)}
    listed = "LIST\n" + "\n".join(planes)
    yield "list.mhd", {"v.mhd": f"{head}ElementDataFile = {listed}\n".encode(), **planes}
    yield "pattern.mhd", {"v.mhd": f"{head}ElementDataFile = p%d.raw 0 3 1\n".encode(), **planes}
    text = f"NRRD0004\ntype: short\ndimension: 3\nsizes: {_COLUMNS} {_ROWS} 4\nendian: little\n"
    yield "list.nhdr", {"v.nhdr": f"{text}encoding: raw\ndata file: {listed}\n".encode(), **planes}
    raw = pixels.tobytes()
    yield "bzip2.nrrd", {"v.nrrd": f"{text}encoding: bzip2\n\n".encode() + bz2.compress(raw)}
    words = " ".join(map(str, pixels.ravel())).encode()
    yield "text.nrrd", {"v.nrrd": f"{text}encoding: ascii\n\n".encode() + words}
    yield "second.nii", {"v.nii": _nifti_2(pixels)}
    yield "second.nii.gz", {"v.nii.gz": gzip.compress(_nifti_2(pixels))}


def _nifti_2(pixels: NDArray[np.int16]) -> bytes:
    """A NIfTI-2 file (nifti2.h)."""
    head = bytearray(544)
    struct.pack_into("<i8s2h", head, 0, 540, b"n+2\0\r\n\x1a\n", 4, 16)
    struct.pack_into("<8q", head, 16, 3, *pixels.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<8d", head, 104, 1, 1.5, 1.5, 3.0, 1, 1, 1, 1)
    struct.pack_into("<q2d", head, 168, 544, 1.0, 0.0)
    struct.pack_into("<2i", head, 344, 0, 1)
    struct.pack_into("<12d", head, 400, 1.5, 0, 0, -10, 0, 1.5, 0, -10, 0, 0, 3.0, -10)
    struct.pack_into("<i", head, 500, 2)
    return bytes(head) + pixels.tobytes()


# ----------------------------------------------------------------------------------------------------------- pictures


def _pictures() -> Iterator[tuple[str, Input]]:
    gray, colour = _gray(), _colour()
    for name, picture, options in (
        ("gray.png", Image.fromarray(gray), {}),
        ("wide.png", Image.fromarray(gray.astype(np.uint16) * 257), {}),
        ("colour.png", Image.fromarray(colour), {}),
        ("alpha.png", Image.fromarray(np.dstack([colour, gray])), {}),
        ("palette.png", Image.fromarray(colour).quantize(16), {}),
        ("gray.jpg", Image.fromarray(gray), {"quality": 90}),
        ("turned.jpg", Image.fromarray(colour), {"quality": 90, "exif": _turned()}),
        ("progressive.jpg", Image.fromarray(colour), {"progressive": True}),
        ("gray.bmp", Image.fromarray(gray), {}),
        ("colour.bmp", Image.fromarray(colour), {}),
        ("alpha.bmp", Image.fromarray(np.dstack([colour, gray])), {}),
        ("plain.tif", Image.fromarray(gray), {}),
        ("lzw.tif", Image.fromarray(colour), {"compression": "tiff_lzw"}),
        ("deflate.tif", Image.fromarray(gray), {"compression": "tiff_adobe_deflate"}),
        ("float.tif", Image.fromarray(gray.astype(np.float32)), {}),
        ("pages.tif", Image.fromarray(gray), {"save_all": True, "append_images": [Image.fromarray(gray)] * 3}),
    ):
        stream = io.BytesIO()
        suffix = name.rpartition(".")[2]
        picture.save(stream, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()), **options)
        yield name, {name: stream.getvalue()}


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


# ----------------------------------------------------------------------------------------------------------- archives


def _archives(made: dict[str, Input]) -> Iterator[tuple[str, Input]]:
    members: Input = {}
    for name in ("dicom series", "v.mhd", "v.nii.gz", "list.mhd", "dicom jpeg ls"):
        members |= {f"{name}/{n}": data for n, data in made[name].items()}
    methods = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
    methods |= {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    for name, method in methods.items():
        content = _zipped(members, method)
        yield f"{name}.zip", {"a.zip": content}
    yield "nested.zip", {"a.zip": _zipped({"b.zip": _zipped({"c.zip": content}, zipfile.ZIP_STORED)}, method)}


def _zipped(members: Input, method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return stream.getvalue()
