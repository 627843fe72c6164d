"""Phantoms written as files: a DICOM series, sound or damaged on purpose; MetaImage; PNG; the built-in demo study."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Vector
from cadviewer.imaging.series import Volume
from cadviewer.phantoms.breast import PIXEL_MM
from cadviewer.phantoms.phantom import Phantom, breast_ultrasound, chest_ct, uid

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_INTERCEPT = -1024
_DEMO_SEED = 7
_DEMO_BREASTS = ((1, False), (2, True), (3, False), (4, True))
"""(seed, malignant) of the breast images of the demo."""


def write_dicom_series(
    volume: Volume,
    folder: Path,
    *,
    seed: int = 0,
    missing: Sequence[int] = (),
    duplicated: Sequence[int] = (),
    tilt_degrees: float = 0.0,
    uneven_mm: float = 0.0,
    localizer: bool = False,
) -> list[Path]:
    """Writes a CT volume in Hounsfield units as one CT Image Storage file for each slice; the files, in slice order.

    Same arguments, same bytes. To have something damaged to test with: `missing` slices are left out, `duplicated`
    ones written twice under two UIDs, `tilt_degrees` shifts the slices along each other as a tilted gantry does,
    `uneven_mm` moves every other slice, `localizer` adds a scout image of another size to the series.
    Raises ValueError when the volume has no place in the patient.
    """
    geometry = volume.geometry
    if not geometry.placed or geometry.direction is None or geometry.slice_spacing is None:
        raise ValueError("only a volume with a known place in the patient can be written as DICOM")
    folder.mkdir(parents=True, exist_ok=True)
    down = np.array(geometry.direction[1])
    normal = np.array(geometry.direction[0])
    files = []
    wanted = [k for k in range(len(volume.pixels)) if k not in missing]
    for number, k in enumerate(sorted([*wanted, *duplicated])):
        position = geometry.to_patient((k, 0, 0))
        position = position + down * np.tan(np.radians(tilt_degrees)) * k * geometry.slice_spacing
        position = position + normal * uneven_mm * (k % 2)
        x, y, z = position.tolist()
        dataset = _ct_image(volume, volume.pixels[k], (x, y, z), number, seed)
        if tilt_degrees:
            dataset.GantryDetectorTilt = tilt_degrees
        files.append(folder / f"{number:04d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    if localizer:
        files.append(folder / "scout.dcm")
        _scout(volume, seed).save_as(files[-1], enforce_file_format=True)
    return files


def write_mhd(volume: Volume, path: Path, *, compressed: bool = False) -> Path:
    """Writes a volume with what SimpleITK writes by the name's suffix: .mhd (with .raw), .mha, .nrrd, .nii, .nii.gz."""
    import SimpleITK

    image: Any = SimpleITK.GetImageFromArray(volume.pixels, isVector=volume.series.channels == 3)
    geometry = volume.geometry
    if geometry.spacing is not None:
        image.SetSpacing(geometry.spacing[::-1])
    if geometry.origin is not None and geometry.direction is not None:
        image.SetOrigin(geometry.origin)
        s, r, c = geometry.direction
        image.SetDirection(np.array([c, r, s]).T.ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path), useCompression=compressed)
    return path


def write_png(pixels: NDArray[Any], path: Path) -> Path:
    """Writes gray or RGB of 8 or 16 bits, under any file name."""
    fine, data = cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])
    if not fine:
        raise ValueError(f"no PNG can hold pixels of {pixels.dtype} and shape {pixels.shape}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())
    return path


def write_demo_study(folder: Path) -> Path:
    """The built-in demo: `chest-ct/` (a DICOM series with four nodules), `breast/` (four PNGs) and `truth.json`.

    Returns `folder`. The same on every run; files that are there already are replaced.
    """
    phantom = chest_ct(_DEMO_SEED)
    write_dicom_series(phantom.volume, folder / "chest-ct", seed=_DEMO_SEED)
    truth: dict[str, Any] = {"chest-ct": _nodules(phantom), "breast": {}}
    for seed, malignant in _DEMO_BREASTS:
        image, mask, _ = breast_ultrasound(seed, malignant=malignant)
        name = f"breast-{seed}.png"
        write_png(image, folder / "breast" / name)
        rows, columns = np.nonzero(mask)
        box = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
        truth["breast"][name] = {
            "seed": seed,
            "malignant": malignant,
            "box": box,
            "lesion_px": len(rows),
            "pixel_mm": PIXEL_MM,
        }
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return folder


def _nodules(phantom: Phantom) -> list[dict[str, Any]]:
    return [
        {
            "centre_mm": [round(v, 3) for v in nodule.centre_mm],
            "diameter_mm": nodule.diameter_mm,
            "boxes": [list(b) for b in nodule.boxes],
            **{k: v for k, v in asdict(nodule.spec).items() if k in ("kind", "spiculated", "pleural")},
        }
        for nodule in phantom.nodules
    ]


def _ct_image(volume: Volume, pixels: NDArray[Any], position: Vector, number: int, seed: int) -> Any:
    """A CT image data set (DICOM PS3.3 A.3), its pixels stored as 16-bit unsigned numbers."""
    from pydicom.dataset import Dataset, FileMetaDataset

    series, geometry = volume.series, volume.geometry
    assert geometry.direction is not None
    assert geometry.pixel_spacing is not None
    dataset: Any = Dataset()  # its attributes are typed for reading: UIDs as UID
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = _CT_IMAGE
    instance = uid(seed, "instance", series.series_uid, number, position)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = instance
    dataset.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    dataset.file_meta.ImplementationClassUID = uid(0, "cadviewer")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = series.study_date or "20240101"
    dataset.StudyTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.Modality = "CT"
    dataset.Manufacturer = series.manufacturer
    dataset.StudyDescription, dataset.SeriesDescription = series.study_description, series.description
    dataset.PatientName, dataset.PatientID = "Phantom^Chest", f"PHANTOM-{seed}"
    dataset.PatientBirthDate, dataset.PatientSex = "", "O"
    dataset.BodyPartExamined = series.body_part
    dataset.SliceThickness = _decimal(geometry.slice_spacing or 1.0)
    dataset.KVP = "120"
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID = series.study_uid or uid(seed, "study")
    dataset.SeriesInstanceUID = series.series_uid or uid(seed, "series")
    dataset.FrameOfReferenceUID = series.frame_of_reference_uid or uid(seed, "frame")
    dataset.PositionReferenceIndicator = ""
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.AcquisitionNumber = 1, number + 1, 1
    dataset.ImagePositionPatient = [_decimal(v) for v in position]
    dataset.ImageOrientationPatient = [_decimal(v) for v in (*geometry.direction[2], *geometry.direction[1])]
    dataset.PixelSpacing = [_decimal(v) for v in geometry.pixel_spacing]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = str(_INTERCEPT), "1", "HU"
    dataset.WindowCenter = [_decimal(w.centre) for w in series.windows] or "-600"
    dataset.WindowWidth = [_decimal(w.width) for w in series.windows] or "1500"
    dataset.WindowCenterWidthExplanation = [w.name for w in series.windows] or "LUNG"
    stored = pixels.astype(np.int32) - _INTERCEPT
    dataset.PixelData = np.clip(stored, 0, 65535).astype("<u2").tobytes()
    return dataset


def _scout(volume: Volume, seed: int) -> Any:
    """A frontal overview as scanners put into the same series: another size, another plane, not Hounsfield units."""
    geometry = volume.geometry
    overview = np.ascontiguousarray(volume.pixels[::-1].mean(axis=1).astype(np.int16))
    flat = replace(geometry, direction=((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)))
    turned = Volume(replace(volume.series, geometry=flat), volume.pixels)
    dataset = _ct_image(turned, overview, geometry.origin or (0.0, 0.0, 0.0), 9999, seed)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    return dataset


def _decimal(value: float) -> str:
    """A DICOM decimal string: at most 16 characters (PS3.5 section 6.2)."""
    text = f"{value + 0.0:.10g}"
    return text if len(text) <= 16 else f"{value:.8g}"
