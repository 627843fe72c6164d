"""The risk panel in the real window: asked first, never both guidelines, journalled before it is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from gui_desk import Desk, nodule
from gui_images import write_ct
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from cadviewer.findings import LungPlace, Side, Third
from cadviewer.gui.widgets.fields import Editor
from cadviewer.risk.form import Setting
from cadviewer.store.session import Session, case_key, filled_in

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def risk(read_ct: Desk) -> Desk:
    """The risk panel is open on finding 1 of an analysed CT."""
    read_ct.window.review_controller.choose(1)
    read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_R)
    assert read_ct.window.side.nodules.risk.isVisible()
    return read_ct


def _editor(desk: Desk, name: str) -> Editor:
    panel = desk.window.side.nodules.risk
    for group in (panel.finding, panel.earlier, panel.patient, panel.about_exam):
        if name in group.editors:
            return group.editors[name]
    raise KeyError(name)


def _set(desk: Desk, setting: Setting) -> None:
    desk.wait_kept(lambda: desk.bot.mouseClick(desk.window.side.nodules.risk.setting[setting], LEFT))


def _choose(desk: Desk, name: str, text: str) -> None:
    box = _editor(desk, name).choice
    assert box is not None

    def act() -> None:
        box.setCurrentIndex(box.findData(text))
        box.activated.emit(box.findData(text))

    desk.wait_kept(act)


def _type(desk: Desk, name: str, text: str) -> None:
    line = _editor(desk, name).line
    assert isinstance(line, QLineEdit)
    desk.window.side.nodules.risk.area.ensureWidgetVisible(line)
    desk.bot.mouseClick(line, LEFT)
    line.selectAll()
    desk.bot.keyClicks(line, text)
    desk.wait_kept(lambda: desk.bot.keyClick(line, Qt.Key.Key_Return))


def _click(desk: Desk, name: str, text: str) -> None:
    desk.wait_kept(lambda: desk.bot.mouseClick(_editor(desk, name).buttons[text], LEFT))


def _says(desk: Desk) -> str:
    return str(desk.window.side.nodules.risk.answer.text.text())


def _kept(desk: Desk) -> dict[str, str]:
    """As another program would read it from the disk."""
    entries = Session(case_key(desk.case.series)).entries()
    return {name: text for (_, name), text in filled_in(entries).items()}


def test_the_purpose_of_the_ct_is_asked_first_and_nothing_is_said_before(risk: Desk) -> None:
    panel = risk.window.side.nodules.risk
    assert panel.ask.isVisible()
    assert not panel.answer.isVisible()
    assert not panel.finding.isVisible()
    _set(risk, Setting.SCREENING)
    assert not panel.ask.isVisible()
    assert "Lung-RADS v2022" in _says(risk)
    assert "Fleischner" not in _says(risk)
    _set(risk, Setting.INCIDENTAL)
    assert "Fleischner 2017" in _says(risk)
    assert "Lung-RADS" not in _says(risk)
    assert not panel.exam.isVisible()


def test_entries_are_journalled_and_change_the_answer(risk: Desk) -> None:
    _set(risk, Setting.SCREENING)
    assert "Not determined" in _says(risk)
    _choose(risk, "type", "solid")
    _choose(risk, "status", "baseline")
    _choose(risk, "feature", "none of these")
    assert "6-month LDCT" in _says(risk)  # 7.5 × 6.0: mean 6.8 mm, category 3
    _type(risk, "short_mm", "8.6")  # mean 8.1 mm
    assert "3-month LDCT" in _says(risk)
    assert _kept(risk) == {
        "setting": "screening",
        "type": "solid",
        "status": "baseline",
        "feature": "none of these",
        "short_mm": "8.6",
    }


def test_the_brock_probability_appears_when_its_last_input_is_there(risk: Desk) -> None:
    _set(risk, Setting.INCIDENTAL)
    _choose(risk, "type", "solid")
    _type(risk, "long_mm", "10")
    _type(risk, "age", "62")
    _choose(risk, "sex", "female")
    for name in ("family_history", "emphysema"):
        _click(risk, name, "no")
    for name in ("upper_lobe", "spiculation"):
        _click(risk, name, "yes")
    assert "20.1 %" not in _says(risk)
    _type(risk, "count", "1")
    assert "20.1 %" in _says(risk)


def test_nothing_is_shown_as_entered_before_it_is_written(risk: Desk) -> None:
    panel = risk.window.side.nodules.risk
    risk.bot.mouseClick(panel.setting[Setting.SCREENING], LEFT)
    assert not panel.setting[Setting.SCREENING].isChecked()
    risk.bot.waitUntil(lambda: panel.setting[Setting.SCREENING].isChecked())


def test_an_entry_can_be_undone_and_taken_back(risk: Desk) -> None:
    _set(risk, Setting.SCREENING)
    _click(risk, "upper_lobe", "yes")
    assert _editor(risk, "upper_lobe").buttons["yes"].isChecked()
    _click(risk, "upper_lobe", "yes")  # again takes it back
    assert "upper_lobe" not in _kept(risk)
    risk.wait_kept(risk.window.review_controller.undo)
    assert _editor(risk, "upper_lobe").buttons["yes"].isChecked()


def test_what_cannot_be_is_marked_and_not_kept(risk: Desk) -> None:
    _set(risk, Setting.SCREENING)
    line = _editor(risk, "age").line
    assert line is not None
    line.setFocus()
    risk.bot.keyClicks(line, "old")
    risk.bot.keyClick(line, Qt.Key.Key_Return)
    assert line.property("wrong")
    assert "number from 1 to 120" in line.toolTip()
    assert risk.window.journal.pending == 0
    assert "age" not in _kept(risk)


def test_letters_and_return_typed_into_a_field_are_not_the_windows_keys(risk: Desk) -> None:
    _set(risk, Setting.SCREENING)
    index = risk.viewport.index
    line = _editor(risk, "age").line
    assert line is not None
    line.setFocus()
    for key in (Qt.Key.Key_X, Qt.Key.Key_N, Qt.Key.Key_Up, Qt.Key.Key_1, Qt.Key.Key_Backspace, Qt.Key.Key_Return):
        risk.bot.keyClick(line, key)
    assert risk.case.answer(risk.case.finding(1)) is None
    assert risk.case.selected == 1
    assert risk.viewport.index == index


def test_entries_are_there_again_when_the_case_is_opened_anew(risk: Desk, ct_folder: Path) -> None:
    _set(risk, Setting.SCREENING)
    _choose(risk, "type", "solid")
    risk.window.actions_["analyse"].trigger()
    risk.finish(nodule(1, 0.95, 2, 4, x=20.5))  # the same finding, as another run sees it
    risk.bot.waitUntil(lambda: risk.case.result is not None)
    risk.window.review_controller.choose(1)
    box = _editor(risk, "type").choice
    assert box is not None
    assert box.currentData() == "solid"


def test_each_finding_has_its_own_entries(risk: Desk) -> None:
    _set(risk, Setting.SCREENING)
    _choose(risk, "type", "solid")
    risk.window.review_controller.choose(2)
    box = _editor(risk, "type").choice
    assert box is not None
    assert box.currentData() is None
    assert "nodule type" in _says(risk)


def test_a_proposed_type_is_shown_as_one_and_does_not_count(ct: Desk) -> None:
    ct.finish(replace(nodule(1, 0.9, 2, 4), type="part-solid"))
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    ct.window.review_controller.choose(1)
    ct.bot.keyClick(ct.window, Qt.Key.Key_R)
    _set(ct, Setting.SCREENING)
    box = _editor(ct, "type").choice
    assert box is not None
    assert box.currentText() == "proposed: part-solid"
    assert "nodule type" in _says(ct)


def test_the_exam_goes_by_accepted_findings_and_waits_for_unread_ones(risk: Desk) -> None:
    panel = risk.window.side.nodules.risk
    _set(risk, Setting.SCREENING)
    _choose(risk, "exam", "complete")
    assert "3 findings not read yet" in panel.exam.text.text()
    for name, value in (("type", "solid"), ("status", "baseline"), ("feature", "none of these")):
        _choose(risk, name, value)
    risk.wait_kept(lambda: risk.bot.keyClick(risk.window, Qt.Key.Key_Return))
    for number in (2, 3):
        risk.window.review_controller.choose(number)
        risk.wait_kept(lambda: risk.bot.keyClick(risk.window, Qt.Key.Key_X))
    assert "Not determined" not in panel.exam.text.text()
    assert ">3<" in panel.exam.text.text()


def test_the_panel_fits_a_small_screen(risk: Desk) -> None:
    risk.window.resize(1366, 768)
    _set(risk, Setting.SCREENING)
    _choose(risk, "type", "part-solid")
    panel = risk.window.side.nodules.risk
    assert panel.area.widget().width() <= panel.area.viewport().width()
    for editor in panel.finding.editors.values():
        if editor.isVisible():
            assert editor.mapTo(panel, editor.rect().topRight()).x() <= panel.width()


def test_a_finding_of_an_earlier_ct_of_the_same_patient_gives_the_doubling_time(risk: Desk, tmp_path: Path) -> None:
    import pydicom

    earlier = write_ct(tmp_path / "earlier")
    for file in earlier.iterdir():
        data = pydicom.dcmread(file)
        data.StudyDate = "20230131"
        data.save_as(file)
    today = risk.case
    risk.open(earlier)
    risk.window.opener.open_case(risk.window.cases.get(risk.case.case_id))
    risk.bot.waitUntil(lambda: risk.case is not today, timeout=5000)
    risk.finish(replace(nodule(1, 0.9, 2, 4), long_mm=4.0, short_mm=3.0, volume_mm3=20.0))
    risk.bot.waitUntil(lambda: risk.case.result is not None)
    risk.window.opener.open_case(today)
    risk.bot.waitUntil(lambda: risk.case is today)
    _set(risk, Setting.SCREENING)
    risk.window.review_controller.choose(1)
    panel = risk.window.side.nodules.risk
    assert panel.prior.count() == 2
    assert panel.prior.itemText(1).startswith("2023-01-31 · finding 1")
    risk.wait_kept(lambda: panel.prior.activated.emit(1))
    assert _kept(risk)["prior_date"] == "2023-01-31"
    assert "Volume doubling time" in _says(risk)
    assert "days" in _says(risk)


def test_the_saved_reading_has_the_entries_and_every_rule_with_its_source(risk: Desk, tmp_path: Path) -> None:
    import json

    _set(risk, Setting.SCREENING)
    for name, value in (("type", "solid"), ("status", "baseline"), ("feature", "none of these")):
        _choose(risk, name, value)
    risk.wait_kept(lambda: risk.bot.keyClick(risk.window, Qt.Key.Key_Return))
    path = tmp_path / "reading.json"
    with risk.bot.waitSignal(risk.window.saving.said, timeout=10_000):
        risk.window.saving.save(risk.case, path)
    content = json.loads(path.read_text(encoding="utf-8"))["reading"]
    assert content["entries"] == {"setting": "screening"}
    first = content["findings"][0]
    assert first["answer"] == "accepted"
    assert first["entries"]["type"] == "solid"
    rule = first["assessments"][0]
    assert (rule["rule"], rule["version"], rule["category"]) == ("Lung-RADS", "v2022", "3")
    assert rule["source"]
    assert rule["inputs"]["mean diameter"] == "6.8 mm"
    assert "Doe" not in path.read_text(encoding="utf-8")


def test_a_reading_that_cannot_be_saved_is_told(risk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with risk.bot.waitSignal(risk.window.saving.failed, timeout=10_000):
        risk.window.saving.save(risk.case, tmp_path / "file" / "reading.json")
    assert any("not saved" in text for text in risk.window.workspace.notifications.texts())


def test_entries_that_contradict_are_named_above_the_form(risk: Desk) -> None:
    _set(risk, Setting.SCREENING)
    panel = risk.window.side.nodules.risk
    assert panel.wrong.isHidden()
    _type(risk, "long_mm", "6")
    _type(risk, "short_mm", "8")
    assert "the short axis is longer than the long one" in panel.wrong.text()
    assert not panel.wrong.isHidden()
    _type(risk, "short_mm", "5")
    assert panel.wrong.isHidden()


def test_the_entry_that_is_being_made_keeps_its_place_while_answers_come(risk: Desk) -> None:
    _set(risk, Setting.SCREENING)
    risk.window.resize(1000, 560)
    panel = risk.window.side.nodules.risk
    editor = _editor(risk, "short_mm")
    assert editor.line is not None
    editor.line.setFocus()
    panel.area.ensureWidgetVisible(editor)
    risk.bot.wait(50)
    bar = panel.area.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)

    def place() -> int:
        return int(editor.line.mapTo(panel.area.viewport(), editor.line.rect().topLeft()).y())

    def settled() -> bool:
        seen = place()
        risk.bot.wait(100)
        return place() == seen

    risk.bot.waitUntil(settled)  # a busy machine lays the form out late
    before = place()
    assert editor.line.hasFocus()
    assert 0 < bar.value() < bar.maximum(), (bar.value(), bar.maximum())
    risk.wait_kept(
        lambda: risk.window.review_controller.enter(risk.case.selected, {"type": "solid", "status": "baseline"})
    )
    risk.bot.waitUntil(settled)
    assert abs(place() - before) <= 2


@pytest.mark.parametrize(("third", "asked"), [(Third.UPPER, "yes"), (Third.LOWER, "no"), (Third.MIDDLE, None)])
def test_the_upper_lobe_is_asked_by_the_place_and_counts_only_when_the_reader_says_so(
    ct: Desk, third: Third, asked: str | None
) -> None:
    ct.finish(replace(nodule(1, 0.9, 8, 10), place=LungPlace(Side.RIGHT, third, 12.0)))
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    ct.window.review_controller.choose(1)
    ct.bot.keyClick(ct.window, Qt.Key.Key_R)
    _set(ct, Setting.SCREENING)
    buttons = _editor(ct, "upper_lobe").buttons
    assert [text for text, button in buttons.items() if button.text() == f"{text}?"] == ([asked] if asked else [])
    assert not any(button.isChecked() for button in buttons.values())
    (read,) = ct.case.reading().findings
    assert "upper_lobe" not in read.form, "the place is a suggestion, no fact"
    ct.wait_kept(lambda: ct.bot.mouseClick(buttons["yes"], LEFT))
    assert buttons["yes"].isChecked()
    assert [button.text() for button in buttons.values()] == ["yes", "no"]
