"""One chest CT saved in twenty-two ways: the same voxels in the same place, and so the same findings."""

from __future__ import annotations

import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cadviewer.findings import Task
from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Shape, Volume
from cadviewer.models import catalogue
from cadviewer.models.nets.runtime import TorchForward, build
from cadviewer.models.nodules.analysis import find_nodules
from cadviewer.phantoms.files import write_dicom_series
from cadviewer.phantoms.phantom import chest_ct


def _each(folder: Path, change: Callable[[Any, int], None], **saved: Any) -> None:
    for k, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        change(dataset, k)
        dataset.save_as(path, **saved)


def _as(syntax: str, encode: Callable[[Any], bytes] | None = None) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        def change(dataset: Any, k: int) -> None:
            if encode is None:
                dataset.file_meta.TransferSyntaxUID = syntax
                return
            dataset.PixelData = encapsulate([encode(dataset.pixel_array)])
            dataset["PixelData"].is_undefined_length = True
            dataset["PixelData"].VR = "OB"
            dataset.file_meta.TransferSyntaxUID = syntax

        if syntax == RLELossless:
            _each(folder, lambda dataset, k: dataset.compress(RLELossless, generate_instance_uid=False))
        elif syntax == ImplicitVRLittleEndian:
            _each(folder, change, implicit_vr=True, little_endian=True)
        elif syntax == ExplicitVRBigEndian:
            for path in sorted(folder.iterdir()):
                _swap(path)
        else:
            _each(folder, change)

    return write


def _swap(path: Path) -> None:
    """pydicom changes no byte order of a file: its elements go into a new one."""
    read = pydicom.dcmread(path)
    made = Dataset()
    for element in read:
        made.add(element)
    made.PixelData = read.pixel_array.astype(">u2").tobytes()
    made.file_meta = read.file_meta
    made.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    made.save_as(path, implicit_vr=False, little_endian=False, enforce_file_format=True)


def _two_copies(folder: Path) -> None:
    (folder / "again").mkdir()
    for path in sorted(folder.glob("*.dcm")):
        shutil.copy(path, folder / "again" / path.name)


def _rounded(dataset: Any, k: int) -> None:
    dataset.PixelSpacing = [f"{float(v) + (1e-4 if k % 2 else 0):.6f}" for v in dataset.PixelSpacing]


def _turned(dataset: Any, k: int) -> None:
    dataset.ImageOrientationPatient = (
        ["1", "0", "0", "0", "1", "0"] if k % 2 else ["0.99999", "0.001", "0", "0", "1", "0"]
    )


def _renumbered(dataset: Any, k: int) -> None:
    dataset.InstanceNumber = 1000 - k


def _shuffled(folder: Path) -> None:
    paths = sorted(folder.iterdir())
    numbers = list(range(len(paths)))
    random.Random(1).shuffle(numbers)
    for path, number in zip(paths, numbers, strict=True):
        path.rename(folder / f"x{number:04d}")


def _item(**values: Any) -> Dataset:
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def _enhanced(folder: Path) -> None:
    paths = sorted(folder.iterdir())
    slices = [pydicom.dcmread(p) for p in paths]
    whole = slices[0]
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    whole.NumberOfFrames = len(slices)
    whole.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=whole.ImageOrientationPatient)],
            PixelMeasuresSequence=[_item(PixelSpacing=whole.PixelSpacing, SliceThickness=whole.SliceThickness)],
            PixelValueTransformationSequence=[
                _item(RescaleIntercept=whole.RescaleIntercept, RescaleSlope=whole.RescaleSlope, RescaleType="HU")
            ],
        )
    ]
    whole.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=s.ImagePositionPatient)]) for s in slices
    ]
    whole.PixelData = b"".join(s.PixelData for s in slices)
    for name in (
        "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "SliceThickness", "RescaleIntercept",
        "RescaleSlope", "RescaleType",
    ):  # fmt: skip
        del whole[name]
    for path in paths:
        path.unlink()
    whole.save_as(folder / "enhanced.dcm")


def _zipped(folder: Path) -> None:
    paths = sorted(folder.iterdir())
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, f"study/series/{path.name}")
            path.unlink()


def _image(volume: Volume) -> Any:
    geometry = volume.geometry
    assert geometry.direction is not None
    image = SimpleITK.GetImageFromArray(volume.pixels)
    image.SetSpacing([float(v) for v in reversed(geometry.spacing or ())])
    image.SetOrigin(geometry.origin)
    image.SetDirection(np.array(geometry.direction[::-1]).T.ravel().tolist())
    return image


def _by_library(name: str, *, packed: bool = False, backwards: bool = False) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        image = _image(_volume(folder))
        for path in folder.iterdir():
            path.unlink()
        SimpleITK.WriteImage(image[:, :, ::-1] if backwards else image, str(folder / name), packed)

    return write


def _volume(folder: Path) -> Volume:
    (series,) = [s for s in files.scan([folder]) if isinstance(s, Series)]
    assert series.shape is Shape.VOLUME, series.not_volume
    return files.read(series)


WAYS: dict[str, Callable[[Path], None]] = {
    "explicit": lambda folder: None,
    "implicit": _as(ImplicitVRLittleEndian),
    "big endian": _as(ExplicitVRBigEndian),
    "deflated": _as(DeflatedExplicitVRLittleEndian),
    "RLE": _as(RLELossless),
    "JPEG lossless": _as(JPEGLosslessSV1, lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16)),
    "JPEG-LS": _as(JPEGLSLossless, imagecodecs.jpegls_encode),
    "JPEG 2000": _as(JPEG2000Lossless, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", reversible=True)),
    "spacing rounded": lambda folder: _each(folder, _rounded),
    "cosines rounded": lambda folder: _each(folder, _turned),
    "numbered from the other end": lambda folder: _each(folder, _renumbered),
    "names shuffled, no suffix": _shuffled,
    "two copies": _two_copies,
    "enhanced multi-frame": _enhanced,
    "zip": _zipped,
    "mhd": _by_library("a.mhd"),
    "mha packed": _by_library("a.mha", packed=True),
    "mhd backwards": _by_library("a.mhd", backwards=True),
    "nrrd": _by_library("a.nrrd"),
    "nrrd packed": _by_library("a.nrrd", packed=True),
    "nii": _by_library("a.nii"),
    "nii.gz backwards": _by_library("a.nii.gz", packed=True, backwards=True),
}


def _saved(phantom: Volume, folder: Path, way: str) -> Volume:
    write_dicom_series(phantom, folder, seed=7)
    WAYS[way](folder)
    return _volume(folder)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_voxels_lie_in_the_same_place(tmp_path: Path, way: str) -> None:
    phantom = chest_ct(7, shape=(6, 64, 48), spacing=(2.5, 4.0, 4.1), nodules=()).volume
    volume = _saved(phantom, tmp_path, way)
    assert (volume.pixels == phantom.pixels).all()
    assert volume.series.hounsfield
    assert volume.geometry.spacing == pytest.approx(phantom.geometry.spacing, abs=2e-3)
    for corner in ((0, 0, 0), (5, 63, 47)):
        assert volume.geometry.to_patient(corner) == pytest.approx(phantom.geometry.to_patient(corner), abs=0.2)


@pytest.mark.slow
def test_the_four_findings_of_the_demo_are_the_same_each_time(tmp_path: Path) -> None:
    card = catalogue.default(Task.NODULES)
    forward = TorchForward(build(card), "cpu")
    phantom = chest_ct(7).volume
    right: list[tuple[Any, ...]] = []
    for way in WAYS:
        found = find_nodules(_saved(phantom, tmp_path / way, way), forward, card).nodules
        told = [(n.score, n.slice_first, n.slice_last, n.long_mm, n.short_mm, n.volume_mm3) for n in found]
        right = right or told
        assert len(told) == 4, way
        assert np.allclose(np.array(told, float), np.array(right, float), rtol=2e-3, atol=2e-3), way
