"""Small DICOM files with any elements, written for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset

from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Volume
from cadviewer.phantoms.phantom import uid

CT = "1.2.840.10008.5.1.4.1.1.2"
FLAT = np.full((16, 16), 100, np.uint16)


def write(
    path: Path, pixels: np.ndarray[Any, Any], *, sop_class: str = CT, modality: str = "CT", **elements: Any
) -> Path:
    """A small DICOM file with any elements; pixels (rows, columns), (rows, columns, 3) or (frames, …)."""
    colour = pixels.shape[-1] == 3 and pixels.ndim > 2
    dataset: Any = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid(0, str(path))
    dataset.file_meta.TransferSyntaxUID = elements.pop("syntax", "1.2.840.10008.1.2.1")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(0, "study"), uid(0, "series")
    dataset.Modality = modality
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    plane = pixels.shape[:-1] if colour else pixels.shape
    dataset.Rows, dataset.Columns = plane[-2:]
    if len(plane) == 3:
        dataset.NumberOfFrames = plane[0]
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def opened(path: Path) -> Volume:
    (found,) = files.scan([path])
    assert isinstance(found, Series), found
    return files.read(found)


def item(**elements: Any) -> Dataset:
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def region(
    kind: int = 1, units: int = 3, delta: float = 0.008, corners: tuple[int, int, int, int] = (10, 5, 50, 40)
) -> Dataset:
    """An ultrasound region. delta: of a pixel along both axes, cm where units are 3. corners: x0, y0, x1, y1."""
    x0, y0, x1, y1 = corners
    return item(
        RegionSpatialFormat=1,
        RegionDataType=kind,
        RegionLocationMinX0=x0,
        RegionLocationMinY0=y0,
        RegionLocationMaxX1=x1,
        RegionLocationMaxY1=y1,
        PhysicalUnitsXDirection=units,
        PhysicalUnitsYDirection=units,
        PhysicalDeltaX=delta,
        PhysicalDeltaY=-delta,
    )


def lut(values: np.ndarray[Any, Any], first: int, bits: int, name: str = "", packed: bool = False) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US" if first >= 0 else "SS", [len(values) % 65536, first, bits])
    item.LUTExplanation = name
    if packed:
        item.add_new(0x00283006, "OW", values.astype("<u2" if bits > 8 else np.uint8).tobytes())
    else:
        item.add_new(0x00283006, "US", [int(v) for v in values])
    return item


def mr_slices(folder: Path, elements: list[dict[str, Any]]) -> Series:
    """An MR series, a file for each of `elements`."""
    for k, own in enumerate(elements):
        place = {
            "InstanceNumber": k + 1,
            "ImagePositionPatient": [0, 0, 3 * k],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [1, 1],
        }
        write(folder / f"{k}.dcm", FLAT, modality="MR", **place, **own)
    (found,) = files.scan([folder])
    assert isinstance(found, Series), found
    return found
