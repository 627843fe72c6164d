"""DICOM objects of a case: valid, read back to the same numbers, the reader's and the model's apart."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
import read_cases
from highdicom import sr
from read_cases import KINDS, ReadCase

from cadviewer.store import export
from cadviewer.store.export.dicom import codes, contents, segmentation
from cadviewer.store.marks import Answer, Decision, Entered, KeyImage, Mark, Measure, MeasureKind
from cadviewer.store.reading import read
from cadviewer.store.session import Entry, frame_reference, reference

FORMATS = ("sr", "seg", "gsps", "sc")
WARNINGS = (
    "Unrecognized defined term = <99CADVIEWER>",
    "only permitted to be empty when actually unknown",
    "Missing attribute or value that would be needed to build DICOMDIR",
)
"""What dciodvfy may warn of (docs/dicom-objects.md says why)."""


@pytest.fixture(scope="module", params=KINDS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReadCase, Path]:
    """A case of each kind and the folder with all its objects."""
    folder = tmp_path_factory.mktemp("case")
    case = KINDS[request.param](folder)
    for name in FORMATS:
        export.write(case.report, case.volume, case.reading, folder / "out" / f"{name}.dcm", name)
    return case, folder / "out"


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_each_object_is_there_once_for_the_reader_and_once_for_the_model(written: tuple[ReadCase, Path]) -> None:
    _, folder = written
    for name in ("sr", "seg", "gsps"):
        assert (folder / f"{name}.dcm").exists()
        assert "reader" in pydicom.dcmread(folder / f"{name}.dcm").SeriesDescription
        assert "model, not reviewed" in pydicom.dcmread(folder / f"{name}-model.dcm").SeriesDescription
    for path in folder.glob("sc*.dcm"):
        described = pydicom.dcmread(path).SeriesDescription
        assert ("not reviewed" in described) is ("model" in path.name)


def test_dciodvfy_finds_no_error(written: tuple[ReadCase, Path]) -> None:
    program = tool("dciodvfy")
    for path in sorted(written[1].glob("*.dcm")):
        said = subprocess.run([program, "-new", str(path)], capture_output=True, text=True, check=False).stderr
        lines = [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
        assert [line for line in lines if not any(known in line for known in WARNINGS)] == [], path.name


def test_dsrdump_reads_the_report(written: tuple[ReadCase, Path]) -> None:
    program = tool("dsrdump")
    for path in written[1].glob("sr*.dcm"):
        done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Imaging Measurement Report" in done.stdout


def test_dcmqi_reads_the_segmentation(written: tuple[ReadCase, Path], tmp_path: Path) -> None:
    program = tool("segimage2itkimage")
    if not written[0].series.geometry.placed:
        pytest.skip("dcmqi makes volumes alone")
    path = written[1] / "seg.dcm"
    done = subprocess.run(
        [program, "--inputDICOM", str(path), "--outputDirectory", str(tmp_path), "-t", "nrrd"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("*.nrrd"))) == len(pydicom.dcmread(path).SegmentSequence)


def groups(path: Path) -> Iterator[Any]:
    report = sr.srread(path).content
    yield from report.get_planar_roi_measurement_groups()
    yield from report.get_volumetric_roi_measurement_groups()
    yield from report.get_image_measurement_groups()


def numbers(path: Path) -> dict[tuple[str, str], float]:
    """(tracking identifier without what makes it unique, name) → value."""
    return {
        (group.tracking_identifier.rsplit(" ", 1)[0], m.name.meaning): float(m.value)
        for group in groups(path)
        for m in group.get_measurements()
    }


def test_the_report_reads_back_to_the_same_numbers(written: tuple[ReadCase, Path]) -> None:
    case, folder = written
    content = {
        "sr.dcm": contents.of_reader(case.report, case.reading),
        "sr-model.dcm": contents.of_model(case.report),
    }
    for name, whole in content.items():
        assert whole is not None
        found = numbers(folder / name)
        for finding in whole.findings:
            for measured in finding.measured:
                key = (f"{finding.kind.meaning} {finding.name}", measured.name.meaning)
                assert found[key] == pytest.approx(measured.value, abs=1e-3)
        for _, measure in whole.measures:
            if measure.value is not None:
                label = measure.label or measure.kind.value
                values = [value for (own, _), value in found.items() if own == label]
                assert any(v == pytest.approx(measure.value, abs=1e-3) for v in values), label


def test_what_was_rejected_or_left_open_is_the_models_alone(tmp_path: Path) -> None:
    case = read_cases.ct(tmp_path / "ct")
    export.write(case.report, case.volume, case.reading, tmp_path / "x.dcm", "sr")
    reader = {g.tracking_identifier.split(" (")[0] for g in groups(tmp_path / "x.dcm")}
    model = {g.tracking_identifier.split(" (")[0] for g in groups(tmp_path / "x-model.dcm")}
    assert {"Nodule 1", "Nodule A"} <= reader
    assert not {"Nodule 2", "Nodule 3"} & reader
    assert model == {"Nodule 1", "Nodule 2", "Nodule 3"}


def test_a_finding_keeps_its_tracking_uid_over_exports_and_objects(tmp_path: Path) -> None:
    case = read_cases.ct(tmp_path / "ct")
    for name in ("a", "b"):
        export.write(case.report, case.volume, case.reading, tmp_path / f"{name}.dcm", "sr")
    export.write(case.report, case.volume, case.reading, tmp_path / "c.dcm", "seg")
    by_name = [
        {g.tracking_identifier: str(g.tracking_uid) for g in groups(tmp_path / name)} for name in ("a.dcm", "b.dcm")
    ]
    assert by_name[0] == by_name[1]
    segments = {s.TrackingID: str(s.TrackingUID) for s in pydicom.dcmread(tmp_path / "c.dcm").SegmentSequence}
    assert segments.items() <= by_name[0].items()
    model = {g.tracking_identifier: str(g.tracking_uid) for g in groups(tmp_path / "a-model.dcm")}
    assert model.items() & by_name[0].items()  # what was accepted is the model's finding still
    instances = {pydicom.dcmread(tmp_path / name).SOPInstanceUID for name in ("a.dcm", "b.dcm")}
    assert len(instances) == 2


def test_segments_cover_the_pixels_of_their_findings(written: tuple[ReadCase, Path]) -> None:
    case, folder = written
    whole = contents.of_model(case.report)
    assert whole is not None
    made = hd.seg.segread(folder / "seg-model.dcm")
    rows, columns = case.series.geometry.shape[1:]
    expected = {f"{f.kind.meaning} {f.name}": segmentation.masks_of(f, rows, columns) for f in whole.findings}
    for number in made.segment_numbers:
        masks = expected.pop(made.get_segment_description(number).segment_label)
        found = frames_of(case, made, number)
        assert found.keys() == masks.keys()
        assert all(np.array_equal(found[k], masks[k]) for k in masks)
    assert expected == {}


def frames_of(case: ReadCase, made: Any, segment: int) -> dict[int, Any]:
    """Slice → mask of a segment, found by the images that its frames were made from."""
    by_uid = {(s.sop_uid, s.frame): k for k, s in enumerate(case.series.slices) if s.sop_uid}
    images = contents_images(case)
    found = {}
    frames = made.pixel_array.reshape(-1, made.Rows, made.Columns)
    for frame, item in zip(frames, made.PerFrameFunctionalGroupsSequence, strict=True):
        shared = made.SharedFunctionalGroupsSequence[0]
        own = item if "SegmentIdentificationSequence" in item else shared
        if own.SegmentIdentificationSequence[0].ReferencedSegmentNumber != segment:
            continue
        source = item.DerivationImageSequence[0].SourceImageSequence[0]
        uid, number = str(source.ReferencedSOPInstanceUID), int(source.get("ReferencedFrameNumber", 1))
        index = by_uid[uid, number - 1] if by_uid else images[uid]
        found[index] = frame > 0
    return found


def contents_images(case: ReadCase) -> dict[str, int]:
    from cadviewer.store.export.dicom.images import Images

    images = Images(case.series)
    return {str(images.of(k).SOPInstanceUID): k for k in range(len(case.series.slices))}


def test_coordinates_lie_in_the_patient_where_there_is_a_frame_of_reference(tmp_path: Path) -> None:
    for name in ("axial CT", "oblique CT", "CT with a tilted gantry", "CT as MetaImage"):
        case = KINDS[name](tmp_path / name)
        export.write(case.report, case.volume, case.reading, tmp_path / name / "x.dcm", "sr")
        made = pydicom.dcmread(tmp_path / name / "x.dcm")
        assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
        (group,) = sr.srread(tmp_path / name / "x.dcm").content.get_volumetric_roi_measurement_groups()
        points = np.concatenate(group.roi.graphic_data)
        nodule = case.report.result.nodules[0]  # type: ignore[union-attr]
        slices = case.series.slices
        for k, outline in nodule.outlines.items():
            position = slices[k].position
            if position is None:
                position = case.series.geometry.to_patient((k, 0, 0))
            _, down, right = (np.array(v) for v in case.series.geometry.direction)  # type: ignore[union-attr]
            middle = outline.mean(axis=0) - 0.5
            centre = np.array(position) + 0.7 * (middle[0] * right + middle[1] * down)
            normal = np.cross(right, down)
            own = points[np.abs((points - centre) @ normal) < 0.01]
            assert np.linalg.norm(own.mean(axis=0) - centre) < 0.5


def test_assessments_have_the_codes_of_their_context_groups(tmp_path: Path) -> None:
    case = read_cases.ct(tmp_path / "ct")
    export.write(case.report, case.volume, case.reading, tmp_path / "x.dcm", "sr")
    said = {
        (e.name.value, e.value.value)
        for g in groups(tmp_path / "x.dcm")
        if g.tracking_identifier.startswith("Nodule 1 ")
        for e in g.get_qualitative_evaluations()
    }
    category = next(
        a.category
        for r in case.reading.findings
        if r.found.name == "1"
        for a in case.reading.assess(r)
        if a.rule.name == "Lung-RADS"
    )
    assert category is not None
    assert (codes.LUNG_RADS_ASSESSMENT.value, codes.LUNG_RADS[category].value) in said
    breast = read_cases.ultrasound(tmp_path / "us.dcm")
    export.write(breast.report, breast.volume, breast.reading, tmp_path / "y.dcm", "sr")
    said = {(e.name.value, e.value.value) for g in groups(tmp_path / "y.dcm") for e in g.get_qualitative_evaluations()}
    assert ("111005", "MA.II.A.5.4B") in said


def test_the_side_of_the_lungs_is_told_where_it_is_known(tmp_path: Path) -> None:
    case = read_cases.ct(tmp_path / "ct")
    export.write(case.report, case.volume, case.reading, tmp_path / "x.dcm", "sr")
    sides = {
        g.tracking_identifier.split(" (")[0]: [s.laterality.value for s in g.finding_sites if s.laterality is not None]
        for g in groups(tmp_path / "x-model.dcm")
    }
    assert sides == {"Nodule 1": ["24028007"], "Nodule 2": ["7771000"], "Nodule 3": ["7771000"]}


def test_findings_that_overlap_come_into_objects_of_their_own(tmp_path: Path) -> None:
    import dataclasses

    case = read_cases.ct(tmp_path / "ct")
    result = case.report.result
    assert result is not None
    over = dataclasses.replace(result, nodules=(*result.nodules, read_cases.nodule(4, 0.6, 22.0, 21.0, 5.0)))
    report = dataclasses.replace(case.report, result=over)
    written = export.load("seg").write_case
    assert written is not None
    written(report, case.volume, tmp_path / "out")
    made = [pydicom.dcmread(p) for p in sorted((tmp_path / "out").glob("*.dcm"))]
    assert [len(m.SegmentSequence) for m in made] == [3, 1]


def test_a_source_that_is_no_dicom_gets_the_same_uids_wherever_it_lies_and_no_patient(tmp_path: Path) -> None:
    uids = []
    for folder in ("a", "b"):
        case = read_cases.png(tmp_path / folder / "x.png")
        export.write(case.report, case.volume, case.reading, tmp_path / folder / "x.dcm", "sr")
        made = pydicom.dcmread(tmp_path / folder / "x.dcm")
        assert made.PatientName == made.PatientID == made.PatientBirthDate == made.PatientSex == ""
        assert "UIDs generated" in made.SeriesDescription
        uids.append((made.StudyInstanceUID, {str(g.tracking_uid) for g in groups(tmp_path / folder / "x.dcm")}))
        assert made.StudyInstanceUID.startswith("2.25.")
    assert uids[0][0] == uids[1][0]


def test_names_in_other_character_sets_arrive(tmp_path: Path) -> None:
    case = read_cases.ultrasound(tmp_path / "us.dcm")
    for name in FORMATS:
        export.write(case.report, case.volume, case.reading, tmp_path / "out" / f"{name}.dcm", name)
        assert str(pydicom.dcmread(tmp_path / "out" / f"{name}.dcm").PatientName) == "Doe^Jané"


def marked(case: ReadCase, *marks: Mark, path: Path, kind: str = "sr") -> list[Any]:
    """What is written where the reader's records are these alone."""
    result = case.report.result
    assert result is not None
    entries = [Entry(f"{k:016x}", "w", "2024-01-01T00:00:00Z", mark) for k, mark in enumerate(marks)]
    reading = read(entries, result.nodules, result, case.volume.series)
    export.write(case.report, case.volume, reading, path, kind)
    return list(groups(path)) if kind == "sr" else []


def test_no_lesion_by_the_reader_is_an_assessment_of_the_image_and_not_the_models_mass(tmp_path: Path) -> None:
    case = read_cases.ultrasound(tmp_path / "us.dcm")
    result = case.report.result
    assert result is not None
    place = frame_reference(result.breast[0], "hybrid-test", read_cases.SHA)
    said = (Entered("call", "no lesion", place), Entered("bi_rads", "1", place))
    (group,) = marked(case, *said, path=tmp_path / "x.dcm")
    assert group.finding_type is None
    assert "Mass" not in group.tracking_identifier
    assert {e.value.meaning for e in group.get_qualitative_evaluations()} == {"No lesion", "1 - Negative"}
    assert "hybrid-test" not in str(pydicom.dcmread(tmp_path / "x.dcm").ContentSequence)


def test_the_area_of_a_region_is_told_where_its_values_have_no_unit(tmp_path: Path) -> None:
    case = read_cases.ultrasound(tmp_path / "us.dcm")
    drawn = Measure(MeasureKind.ELLIPSE, 0, ((40.0, 30.0), (60.0, 40.0)), 100.0, "")
    (group,) = marked(case, drawn, path=tmp_path / "x.dcm")
    spacing = case.volume.geometry.pixel_spacing
    assert spacing is not None
    (area,) = group.get_measurements()
    assert (area.name.meaning, area.unit.value) == ("Area", "mm2")
    assert float(area.value) == pytest.approx(np.pi / 4 * 20 * 10 * spacing[0] * spacing[1], rel=0.01)


def test_an_axis_that_the_reader_entered_stands_beside_the_one_that_was_measured(tmp_path: Path) -> None:
    case = read_cases.ct(tmp_path / "ct")
    result = case.report.result
    assert result is not None
    nodule = result.nodules[0]
    place = reference(nodule, result.provenance.model, result.provenance.weights_sha256)
    made = marked(case, Decision(place, Answer.ACCEPTED), Entered("long_mm", "31", place), path=tmp_path / "x.dcm")
    sizes = {m.name.meaning: float(m.value) for g in made for m in g.get_measurements()}
    assert sizes["Long Axis"] == 31
    assert sizes["Short Axis"] == pytest.approx(nodule.short_mm, abs=0.06)
    assert "Volume" not in sizes


def test_both_axes_of_a_bidirectional_measure_are_told_whichever_was_drawn_first(tmp_path: Path) -> None:
    case = read_cases.ultrasound(tmp_path / "us.dcm")
    spacing = case.volume.geometry.pixel_spacing
    assert spacing is not None
    long = 30 * spacing[1]
    drawn = Measure(MeasureKind.BIDIRECTIONAL, 0, ((40.0, 25.0), (40.0, 35.0), (25.0, 30.0), (55.0, 30.0)), long, "mm")
    (group,) = marked(case, drawn, path=tmp_path / "x.dcm")
    found = {m.name.meaning: m for m in group.get_measurements()}
    assert float(found["Long Axis"].value) == pytest.approx(long, abs=1e-3)
    assert float(found["Short Axis"].value) == pytest.approx(10 * spacing[0], abs=1e-3)
    (coordinates,) = found["Long Axis"].referenced_coordinates
    assert np.ptp(coordinates.value[:, 0]) == pytest.approx(30)


def test_key_images_alone_are_worth_pictures(tmp_path: Path) -> None:
    case = read_cases.ct(tmp_path / "ct")
    marked(case, KeyImage(5, True), path=tmp_path / "x.dcm", kind="sc")
    assert pydicom.dcmread(tmp_path / "x.dcm").pixel_array.ndim == 3
