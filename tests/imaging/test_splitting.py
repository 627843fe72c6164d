"""Series that hold several volumes: told apart by what differs, and only where volumes come out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Shape
from cadviewer.phantoms.phantom import uid
from cadviewer.store.session import case_key

AXIAL, CORONAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]
SLICES = 5
_numbers = itertools.count(1)


def write(folder: Path, k: int, orientation: list[int] = AXIAL, step: float = 3.0, **elements: Any) -> Path:
    """Slice k of an MR, its pixels all of one value: the number of the file."""
    number = next(_numbers)
    data: Any = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = uid(number, "splitting")
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.Modality = uid(0, "study"), uid(0, "series"), "MR"
    data.SeriesDescription, data.InstanceNumber = "Several", number
    normal = np.cross(orientation[:3], orientation[3:])
    data.ImageOrientationPatient = orientation
    data.ImagePositionPatient = [float(v) for v in normal * step * k]
    data.PixelSpacing = [0.7, 0.7]
    for name, value in elements.items():
        setattr(data, name, value)
    data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 8, 9, 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelData = np.full((8, 9), number, np.uint16).tobytes()
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:05d}.dcm"
    data.save_as(path, enforce_file_format=True)
    return path


def series_of(folder: Path) -> list[Series]:
    """All of them, their notes and keys checked: each is a case of its own."""
    found = list(files.scan([folder]))
    assert all(isinstance(s, Series) for s in found)
    made = [s for s in found if isinstance(s, Series)]
    assert len({s.case_id for s in made}) == len({case_key(s) for s in made}) == len(made)
    return made


def labels(folder: Path) -> list[str]:
    made = series_of(folder)
    assert {s.shape for s in made} == {Shape.VOLUME}
    assert {len(s.slices) for s in made} == {SLICES}
    assert all(s.warnings[-1].startswith("volume ") for s in made)
    return [s.description for s in made]


@pytest.mark.parametrize(
    ("keyword", "values", "expected"),
    [
        ("EchoTime", ["9.2", "4.60", "13.8"], ["echo time 4.6 ms", "echo time 9.2 ms", "echo time 13.8 ms"]),
        ("EchoNumbers", ["2", "1"], ["echo 1", "echo 2"]),
        ("DiffusionBValue", [1000.0, 0.0], ["b-value 0 s/mm²", "b-value 1000 s/mm²"]),
        ("TemporalPositionIdentifier", ["2", "10"], ["time point 2", "time point 10"]),
        ("InversionTime", ["150", "2000"], ["inversion time 150 ms", "inversion time 2000 ms"]),
        ("ImageType", [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]], ["ORIGINAL PRIMARY M", "P"]),
        ("ConvolutionKernel", ["B60f", "B30f"], ["kernel B30f", "kernel B60f"]),
        ("KVP", ["140", "80"], ["tube voltage 80 kV", "tube voltage 140 kV"]),
        ("AcquisitionNumber", ["3", "4"], ["acquisition 3", "acquisition 4"]),
    ],
)
def test_images_that_repeat_their_places_are_told_apart_by_what_differs(
    keyword: str, values: list[Any], expected: list[str], tmp_path: Path
) -> None:
    for k in range(SLICES):
        for value in values:
            write(tmp_path, k, **{keyword: value})
    found = labels(tmp_path)
    assert len(found) == len(expected)
    assert all(text.startswith("Several · ") for text in found)
    assert all(text.endswith(end) for text, end in zip(found, expected, strict=True))


def test_every_volume_has_its_own_pixels(tmp_path: Path) -> None:
    numbers: dict[str, list[int]] = {"1.5": [], "3": []}
    for k in range(SLICES):
        for echo, kept in numbers.items():
            kept.append(int(write(tmp_path, k, EchoTime=echo).stem))
    for made in series_of(tmp_path):
        echo = made.description.split()[-2]
        assert list(files.read(made).pixels[:, 0, 0]) == numbers[echo]


def test_two_elements_together_tell_apart_what_one_cannot(tmp_path: Path) -> None:
    for k in range(SLICES):
        for echo in ("2", "4"):
            for moment in ("1", "2", "3"):
                write(tmp_path, k, EchoTime=echo, TemporalPositionIdentifier=moment)
    found = labels(tmp_path)
    assert len(found) == 6
    assert found[0] == "Several · echo time 2 ms · time point 1"


def test_phases_whose_trigger_times_differ_from_slice_to_slice_are_told_apart_by_their_order(tmp_path: Path) -> None:
    for k in range(SLICES):
        for phase in (2, 0, 1):
            write(tmp_path, k, TriggerTime=f"{30.0 * phase + 1.3 * k:.1f}")
    made = series_of(tmp_path)
    assert [s.description for s in made] == ["Several · phase 1", "Several · phase 2", "Several · phase 3"]
    times = [[float(pydicom.dcmread(i.file).TriggerTime) for i in s.slices] for s in made]
    assert all(max(early) < min(late) for early, late in itertools.pairwise(times))


def test_an_image_without_the_element_is_a_part_of_its_own(tmp_path: Path) -> None:
    for k in range(SLICES):
        write(tmp_path, k)
        write(tmp_path, k, DiffusionBValue=800.0)
    assert labels(tmp_path) == ["Several · b-value 800 s/mm²", "Several · no b-value"]


def test_volumes_in_three_planes_are_three_volumes(tmp_path: Path) -> None:
    for orientation in (AXIAL, CORONAL, SAGITTAL):
        for k in range(SLICES):
            write(tmp_path, k, orientation)
    assert sorted(labels(tmp_path)) == ["Several · axial", "Several · coronal", "Several · sagittal"]


def test_echoes_in_two_planes_with_a_localizer_are_all_told_apart(tmp_path: Path) -> None:
    for orientation in (AXIAL, CORONAL):
        for k in range(SLICES):
            for echo in ("2", "4"):
                write(tmp_path, k, orientation, EchoTime=echo)
    write(tmp_path, 0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    *volumes, scout = series_of(tmp_path)
    assert {s.description for s in volumes} == {
        f"Several · {plane} · echo time {echo} ms" for plane in ("axial", "coronal") for echo in (2, 4)
    }
    assert all("localizer" in s.warnings[0] and "volume " in s.warnings[1] for s in volumes)
    assert len(scout.slices) == 1


@pytest.mark.parametrize(
    "write_all",
    [
        lambda folder: [write(folder, k) for k in (*range(SLICES), 2)],  # nothing says why one place repeats
        lambda folder: [write(folder, k, EchoTime=str(1 + (k == 2))) for k in range(SLICES)] + [write(folder, 2)],
        lambda folder: [write(folder, 0, TriggerTime=str(t)) for t in range(20)],  # a beating heart in one slice
        lambda folder: [write(folder, k, o) for k in range(1) for o in (AXIAL, CORONAL, SAGITTAL)],  # three scouts
        lambda folder: [  # uneven in each
            write(folder, k, EchoTime=echo) for k in (0, 1, 5, 7) for echo in ("1", "2")
        ],
    ],
)
def test_what_does_not_come_out_as_volumes_stays_one_stack_that_says_why(
    write_all: Callable[[Path], object], tmp_path: Path
) -> None:
    write_all(tmp_path)
    (made,) = series_of(tmp_path)
    assert made.shape is Shape.STACK
    assert made.not_volume
    assert made.description == "Several"


def test_a_volume_whose_images_differ_in_time_and_acquisition_stays_one(tmp_path: Path) -> None:
    for k in range(2 * SLICES):
        write(tmp_path, k, AcquisitionNumber=str(1 + k // SLICES), AcquisitionTime=f"1200{k:02d}.5", EchoTime="3")
    (made,) = series_of(tmp_path)
    assert made.shape is Shape.VOLUME
    assert made.warnings == ()


def test_the_warning_quotes_no_value_of_the_header(tmp_path: Path) -> None:
    for k in range(SLICES):
        for kernel in ("DOE^JANE", "SOFT"):
            write(tmp_path, k, ConvolutionKernel=kernel)
    assert not any("DOE" in w for s in series_of(tmp_path) for w in s.warnings)


def _group(k: int, **own: tuple[str, Any]) -> Dataset:
    group = Dataset()
    place = Dataset()
    place.ImagePositionPatient = [0, 0, 2.5 * k]
    group.PlanePositionSequence = Sequence([place])
    for sequence, (name, value) in own.items():
        item = Dataset()
        setattr(item, name, value)
        setattr(group, sequence, Sequence([item]))
    return group


@pytest.mark.parametrize(
    ("sequence", "name", "values", "expected"),
    [
        ("MREchoSequence", "EffectiveEchoTime", (2.5, 5.0), "echo time 2.5 ms"),
        ("MRDiffusionSequence", "DiffusionBValue", (0.0, 50.0), "b-value 0 s/mm²"),
        ("FrameContentSequence", "TemporalPositionIndex", (1, 2), "time point 1"),
        ("FrameContentSequence", "StackID", ("1", "2"), "stack 1"),
    ],
)
def test_the_frames_of_one_file_are_told_apart_by_their_functional_groups(
    sequence: str, name: str, values: tuple[Any, Any], expected: str, tmp_path: Path
) -> None:
    path = write(tmp_path, 0)
    data: Any = pydicom.dcmread(path)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    shared, plane, measures = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient, measures.PixelSpacing = AXIAL, [0.7, 0.7]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([plane]), Sequence([measures])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    order = [(k, value) for k in range(SLICES) for value in values]
    data.PerFrameFunctionalGroupsSequence = Sequence([_group(k, **{sequence: (name, v)}) for k, v in order])
    del data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing
    data.NumberOfFrames = len(order)
    data.PixelData = np.repeat(np.arange(len(order), dtype=np.uint16), 72).tobytes()
    data.save_as(path)
    first, second = series_of(tmp_path)
    assert first.description == f"Several · {expected}"
    assert list(files.read(first).pixels[:, 0, 0]) == [0, 2, 4, 6, 8]
    assert list(files.read(second).pixels[:, 0, 0]) == [1, 3, 5, 7, 9]
    assert first.shape is second.shape is Shape.VOLUME
