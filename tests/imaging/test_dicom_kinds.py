"""DICOM beyond the plain CT: multi-frame, ultrasound, colour, inverted, padding, what a case knows of itself."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_made import item, lut, opened, region, write
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from cadviewer.imaging import files
from cadviewer.imaging.annotations import Annotations, Kind
from cadviewer.imaging.dicom.codecs import frame_size
from cadviewer.imaging.series import InputError, Patient, Rejected, Series, Shape, State, Window
from cadviewer.phantoms.files import write_dicom_series
from cadviewer.phantoms.phantom import Phantom, chest_ct

ULTRASOUND, CINE = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"


FLAT = np.arange(48 * 60, dtype=np.uint16).reshape(48, 60)
GRAY = (FLAT % 251).astype(np.uint8)


def test_a_calibrated_ultrasound_has_millimetres_and_its_region(tmp_path: Path) -> None:
    path = write(
        tmp_path / "us.dcm",
        GRAY,
        sop_class=ULTRASOUND,
        modality="US",
        SequenceOfUltrasoundRegions=Sequence([region(), region(kind=2)]),
    )
    series = opened(path).series
    assert series.geometry.pixel_spacing == pytest.approx((0.08, 0.08))
    assert series.ultrasound_regions == ((10, 5, 50, 40, 1), (10, 5, 50, 40, 2))
    assert series.shape is Shape.IMAGE


@pytest.mark.parametrize(
    "regions", [[region(units=0)], [region(delta=0.0)], [region(kind=3)], [region(), region(delta=0.01)], []]
)
def test_an_ultrasound_without_one_scale_has_no_millimetres(tmp_path: Path, regions: list[Dataset]) -> None:
    path = write(
        tmp_path / "us.dcm",
        GRAY,
        sop_class=ULTRASOUND,
        modality="US",
        SequenceOfUltrasoundRegions=Sequence(regions),
    )
    series = opened(path).series
    assert series.geometry.pixel_spacing is None
    assert bool(series.warnings) == (len(regions) == 2)


def test_a_region_that_is_listed_twice_keeps_its_scale(tmp_path: Path) -> None:
    twice = Sequence([region(), region()])
    path = write(tmp_path / "us.dcm", GRAY, sop_class=ULTRASOUND, modality="US", SequenceOfUltrasoundRegions=twice)
    series = opened(path).series
    assert series.geometry.pixel_spacing == pytest.approx((0.08, 0.08))
    assert not series.warnings


def test_tissue_over_time_is_no_image_of_tissue(tmp_path: Path) -> None:
    mmode = region()
    mmode.RegionSpatialFormat = 2
    path = write(
        tmp_path / "us.dcm", GRAY, sop_class=ULTRASOUND, modality="US", SequenceOfUltrasoundRegions=Sequence([mmode])
    )
    series = opened(path).series
    assert series.ultrasound_regions == ((10, 5, 50, 40, 0),)
    assert series.geometry.pixel_spacing is None


def test_a_cine_loop_is_a_stack_of_frames(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (5, 20, 30, 3), dtype=np.uint8)
    volume = opened(write(tmp_path / "cine.dcm", frames, sop_class=CINE, modality="US"))
    assert volume.series.shape is Shape.STACK
    assert volume.series.not_volume
    assert volume.series.colour is True
    assert [s.frame for s in volume.series.slices] == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(volume.pixels, frames)


def test_gray_ultrasound_stored_as_rgb_is_known_as_not_coloured_once_read(tmp_path: Path) -> None:
    path = write(tmp_path / "us.dcm", np.dstack([GRAY] * 3), sop_class=ULTRASOUND, modality="US")
    (found,) = files.scan([path])
    assert isinstance(found, Series)
    assert (found.channels, found.colour) == (3, None)
    assert files.read(found).series.colour is False


def enhanced(path: Path, order: list[int], *, step: float = 2.5) -> Path:
    frames = np.stack([np.full((8, 9), k, np.uint16) for k in order])
    groups = [
        item(
            PlanePositionSequence=Sequence([item(ImagePositionPatient=[-10, -20, 30 + step * k])]),
            PixelValueTransformationSequence=Sequence(
                [item(RescaleSlope="1", RescaleIntercept=str(-1000 + 10 * k), RescaleType="HU")]
            ),
        )
        for k in order
    ]
    shared = item(
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
        PixelMeasuresSequence=Sequence([item(PixelSpacing=[0.7, 0.8], SliceThickness="2.5")]),
        FrameVOILUTSequence=Sequence([item(WindowCenter="-600", WindowWidth="1500")]),
    )
    return write(
        path,
        frames,
        sop_class=ENHANCED_CT,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(groups),
    )


def test_an_enhanced_ct_is_sorted_and_rescaled_frame_by_frame(tmp_path: Path) -> None:
    volume = opened(enhanced(tmp_path / "e.dcm", [2, 0, 3, 1]))
    assert volume.series.shape is Shape.VOLUME
    assert volume.geometry.spacing == (2.5, 0.7, 0.8)
    assert volume.geometry.origin == (-10, -20, 30)
    assert volume.series.windows == (Window(-600, 1500),)
    assert [s.frame for s in volume.series.slices] == [1, 3, 0, 2]
    assert [int(p[0, 0]) for p in volume.pixels] == [k - 1000 + 10 * k for k in range(4)]
    assert volume.series.slices[0].thickness_mm == 2.5


def test_low_values_of_monochrome1_are_marked_as_bright_and_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "cr.dcm", FLAT, modality="CR", PhotometricInterpretation="MONOCHROME1")
    volume = opened(path)
    assert volume.series.inverted
    np.testing.assert_array_equal(volume.pixels[0], FLAT)


def test_padding_outside_the_field_of_view_becomes_air(tmp_path: Path) -> None:
    stored = np.full((6, 7), 1064, np.int16)
    stored[0] = -2000
    volume = opened(
        write(
            tmp_path / "ct.dcm",
            stored,
            PixelPaddingValue=-2000,
            RescaleSlope="1",
            RescaleIntercept="-1024",
        )
    )
    assert volume.series.hounsfield
    assert volume.pixels[0, 0].tolist() == [-1024] * 7
    assert volume.pixels[0, 1].tolist() == [40] * 7


def test_bits_above_those_stored_are_not_part_of_the_value(tmp_path: Path) -> None:
    values = np.array([[5, 4095], [100, 0]], np.uint16)
    path = write(tmp_path / "a.dcm", values | 0x8000, modality="MR", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(opened(path).pixels[0], values)
    signed = np.array([[-2048, 2047], [-1, 0]], np.int16)
    path = write(tmp_path / "b.dcm", signed & np.int16(0x0FFF), modality="MR", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(opened(path).pixels[0], signed)


def test_hounsfield_units_beyond_their_range_are_cut_and_do_not_wrap_round(tmp_path: Path) -> None:
    stored = np.array([[0, 65535]], np.uint16)
    pixels = opened(write(tmp_path / "a.dcm", stored, RescaleSlope="1", RescaleIntercept="-1024")).pixels
    assert pixels.tolist() == [[[-1024, 32767]]]


def test_a_ct_without_rescale_is_not_taken_as_hounsfield_units(tmp_path: Path) -> None:
    series = opened(write(tmp_path / "a.dcm", FLAT)).series
    assert not series.hounsfield
    assert any("not known to be Hounsfield" in w for w in series.warnings)


def test_all_windows_of_the_file_come_in_its_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.dcm",
        FLAT,
        WindowCenter=["-500", "40", "1"],
        WindowWidth=["1500", "400", "0"],
        WindowCenterWidthExplanation=["LUNG", "SOFT", "NONE"],
    )
    assert opened(path).series.windows == (Window(-500, 1500, "LUNG"), Window(40, 400, "SOFT"))


def test_objects_that_are_no_images_are_skipped_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "seg.dcm", GRAY, sop_class="1.2.840.10008.5.1.4.1.1.66.4", modality="SEG")
    (found,) = files.scan([path])
    assert found == Annotations(
        path, State.SKIPPED, "not an image: Segmentation Storage", kind=Kind.SEGMENTATION, file=path
    )


def compressed(path: Path, code_stream: bytes, syntax: str) -> Path:
    """The file with its pixels replaced by a code stream."""
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([code_stream])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    return path


def test_a_video_is_refused_with_its_syntax(tmp_path: Path) -> None:
    path = compressed(
        write(tmp_path / "v.dcm", GRAY, sop_class=CINE, modality="US"), bytes(200), "1.2.840.10008.1.2.4.102"
    )
    (found,) = files.scan([path])
    assert isinstance(found, Rejected)
    assert found.state is State.REFUSED
    assert "MPEG-4" in found.reason


def test_a_damaged_code_stream_fails_while_it_is_read(tmp_path: Path) -> None:
    path = compressed(write(tmp_path / "j.dcm", GRAY, modality="MR"), bytes(200), "1.2.840.10008.1.2.4.70")
    with pytest.raises(InputError, match=r"damaged pixels: .*not a JPEG code stream"):
        opened(path)


def test_a_code_stream_of_another_size_than_the_header_says_fails(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    coded = imagecodecs.jpeg8_encode(GRAY[:20])
    path = compressed(write(tmp_path / "j.dcm", GRAY, modality="MR"), coded, "1.2.840.10008.1.2.4.50")
    with pytest.raises(InputError, match="20 × 60 × 1, the header says 48 × 60 × 1"):
        opened(path)


@pytest.fixture(scope="module")
def small() -> Phantom:
    return chest_ct(3, shape=(6, 40, 48), spacing=(10.0, 7.0, 7.0), nodules=())


def test_the_patient_is_known_to_the_banner_and_hidden_from_every_print(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert series.patient == Patient("Phantom Chest", "PHANTOM-0", "O")
    assert "Phantom Chest" not in repr(series)
    assert "PHANTOM" not in repr(series)


def test_a_case_id_is_the_same_for_the_same_files_and_names_nobody(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path)
    (one,), (two,) = files.scan([tmp_path]), files.scan([tmp_path])
    assert isinstance(one, Series)
    assert isinstance(two, Series)
    assert one.case_id == two.case_id
    assert len(one.case_id) == 16


def test_a_series_can_be_sent_to_another_process_and_read_there(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path)
    (series,) = files.scan([tmp_path])
    again = pickle.loads(pickle.dumps(series))
    assert again == series
    np.testing.assert_array_equal(files.read(again).pixels, small.volume.pixels)


def test_pixels_are_decoded_into_the_memory_that_was_given(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    given: list[np.ndarray[Any, Any]] = []

    def allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        given.append(np.zeros(shape, dtype))
        return given[0]

    volume = files.read(series, allocate=allocate)
    assert len(given) == 1
    assert volume.pixels is given[0]


@pytest.mark.parametrize("syntax", ["jpeg", "jpegls", "jpeg2k"])
def test_the_size_of_a_code_stream_is_read_from_itself(syntax: str) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)
    encode = {"jpeg": "jpeg8_encode", "jpegls": "jpegls_encode", "jpeg2k": "jpeg2k_encode"}[syntax]
    assert frame_size(getattr(imagecodecs, encode)(pixels)) == (12, 20, 1, 8)
    with pytest.raises(ValueError, match="not a JPEG"):
        frame_size(b"\0" * 100)


def test_high_throughput_jpeg_2000_is_decoded(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = (np.arange(64 * 80, dtype=np.uint16) % 4000).reshape(64, 80)
    try:
        coded = imagecodecs.htj2k_encode(pixels, reversible=True)
    except (imagecodecs.DelayedImportError, AttributeError, RuntimeError):
        pytest.skip("no encoder for high-throughput JPEG 2000 here")
    path = compressed(write(tmp_path / "a.dcm", pixels, modality="MR"), coded, "1.2.840.10008.1.2.4.201")
    np.testing.assert_array_equal(opened(path).pixels[0], pixels)


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 192", "王^小東"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_names_are_read_in_the_character_set_of_the_file(
    tmp_path: Path, character_set: str | list[str], name: str
) -> None:
    path = write(tmp_path / "a.dcm", FLAT, SpecificCharacterSet=character_set, PatientName=name, PatientID="7")
    patient = opened(path).series.patient
    assert patient.name == name.replace("^", " ")
    assert patient.patient_id == "7"


@pytest.mark.parametrize("packed", [False, True])
def test_a_voi_lut_is_a_window_with_a_curve_that_looks_as_pydicom_makes_it(tmp_path: Path, packed: bool) -> None:
    from pydicom.pixels.processing import apply_voi_lut

    from cadviewer.imaging.windowing import default_window, to_gray

    pixels = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)
    table = np.rint(4095 * np.linspace(0, 1, 3000) ** 2).astype(np.uint16)
    path = write(
        tmp_path / "lut.dcm", pixels, modality="MR", VOILUTSequence=Sequence([lut(table, 500, 12, "Gamma", packed)])
    )
    volume = opened(path)
    (window,) = volume.series.windows
    assert (window.name, window.low, window.high) == ("Gamma", 500, 3499)
    expected = apply_voi_lut(pixels, pydicom.dcmread(path)) / 4095 * 255
    gray = to_gray(volume.pixels[0], default_window(volume.series))
    np.testing.assert_allclose(gray, expected, atol=0.51)


def test_windows_come_before_luts_and_a_lut_may_begin_below_zero(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8), np.int16)
    table = np.arange(256)
    sequence = Sequence([lut(table, -1000, 8, "A"), lut(table[::-1], 0, 8, "B")])
    path = write(tmp_path / "both.dcm", pixels, WindowCenter=40, WindowWidth=400, VOILUTSequence=sequence)
    windows = opened(path).series.windows
    assert [w.name for w in windows] == ["", "A", "B"]
    assert windows[1].low == -1000
    assert windows[2].curve[0] == 255


def test_a_damaged_lut_is_as_good_as_none(tmp_path: Path) -> None:
    short = lut(np.arange(256), 0, 8)
    short.add_new(0x00283006, "US", [1, 2, 3])
    path = write(tmp_path / "bad.dcm", np.zeros((8, 8), np.uint16), VOILUTSequence=Sequence([short, Dataset()]))
    assert opened(path).series.windows == ()


def test_a_sigmoid_is_known(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.dcm", np.zeros((8, 8), np.uint16), WindowCenter=40, WindowWidth=400, VOILUTFunction="SIGMOID"
    )
    assert opened(path).series.windows == (Window(40, 400, sigmoid=True),)
