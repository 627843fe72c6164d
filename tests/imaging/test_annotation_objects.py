"""Reports, segmentations and presentation states as other makers write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_made import item
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from read_cases import ct, ultrasound

from cadviewer.imaging import annotations, files
from cadviewer.imaging.annotations import Annotations, Kind, Line, Placed, Where
from cadviewer.imaging.series import InputError, Rejected, Series, State
from cadviewer.phantoms.phantom import uid

REPORT, SEGMENTATION = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.66.4"
PRESENTATION = "1.2.840.10008.5.1.4.1.1.11.1"


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return ct(tmp_path_factory.mktemp("ct") / "ct").series


def where(series: Series) -> Where:
    images = {(s.sop_uid, s.frame): k for k, s in enumerate(series.slices)}
    return Where.of(images, series.frame_of_reference_uid, series.series_uid)


def save(path: Path, sop_class: str, modality: str, **elements: Any) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid(0, str(path))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = sop_class, meta.MediaStorageSOPInstanceUID, modality
    data.StudyInstanceUID, data.SeriesInstanceUID, data.Manufacturer = uid(0, "s"), uid(0, "o"), "Other Maker"
    for name, value in elements.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def read(path: Path) -> annotations.Content:
    (found,) = files.scan([path])
    assert isinstance(found, Annotations)
    return annotations.read(found)


def placed(content: annotations.Content, series: Series) -> dict[str, list[Placed]]:
    return {a.name: list(annotations.place(a, series, where(series))) for a in content.annotations}


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def sr_item(kind: str, name: list[Dataset], children: list[Dataset] | None = None, **elements: Any) -> Dataset:
    made = item(ValueType=kind, RelationshipType="CONTAINS", ConceptNameCodeSequence=name, **elements)
    if children:
        made.ContentSequence = children
    return made


def image_item(sop: str, frame: int | None = None) -> Dataset:
    reference = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=sop)
    if frame is not None:
        reference.ReferencedFrameNumber = frame
    return item(ValueType="IMAGE", RelationshipType="SELECTED FROM", ReferencedSOPSequence=[reference])


def number(meaning: str, value: float, unit: str) -> Dataset:
    measured = item(NumericValue=str(value), MeasurementUnitsCodeSequence=code(unit, "UCUM", unit))
    return sr_item("NUM", code("x", "99X", meaning), MeasuredValueSequence=[measured])


def scoord(graphic: str, points: list[float], children: list[Dataset]) -> Dataset:
    region = code("111030", "DCM", "Image Region")
    return sr_item("SCOORD", region, children, GraphicType=graphic, GraphicData=points)


def test_a_planar_report_with_circles_on_images_of_other_tracking(series: Series, tmp_path: Path) -> None:
    sop = series.slices[4].sop_uid
    group = sr_item(
        "CONTAINER",
        code("125007", "DCM", "Measurement Group"),
        [
            sr_item("TEXT", code("112039", "DCM", "Tracking Identifier"), TextValue="L1"),
            sr_item("CODE", code("121071", "DCM", "Finding"), ConceptCodeSequence=code("N", "SRT", "Nodule")),
            scoord("CIRCLE", [20.0, 22.0, 25.0, 22.0], [image_item(sop)]),
            number("Diameter", 7.25, "mm"),
        ],
    )
    path = save(tmp_path / "sr.dcm", REPORT, "SR", ValueType="CONTAINER", ContentSequence=[
        sr_item("CONTAINER", code("126010", "DCM", "Imaging Measurements"), [group])
    ])  # fmt: skip
    content = read(path)
    assert content.kind is Kind.REPORT
    assert content.made_by == "Other Maker"
    (one,) = content.annotations
    assert (one.name, one.said) == ("L1", ("Diameter 7.25 mm",))
    (region,) = placed(content, series)["L1"]
    assert (region.index, region.line) == (4, Line.CLOSED)
    assert np.linalg.norm(region.points - (20, 22), axis=1) == pytest.approx(5.0)


def test_groups_of_one_tracking_uid_are_one_finding(series: Series, tmp_path: Path) -> None:
    def group(name: str, tracking: str, *more: Dataset) -> Dataset:
        text = sr_item("TEXT", code("112039", "DCM", "Tracking Identifier"), TextValue=name)
        known = sr_item("UIDREF", code("112040", "DCM", "Tracking Unique Identifier"), UID=tracking)
        return sr_item("CONTAINER", code("125007", "DCM", "Measurement Group"), [text, known, *more])

    image = image_item(series.slices[4].sop_uid)
    groups = [
        group("L1", "1.2.3", scoord("POINT", [1.0, 1.0], [image])),
        group("L1", "1.2.4", scoord("POINT", [2.0, 2.0], [image])),
        group("L1", "1.2.3", number("Diameter", 5, "mm")),
    ]
    path = save(tmp_path / "sr.dcm", REPORT, "SR", ValueType="CONTAINER", ContentSequence=groups)
    content = read(path)
    assert [(a.name, len(a.graphics), a.said) for a in content.annotations] == [
        ("L1", 1, ("Diameter 5 mm",)),
        ("L1", 1, ()),
    ]


def test_an_image_named_by_its_place_in_the_tree(series: Series, tmp_path: Path) -> None:
    library = sr_item("CONTAINER", code("111028", "DCM", "Image Library"), [image_item(series.slices[7].sop_uid)])
    by_reference = item(RelationshipType="SELECTED FROM", ReferencedContentItemIdentifier=[1, 1, 1])
    length = number("Length", 10.0, "mm")
    length.ContentSequence = [scoord("POLYLINE", [1.0, 2.0, 11.0, 2.0], [by_reference])]
    path = save(tmp_path / "sr.dcm", REPORT, "SR", ValueType="CONTAINER", ContentSequence=[library, length])
    (line,) = placed(read(path), series)["Length"]
    assert (line.index, line.line, line.points.tolist()) == (7, Line.OPEN, [[1, 2], [11, 2]])


def test_findings_of_a_cad_report(series: Series, tmp_path: Path) -> None:
    sop = series.slices[2].sop_uid
    centre = sr_item("SCOORD", code("111010", "DCM", "Center"), [image_item(sop)], GraphicType="POINT",
                     GraphicData=[30.0, 31.0])  # fmt: skip
    outline = scoord("POLYLINE", [28.0, 28.0, 33.0, 28.0, 33.0, 34.0, 28.0, 28.0], [image_item(sop)])
    finding = sr_item("CODE", code("111059", "DCM", "Single Image Finding"), [centre, outline],
                      ConceptCodeSequence=code("F-01796", "SRT", "Mammography breast density"))  # fmt: skip
    path = save(tmp_path / "sr.dcm", "1.2.840.10008.5.1.4.1.1.88.50", "SR", ValueType="CONTAINER",
                ContentSequence=[finding])  # fmt: skip
    drawn = placed(read(path), series)["Mammography breast density"]
    assert [(d.index, d.line) for d in drawn] == [(2, Line.POINT), (2, Line.CLOSED)]


def test_what_a_report_holds_beside_is_said(series: Series, tmp_path: Path) -> None:
    ellipsoid = item(ValueType="SCOORD3D", RelationshipType="CONTAINS", GraphicType="ELLIPSOID",
                     ConceptNameCodeSequence=code("111030", "DCM", "Image Region"),
                     ReferencedFrameOfReferenceUID=series.frame_of_reference_uid,
                     GraphicData=[float(v) for v in range(18)])  # fmt: skip
    group = sr_item("CONTAINER", code("125007", "DCM", "Measurement Group"), [
        ellipsoid, scoord("POINT", [1.0, 1.0], []),
        sr_item("IMAGE", code("121191", "DCM", "Referenced Segment"), ReferencedSOPSequence=[item()]),
        number("Volume", 512.0, "mm3"),
    ])  # fmt: skip
    path = save(tmp_path / "sr.dcm", REPORT, "SR", ValueType="CONTAINER", ContentSequence=[group])
    content = read(path)
    assert content.missing == (
        "1 × coordinates of type ELLIPSOID",
        "1 × coordinates on an image that is not named",
        "1 × outlines in a segmentation, which is a file of its own",
    )
    assert content.annotations[0].said == ("Volume 512 mm³",)


def test_a_fractional_segmentation_on_planes_of_its_own(series: Series, tmp_path: Path) -> None:
    sources = [pydicom.dcmread(f) for f in series.files[3:5]]
    pixels = np.zeros((2, 64, 80), np.float32)
    pixels[:, 20:30, 40:60], pixels[:, 18:20, 40:60] = 0.9, 0.3
    description = hd.seg.SegmentDescription(
        1, "lesion 7", hd.sr.CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure"),
        hd.sr.CodedConcept("4147007", "SCT", "Mass"), "AUTOMATIC",
        hd.AlgorithmIdentificationSequence("a", hd.sr.CodedConcept("123110", "DCM", "Artificial Intelligence"), "1"),
    )  # fmt: skip
    made = hd.seg.Segmentation(
        sources, pixels, "FRACTIONAL", [description], hd.UID(), 1, hd.UID(), 1, "M", "m", "1", "1",
        max_fractional_value=200,
    )  # fmt: skip
    for frame in made.PerFrameFunctionalGroupsSequence:
        del frame.DerivationImageSequence  # some makers say nothing of the images: the patient has to do
    made.save_as(tmp_path / "seg.dcm")
    content = read(tmp_path / "seg.dcm")
    drawn = placed(content, series)["lesion 7"]
    assert sorted(d.index for d in drawn) == [3, 4]
    for each in drawn:
        assert each.points.min(axis=0) == pytest.approx([40, 20], abs=0.3)
        assert each.points.max(axis=0) == pytest.approx([60, 30], abs=0.3)


def test_labels_of_a_label_map(series: Series, tmp_path: Path) -> None:
    sources = [pydicom.dcmread(f) for f in series.files[3:5]]
    pixels = np.zeros((2, 64, 80), np.uint8)
    pixels[0, 10:20, 10:20], pixels[1, 30:40, 30:40] = 1, 2
    segments = [
        hd.seg.SegmentDescription(
            k, f"s{k}", hd.sr.CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure"),
            hd.sr.CodedConcept("4147007", "SCT", "Mass"), "MANUAL",
        ) for k in (1, 2)
    ]  # fmt: skip
    made = hd.seg.Segmentation(sources, pixels, "LABELMAP", segments, hd.UID(), 1, hd.UID(), 1, "M", "m", "1", "1")
    made.save_as(tmp_path / "seg.dcm")
    drawn = placed(read(tmp_path / "seg.dcm"), series)
    assert {name: [d.index for d in own] for name, own in drawn.items() if own} == {"s1": [3], "s2": [4]}


def graphic(kind: str, points: list[float], units: str = "PIXEL", **elements: Any) -> Dataset:
    return item(GraphicType=kind, GraphicData=points, GraphicAnnotationUnits=units, GraphicDimensions=2,
                NumberOfGraphicPoints=len(points) // 2, GraphicFilled="N", **elements)  # fmt: skip


def test_a_presentation_state_with_every_type_in_both_units(series: Series, tmp_path: Path) -> None:
    sop = series.slices[6].sop_uid
    reference = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=sop)
    area = item(DisplayedAreaTopLeftHandCorner=[11, 21], DisplayedAreaBottomRightHandCorner=[50, 60])
    annotation = item(
        ReferencedImageSequence=[reference],
        GraphicLayer="CAD",
        GraphicObjectSequence=[
            graphic("POLYLINE", [1, 1, 9, 1, 9, 9, 1, 1], TrackingID="t1", TrackingUID="1.2"),
            graphic("ELLIPSE", [10, 20, 30, 20, 20, 15, 20, 25]),
            graphic("CIRCLE", [0.5, 0.5, 0.75, 0.5], "DISPLAY"),
            graphic("INTERPOLATED", [1, 1, 2, 3, 4, 5]),
            graphic("POINT", [5, 6], "MATRIX"),
        ],
        TextObjectSequence=[
            item(UnformattedTextValue="hilum\r\nleft", BoundingBoxTopLeftHandCorner=[0.0, 0.0],
                 BoundingBoxBottomRightHandCorner=[0.2, 0.1], BoundingBoxAnnotationUnits="DISPLAY"),
        ],
        CompoundGraphicSequence=[item(CompoundGraphicType="RULER")],
    )  # fmt: skip
    path = save(tmp_path / "pr.dcm", PRESENTATION, "PR", ContentLabel="CAD MARKS",
                GraphicAnnotationSequence=[annotation], DisplayedAreaSelectionSequence=[area])  # fmt: skip
    content = read(path)
    assert content.made_by == "Other Maker · CAD MARKS"
    assert content.missing == ("1 × graphics of type POINT in units MATRIX", "1 × compound graphics")
    drawn = placed(content, series)
    (triangle,) = drawn["t1"]
    assert (triangle.index, triangle.line) == (6, Line.CLOSED)
    ellipse, circle, curve, text = drawn["hilum left"]
    assert [p.line for p in (ellipse, circle, curve, text)] == [Line.CLOSED, Line.CLOSED, Line.OPEN, Line.TEXT]
    assert ellipse.points.min(axis=0) == pytest.approx([10, 15], abs=0.1)
    assert circle.points.mean(axis=0) == pytest.approx([30, 40])  # the middle of columns 10 to 50, rows 20 to 60
    assert (text.text, text.points.tolist()) == ("hilum left", [[10.0, 20.0]])


def test_a_loop_is_marked_on_the_frame_that_is_named(tmp_path: Path) -> None:
    loop = ultrasound(tmp_path / "us.dcm", 3).series
    reference = item(
        ReferencedSOPClassUID="1", ReferencedSOPInstanceUID=loop.slices[0].sop_uid, ReferencedFrameNumber=2
    )
    one = item(ReferencedImageSequence=[reference], GraphicLayer="A", GraphicObjectSequence=[graphic("POINT", [5, 6])])
    whole = item(GraphicLayer="B", GraphicObjectSequence=[graphic("POINT", [7, 8])])
    referenced = item(ReferencedSOPClassUID="1", ReferencedSOPInstanceUID=loop.slices[0].sop_uid)
    of_series = item(SeriesInstanceUID=loop.series_uid, ReferencedImageSequence=[referenced])
    path = save(tmp_path / "pr.dcm", PRESENTATION, "PR", GraphicAnnotationSequence=[one, whole],
                ReferencedSeriesSequence=[of_series])  # fmt: skip
    content = read(path)
    assert content.series == {loop.series_uid}
    drawn = placed(content, loop)
    assert [p.index for p in drawn["A"]] == [1]
    assert [p.index for p in drawn["B"]] == [0, 1, 2]


def test_marks_of_another_series_lie_nowhere(series: Series, tmp_path: Path) -> None:
    reference = item(ReferencedSOPClassUID="1", ReferencedSOPInstanceUID="1.2.3")
    one = item(ReferencedImageSequence=[reference], GraphicLayer="A", GraphicObjectSequence=[graphic("POINT", [5, 6])])
    content = read(save(tmp_path / "pr.dcm", PRESENTATION, "PR", GraphicAnnotationSequence=[one]))
    assert not where(series).meant(content)
    assert placed(content, series) == {"A": []}


@pytest.mark.parametrize("kind", [REPORT, SEGMENTATION, PRESENTATION])
def test_damaged_files_say_so_in_one_line(kind: str, tmp_path: Path) -> None:
    modality = {REPORT: "SR", SEGMENTATION: "SEG", PRESENTATION: "PR"}[kind]
    path = save(tmp_path / "x.dcm", kind, modality, PatientName="Doe^Jane")
    if kind == SEGMENTATION:
        with pytest.raises(InputError, match=r"^damaged[^\n]*$"):
            read(path)
    else:
        assert read(path).annotations == ()
    path.write_bytes(path.read_bytes()[:-7] + b"\xff" * 7)
    found = list(files.scan([path]))
    assert len(found) == 1
    assert isinstance(found[0], Rejected)


def test_other_objects_stay_what_they_were(tmp_path: Path) -> None:
    (dose,) = files.scan([save(tmp_path / "d.dcm", "1.2.840.10008.5.1.4.1.1.88.67", "SR")])
    assert isinstance(dose, Rejected)
    assert not isinstance(dose, Annotations)
    assert dose.state is State.SKIPPED


def test_a_segmentation_with_axes_of_its_own_is_placed_in_the_patient(series: Series, tmp_path: Path) -> None:
    sources = [pydicom.dcmread(f) for f in series.files[3:4]]
    pixels = np.zeros((1, 64, 80), np.uint8)
    pixels[:, 20:30, 40:60] = 1
    description = hd.seg.SegmentDescription(
        1, "lesion 8", hd.sr.CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure"),
        hd.sr.CodedConcept("4147007", "SCT", "Mass"), "MANUAL",
    )  # fmt: skip
    made = hd.seg.Segmentation(sources, pixels, "BINARY", [description], hd.UID(), 1, hd.UID(), 1, "M", "m", "1", "1")
    # The same pixels told from the other corner, as some makers store them; the images are named all the same.
    shared = made.SharedFunctionalGroupsSequence[0]
    own = made.PerFrameFunctionalGroupsSequence[0]
    axes = np.array(sources[0].ImageOrientationPatient, float)
    rows, columns = np.array(sources[0].PixelSpacing, float)
    corner = np.array(sources[0].ImagePositionPatient, float) + 79 * columns * axes[:3] + 63 * rows * axes[3:]
    holder = own if "PlaneOrientationSequence" in own else shared
    holder.PlaneOrientationSequence[0].ImageOrientationPatient = [float(v) for v in -axes]
    own.PlanePositionSequence[0].ImagePositionPatient = [float(v) for v in corner]
    made.save_as(tmp_path / "seg.dcm")
    (drawn,) = placed(read(tmp_path / "seg.dcm"), series)["lesion 8"]
    assert drawn.index == 3
    assert drawn.points.min(axis=0) == pytest.approx([80 - 60, 64 - 30], abs=0.3)
    assert drawn.points.max(axis=0) == pytest.approx([80 - 40, 64 - 20], abs=0.3)


def test_a_mark_on_several_frames_of_a_loop_is_on_each(tmp_path: Path) -> None:
    loop = ultrasound(tmp_path / "us.dcm", 3).series
    reference = item(
        ReferencedSOPClassUID="1", ReferencedSOPInstanceUID=loop.slices[0].sop_uid, ReferencedFrameNumber=[1, 3]
    )
    marks = item(
        ReferencedImageSequence=[reference], GraphicLayer="A", GraphicObjectSequence=[graphic("POINT", [5, 6])]
    )
    path = save(tmp_path / "pr.dcm", PRESENTATION, "PR", GraphicAnnotationSequence=[marks])
    assert [p.index for p in placed(read(path), loop)["A"]] == [0, 2]


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (123456.7, "mm3", "123456.7 mm³"),
        (-1000.5, "[hnsf'U]", "-1000.5 HU"),
        (0.0123, "1", "0.0123"),
        (40.0, "{pixels}2", "40 px²"),
    ],
)
def test_values_are_shown_as_people_write_them(value: float, unit: str, said: str) -> None:
    from cadviewer.imaging.dicom import annotations as parsed

    assert parsed._number(number("Size", value, unit)) == f"Size {said}"
