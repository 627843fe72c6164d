"""The list of patients, studies and series: what is highlighted is on screen, and nothing of two patients is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from gui_desk import Desk, nodule
from gui_images import write_ct
from PySide6.QtCore import Qt
from PySide6.QtGui import QContextMenuEvent

from cadviewer.gui.cases.studies_panel import CASE, HEADING, answered
from cadviewer.imaging import patients
from cadviewer.imaging.series import Patient
from cadviewer.inference.protocol import Cancelled
from cadviewer.store.session import Answer

KEY, CTRL = Qt.Key, Qt.KeyboardModifier.ControlModifier


def series(folder: Path, name: str, number: str, born: str, date: str, order: int = 1, text: str = "Chest") -> Path:
    words = {"PatientName": name, "PatientID": number, "PatientBirthDate": born}
    study = {"StudyDate": date, "StudyInstanceUID": f"1.2.{number}.{date}", "StudyDescription": "CT thorax"}
    return write_ct(folder, 5, **words, **study, SeriesNumber=order, SeriesDescription=text)


@pytest.fixture
def two(desk: Desk, tmp_path: Path) -> Desk:
    """Two patients, one with two studies, of which one has two series that were found in the wrong order."""
    desk.open(
        series(tmp_path / "a2", "Doe^Jane", "7", "19500101", "20240301", 2, "Lung"),
        series(tmp_path / "a1", "DOE^JANE", "7", "19500101", "20240301", 1, "Soft"),
        series(tmp_path / "b", "Roe^Ann", "8", "19600101", "20240302"),
        series(tmp_path / "c", "Doe^Jane", "7", "19500101", "20230301", 1, "Former"),
    )
    desk.bot.waitUntil(lambda: len(desk.window.cases) == 4)
    return desk


def rows(desk: Desk) -> list[str]:
    model = desk.window.studies.rows
    found = []
    for row in range(model.rowCount()):
        heading, case = model.index(row).data(HEADING), model.index(row).data(CASE)
        found.append(("## " if heading.patient else "# ") + heading.text if heading else case.series.description)
    return found


def test_series_stand_below_their_study_and_patient_by_their_number(two: Desk) -> None:
    assert rows(two) == [
        "## DOE JANE  7  1950-01-01",
        "# 2024-03-01  CT thorax",
        "Soft",
        "Lung",
        "# 2023-03-01  CT thorax",
        "Former",
        "## Roe Ann  8  1960-01-01",
        "# 2024-03-02  CT thorax",
        "Chest",
    ]


@pytest.mark.parametrize(
    ("a", "b", "one"),
    [
        (Patient("Doe Jane", "7"), Patient("DOE  JANE", "7"), True),
        (Patient("Doe Jane", "7", birth_date="19500101"), Patient("Doe Jane", "7"), True),
        (Patient("Doe Jane", "7"), Patient("Roe Ann", "7"), False),
        (Patient("Doe Jane", "7", birth_date="19500101"), Patient("Doe Jane", "7", birth_date="19510101"), False),
        (Patient("Doe Jane", "7"), Patient("Doe Jane", "8"), False),
        (Patient("Doe Jane"), Patient("Doe Jane"), False),  # a name alone is many people's
        (Patient("Doe Jane", birth_date="19500101"), Patient("Doe Jane", "7", birth_date="19500101"), True),
        (Patient(), Patient(), False),
    ],
)
def test_patients_are_the_same_where_enough_agrees_and_nothing_differs(
    two: Desk, a: Patient, b: Patient, one: bool
) -> None:
    from dataclasses import replace

    first = replace(two.case.series, patient=a, study_uid="1")
    second = replace(two.case.series, patient=b, study_uid="2")
    assert patients.same(first, second) is one
    assert len(patients.groups([first, second])) == (1 if one else 2 if patients.named(first) else 0)


def _at(desk: Desk, text: str) -> object:
    studies = desk.window.studies
    row = next(k for k, name in enumerate(rows(desk)) if name == text)
    return studies.visualRect(studies.rows.index(row)).center()


def _menu(desk: Desk, text: str) -> list[str]:
    """What a right click there offers; the first is not chosen."""
    studies = desk.window.studies
    at = _at(desk, text)
    studies.contextMenuEvent(QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, studies.mapToGlobal(at)))  # type: ignore[arg-type]
    menu = studies.findChildren(type(desk.window.menus.file_windows))[-1]
    menu.close()
    return [action.text() for action in menu.actions()]


def test_a_right_click_offers_what_can_be_done_and_highlights_nothing_else(two: Desk) -> None:
    before = two.case
    assert _menu(two, "Former") == ["Open", "Close this series"]
    assert _menu(two, "# 2023-03-01  CT thorax") == ["Close this study"]
    assert _menu(two, "## Roe Ann  8  1960-01-01") == ["Close all of this patient"]
    assert two.window.studies.currentIndex().data(CASE) is before is two.case


def test_typing_lists_what_is_called_so_and_enter_opens_it(two: Desk) -> None:
    two.bot.keyClick(two.window, KEY.Key_F, CTRL)
    search = two.window.search
    two.bot.waitUntil(search.hasFocus)
    two.bot.keyClicks(search, "roe")
    open_now = two.case.series.description
    assert rows(two) == [*rows(two)[:2], open_now, "## Roe Ann  8  1960-01-01", "# 2024-03-02  CT thorax", "Chest"]
    two.bot.keyClick(search, KEY.Key_Return)
    two.bot.waitUntil(lambda: two.case.series.patient.name == "Roe Ann")
    assert two.window.studies.currentIndex().data(CASE) is two.case
    search.setFocus()
    two.bot.keyClick(search, KEY.Key_Escape)
    assert search.text() == ""
    assert len(rows(two)) == 9


def test_a_closed_series_is_gone_and_the_next_one_is_on_screen(two: Desk) -> None:
    two.window.opener.open_case(two.window.studies.rows.listed()[0])
    two.bot.waitUntil(lambda: two.case.series.description == "Soft")
    closed = two.case
    two.bot.keyClick(two.window, KEY.Key_W, CTRL)
    two.bot.waitUntil(lambda: two.case is not None and two.case.series.description == "Lung")
    assert closed not in list(two.window.cases)
    assert "Soft" not in rows(two)
    for request in two.engine.cancelled:
        two.bridge.take(Cancelled(closed.case_id, request))  # now no job reads its pixels any more
    two.bot.waitUntil(lambda: two.window.cases.shared(closed) is None)
    assert two.window.studies.currentIndex().data(CASE) is two.case


def test_closing_a_patient_leaves_the_other_and_closing_all_leaves_the_welcome(two: Desk) -> None:
    doe = [c for c in two.window.cases if c.series.patient.name.casefold().startswith("doe")]
    two.window.case_actions.close_cases(doe)
    two.bot.waitUntil(lambda: two.case is not None and two.case.series.patient.name == "Roe Ann")
    assert len(two.window.cases) == 1
    two.window.actions_["close_all"].trigger()
    assert two.window.cases.current is None
    assert rows(two) == []
    assert two.window.banner.patient.text() == "cadviewer"
    assert two.window.workspace.pages.currentIndex() == 0


def test_what_is_answered_is_marked_and_still_is_when_it_is_opened_again(two: Desk, tmp_path: Path) -> None:
    two.finish(nodule(1, 0.9, 1, 2), nodule(2, 0.8, 3, 4, x=30))
    two.bot.waitUntil(lambda: two.case.result is not None)
    assert answered(two.case) == ""
    for number, said in ((1, "✓ 1/2"), (2, "✓")):
        two.window.review_controller.choose(number)
        two.wait_kept(lambda: two.window.review_controller.answer(Answer.ACCEPTED))
        assert answered(two.case) == said
    folder = two.case.series.source
    two.bot.keyClick(two.window, KEY.Key_W, CTRL)
    two.window.open_paths([folder])
    two.bot.waitUntil(lambda: any(answered(c) for c in two.window.cases))


def test_a_patient_whose_series_is_closed_during_its_analysis_waits_for_nothing(two: Desk) -> None:
    assert two.case.running
    request = two.case.request_id
    two.bot.keyClick(two.window, KEY.Key_W, CTRL)
    assert request in two.engine.cancelled


def test_closing_a_patient_closes_what_a_search_has_left_out_too(two: Desk) -> None:
    two.window.opener.open_case(next(c for c in two.window.cases if c.series.patient.name == "Roe Ann"))
    two.bot.waitUntil(lambda: two.case.series.patient.name == "Roe Ann")
    two.window.search.setText("former")
    assert "Soft" not in rows(two)
    model = two.window.studies.rows
    heading = next(h for k in range(model.rowCount()) if (h := model.index(k).data(HEADING)) and h.patient)
    two.window.studies.close_asked.emit(heading.cases)
    two.window.search.setText("")
    assert {c.series.patient.name for c in two.window.cases} == {"Roe Ann"}
