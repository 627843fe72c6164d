"""Small inputs of every kind for the tests of the batch and the command line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid


def write_mhd(path: Path, slices: int = 4) -> Path:
    """A CT by its values, in Hounsfield units, with its .raw."""
    grid = np.indices((slices, 64, 64))
    inside = (grid[1] - 32) ** 2 + (grid[2] - 32) ** 2 < 28**2
    air = (grid[1] - 32) ** 2 + (grid[2] - 32) ** 2 < 16**2
    image = SimpleITK.GetImageFromArray(np.where(air, -850, np.where(inside, 40 + grid[2] % 7, -1000)).astype(np.int16))
    image.SetSpacing((0.7, 0.7, 2.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))
    return path


def write_png(path: Path, size: int = 64, seed: int = 0) -> Path:
    """A gray picture with some texture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 200, (size, size), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.GaussianBlur(noise, (5, 5), 0))
    return path


def write_dicom(path: Path, modality: str = "CT", **more: object) -> Path:
    """One DICOM image of 64 × 64; the patient has a name that must never show up anywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage if modality == "CT" else UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(path), modality])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = Dataset()
    image.file_meta = meta
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.PatientName, image.PatientID, image.Modality = "Secret^Patient", "SECRET1", modality
    image.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    image.SeriesInstanceUID = generate_uid(entropy_srcs=[str(path.parent), modality])
    image.Rows = image.Columns = 64
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = (16, 16, 15) if modality == "CT" else (8, 8, 7)
    image.PixelRepresentation = 0
    if modality == "CT":
        image.RescaleSlope, image.RescaleIntercept = 1, -1024
        image.PixelSpacing, image.SliceThickness = [0.7, 0.7], 2.5
        image.ImageOrientationPatient, image.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    for name, value in more.items():
        setattr(image, name, value)
    grid = np.indices((64, 64)).sum(0)
    image.PixelData = (grid * 10).astype(np.uint16).tobytes() if modality == "CT" else grid.astype(np.uint8).tobytes()
    pydicom.dcmwrite(path, image, enforce_file_format=True)
    return path


def write_series(folder: Path, slices: int = 3) -> Path:
    """A CT volume of several DICOM files."""
    for k in range(slices):
        write_dicom(folder / f"{k}.dcm", InstanceNumber=k + 1, ImagePositionPatient=[0, 0, 2.5 * k])
    return folder


def truncate(path: Path, by: int = 3000) -> Path:
    """Cut a file in the middle of its pixels."""
    os.truncate(path, path.stat().st_size - by)
    return path


def write_study(folder: Path) -> Path:
    """A folder with a bit of everything: a CT volume, a .mhd, an ultrasound image, and seven that are none of these."""
    write_series(folder / "ct")
    write_mhd(folder / "scan" / "a.mhd")
    write_dicom(folder / "us" / "1.dcm", "US")
    truncate(write_dicom(folder / "torn" / "1.dcm"))
    write_png(folder / "pictures" / "photo.png")
    (folder / "pictures" / "text.png").write_text("this is no picture")
    (folder / "notes.txt").write_text("hello")
    (folder / "empty").mkdir()
    write_dicom(folder / "mr" / "1.dcm", "MR")
    shutil.copy(folder / "scan" / "a.mhd", folder / "scan" / "alone.mhd")
    (folder / "scan" / "alone.mhd").write_text((folder / "scan" / "a.mhd").read_text().replace("a.raw", "gone.raw"))
    return folder
