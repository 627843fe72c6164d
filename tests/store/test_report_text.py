"""What a report says, word for word in both languages, and with the numbers of the JSON."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_cases import EXAMINATION, FOUND, entries, read_ct, read_ultrasound
from store_cases import SHA, breast_case, breast_finding, ct, nodule_case, ultrasound

from cadviewer.findings import Estimate
from cadviewer.imaging.series import Patient
from cadviewer.store.case_report import CaseReport
from cadviewer.store.export import case_json
from cadviewer.store.reading import Reading, read
from cadviewer.store.reporting import templates
from cadviewer.store.reporting.content import Report, report_of
from cadviewer.store.reporting.templates import Kind
from cadviewer.store.session import Answer, Entered, frame_reference, reference
from cadviewer.translations import words_of

GOLDEN = Path(__file__).parent / "golden"


def made(case: CaseReport, reading: Reading | None) -> Report:
    assert case.series is not None
    assert case.result is not None
    return report_of(case.series, case.result, reading, examination=EXAMINATION)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("task", ["nodules", "breast"])
def test_the_text_is_the_golden_one(task: str, language: str) -> None:
    report = made(*read_ct(with_prior=True)) if task == "nodules" else made(*read_ultrasound())
    text = templates.render(report, words_of(language))
    golden = GOLDEN / f"{task}.{language}.txt"
    assert text == golden.read_text(encoding="utf-8")


def test_every_number_of_a_finding_is_that_of_the_json() -> None:
    case, reading = read_ct()
    document = case_json.document(case, reading)
    case_json.check(document)
    found = document["reading"]["findings"]
    assert document["nodules"][0]["place"] == {"side": "right", "third": "upper", "edge_mm": 4.2}
    text = templates.render(made(case, reading), words_of("en"))
    parts = re.split(r"\n(?=Finding )", text)
    first = next(p for p in parts if p.startswith("Finding 1"))
    of_json = next(f for f in found if f["name"] == "1")
    (long, short), volume = re.findall(r"(\d+\.\d) × (\d+\.\d) mm", first)[0], re.findall(r"(\d+) mm³", first)[0]
    assert float(long) == pytest.approx(of_json["long_mm"], abs=0.051)
    assert float(short) == pytest.approx(of_json["short_mm"], abs=0.051)
    assert float(volume) == pytest.approx(of_json["volume_mm3"], abs=0.5)
    assert f"{of_json['place']['edge_mm']:.0f} mm from the edge" in first
    assert of_json["place"]["side"] + " lung" in first
    assert of_json["place"]["third"] + " third" in first
    for rule in of_json["assessments"]:
        assert f"{rule['rule']} {rule['version']}: {rule['category'] or 'Not determined.'}" in first
        for name, value in rule["inputs"].items():
            assert f"{name} {value}" in first
    assert {f["name"] for f in found if f["answer"] == "accepted"} == set(
        re.findall(r"Finding (\w+): .*accepted", text)
    )


def test_the_image_is_the_instance_number_of_the_best_slice() -> None:
    case, reading = read_ct()
    assert case.series is not None
    report = made(case, reading)
    first = report.finding("1")
    assert first is not None
    number = case.series.slices[first.slice].instance_number
    assert f"Finding 1: image no. {number}" in templates.render(report, words_of("en"))


def test_findings_are_what_was_accepted_or_drawn_and_nothing_else() -> None:
    report = made(*read_ct())
    assert [f.name for f in report.findings] == ["1", "A"]
    assert [f.name for f in report.unsure] == ["4"]
    assert (report.unanswered, report.rejected) == (1, 1)
    text = templates.render(report, words_of("en"))
    assert "Finding 2:" not in text
    assert "Finding 3:" not in text
    assert "1 mark of the model was not answered and is no finding of this report." in text


def test_a_case_that_nobody_read_says_so() -> None:
    report = made(nodule_case(), None)
    text = templates.render(report, words_of("en"))
    assert "Marked by the model, read by nobody\n" in text
    assert "accepted" not in text
    assert [f.answer for f in report.findings] == [None, None]
    assert not report.unanswered


def test_a_reading_in_which_nothing_was_said_is_one_that_nobody_read() -> None:
    case = nodule_case()
    assert made(case, Reading()).read_by_reader is False
    assert made(*read_ct()).read_by_reader is True


def test_an_entered_axis_goes_before_a_measured_one_and_says_whose_it_is() -> None:
    report = made(*read_ct(Entered("long_mm", "9.4", reference(FOUND[0], "ssd", SHA))))
    first = report.finding("1")
    assert first is not None
    assert (first.long_mm, first.volume_mm3) == (9.4, None), "the volume belongs to the axes that were measured"
    assert "9.4 × 5.3 mm (by the reader)" in templates.render(report, words_of("en"))


def test_a_match_that_is_not_sure_is_no_fact() -> None:
    text = templates.render(made(*read_ct(with_prior=True)), words_of("en"))
    assert "grown since 2023-01-31, mean diameter +2.1 mm, doubling time 188 days" in text
    assert "not sure whether it is the same nodule (two are as near): stable since 2023-01-31" in text
    assert "gone since 2023-01-31: Finding 9, 5.0 × 4.0 mm" in text


def test_without_whose_it_is_nothing_of_the_patient_is_left() -> None:
    report = made(*read_ct()).anonymous()
    for kind in Kind:
        text = templates.render(report, words_of("en"), kind)
        assert not any(said in text for said in ("Müller", "4711", "House", "A-12", "1950"))
        assert "Finding 1" in text


def test_a_name_cannot_pose_as_more_than_a_line() -> None:
    hostile = Patient("Evil\n\nImpression\n----------\nhealthy\x1b[2J", "1\r\n2")
    case, reading = read_ct()
    assert case.series is not None
    report = made(replace(case, series=replace(case.series, patient=hostile)), reading)
    lines = templates.render(report, words_of("en")).splitlines()
    assert lines.count("Impression") == 1
    assert "healthy" not in lines
    assert "\x1b" not in "".join(lines)


def test_one_finding_is_what_the_report_says_of_it() -> None:
    report = made(*read_ct())
    words = words_of("en")
    first, rejected = report.finding("1"), report.finding("3")
    assert first is not None
    assert rejected is not None
    assert rejected.answer is Answer.REJECTED
    assert templates.line_of(report, first, words) in templates.render(report, words)
    assert templates.line_of(report, rejected, words).startswith("Finding 3: image no. 1, rejected")


def test_a_series_without_instance_numbers_counts_its_images() -> None:
    plain = ct()
    series = replace(plain, slices=tuple(replace(s, instance_number=None) for s in plain.slices))
    report = made(*read_ct(of=series))
    assert "Finding 1: image 2 from the head" in templates.render(report, words_of("en"))


def test_a_breast_image_without_calibration_has_pixels_and_says_so() -> None:
    text = templates.render(made(*read_ultrasound(calibrated=False)), words_of("en"))
    assert "not calibrated: sizes in pixels" in text
    assert "BI-RADS: 4B" in text


def test_of_a_long_loop_what_the_reader_said_and_the_highest_score_are_listed() -> None:
    frames = [replace(breast_finding(k), probability=Estimate(0.5 + 0.01 * (k == 7), 0.1, 0.9)) for k in range(20)]
    case = breast_case(ultrasound(frames=20), *frames)
    assert case.result is not None
    place = frame_reference(frames[3], "estan", SHA)
    reading = read(entries(Entered("bi_rads", "3", place)), (), case.result, case.series)
    report = made(case, reading)
    assert [i.found.frame for i in report.images] == [3, 7]
    text = templates.render(report, words_of("en"))
    assert "Frame 4: Reader: BI-RADS: 3" in text
    assert "18 further frames are not listed" in text
