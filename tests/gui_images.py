"""Small images as files, for the tests of the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

ROWS, COLUMNS = 48, 64


def _dataset(sop_class: str, modality: str, study: str, series: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    data.Modality, data.StudyInstanceUID, data.SeriesInstanceUID = modality, study, series
    data.PatientName, data.PatientID, data.PatientSex, data.PatientBirthDate = "Doe^Jane", "P-7", "F", "19500102"
    data.StudyDate, data.StudyDescription, data.SeriesDescription = "20240131", "Chest", "Lung 3 mm"
    data.SeriesNumber = 2
    return data


def write_ct(
    folder: Path,
    slices: int = 12,
    *,
    value: int = -700,
    body_part: str = "CHEST",
    gap: bool = False,
    inverted: bool = False,
    origin: tuple[float, float, float] = (-20, -15, -100),
    **elements: Any,
) -> Path:
    """A CT of air with a soft ball in the middle, 0.7 × 0.7 mm pixels, 3 mm slices; `gap` leaves one slice out.

    origin: LPS mm of the first voxel. elements: of every header, by their keyword.
    """
    folder.mkdir(parents=True)
    study, series = generate_uid(), generate_uid()
    y, x = np.mgrid[:ROWS, :COLUMNS]
    for k in range(slices):
        if gap and k == slices // 2:
            continue
        data = _dataset(CTImageStorage, "CT", study, series)
        pixels = np.full((ROWS, COLUMNS), value, np.int16)
        pixels[(x - 24) ** 2 + (y - 20) ** 2 + (3 * (k - 3)) ** 2 < 30] = 40
        data.BodyPartExamined, data.InstanceNumber = body_part, slices - k
        data.ImagePositionPatient, data.ImageOrientationPatient = [*origin[:2], origin[2] + 3 * k], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [0.7, 0.7], 3
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        data.WindowCenter, data.WindowWidth = -600, 1500
        data.Rows, data.Columns, data.SamplesPerPixel = ROWS, COLUMNS, 1
        data.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        for name, given in elements.items():
            setattr(data, name, given)
        data.PixelData = (pixels + 1024).astype(np.uint16).tobytes()
        data.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return folder


def write_ultrasound(path: Path, frames: int = 1, modality: str = "US") -> Path:
    """A DICOM ultrasound of gray noise in RGB frames, not calibrated."""
    data = _dataset(UltrasoundMultiFrameImageStorage, modality, generate_uid(), generate_uid())
    noise = np.random.default_rng(1).integers(20, 200, (frames, 160, 200, 1), np.uint8).repeat(3, axis=3)
    data.Rows, data.Columns, data.SamplesPerPixel, data.PlanarConfiguration = 160, 200, 3, 0
    data.PhotometricInterpretation, data.NumberOfFrames = "RGB", frames
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PixelData = noise.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def write_png(path: Path, rows: int = 120, columns: int = 160, colour: bool = False) -> Path:
    """A picture that does not say what it shows."""
    shape = (rows, columns, 3) if colour else (rows, columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(2).integers(0, 255, shape, np.uint8))
    return path
