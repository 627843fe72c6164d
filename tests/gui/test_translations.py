"""The window speaks the user's language, whole, and says the same numbers in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter

import pytest
import visible_texts
from gui_desk import Desk, StillEngine
from PySide6.QtWidgets import QApplication, QComboBox
from pytestqt.qtbot import QtBot

from cadviewer import app
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.i18n import language
from cadviewer.gui.nodules.risk import lack
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.risk import form

OTHERS = [code for code in language.available() if code != language.ENGLISH]


@pytest.fixture(autouse=True)
def _back_to_english(qapp: QApplication) -> Iterator[None]:
    yield
    app.speak(qapp, language.ENGLISH)


@pytest.fixture
def german(qapp: QApplication, qtbot: QtBot) -> Iterator[Desk]:
    """The window of a program that was started in German."""
    app.speak(qapp, "de")
    engine, bridge = StillEngine(), Bridge()
    window = MainWindow(engine, bridge, Preferences())
    window.resize(1200, 800)
    window.show()
    qtbot.waitExposed(window)
    yield Desk(window, engine, bridge, qtbot)
    window.close()
    window.shut()
    window.deleteLater()


def test_another_language_than_english_ships() -> None:
    assert language.available()["de"] == "Deutsch"


def pairs(code: str) -> list[tuple[str, str]]:
    """Every text and its translation, both forms of what has two."""
    found = []
    for message in visible_texts.catalogue(visible_texts.TRANSLATIONS / f"{code}.po"):
        ids, strings = ((x,) if isinstance(x, str) else x for x in (message.id, message.string))
        found += [(a, b) for a, b in zip(ids, strings, strict=True) if a]
    return found


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_has_a_translation_and_none_is_left_over(code: str) -> None:
    where = visible_texts.in_calls() | visible_texts.in_messages()
    made = visible_texts.catalogue(visible_texts.TRANSLATIONS / f"{code}.po")
    assert [f"{where.get(text, 'a table')}: {text}" for text in visible_texts.lacking(made)] == []
    assert visible_texts.main(check=True) == 0


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_same_places_numbers_and_units(code: str) -> None:
    unit = re.compile(r"(?<![A-Za-zÄÖÜäöü])(?:mm[²³]?|HU|px²?|%|IHE|GPU|DICOM|SHA-256)(?![A-Za-zäöü])")
    for text, translated in pairs(code):
        places = [sorted((n, f, c) for _, n, f, c in Formatter().parse(t) if n) for t in (text, translated)]
        assert places[0] == places[1], text
        assert sorted(unit.findall(text)) == sorted(unit.findall(translated)), text
        assert sorted(re.findall(r"\d+", text)) == sorted(re.findall(r"\d+", translated)), text
        assert text.startswith(" ") == translated.startswith(" "), text
        assert text.endswith("…") == translated.endswith("…"), text


def test_what_has_no_translation_is_english_and_a_country_does_not_matter() -> None:
    assert language.use("de_CH") == "de"
    assert language.tr("Never seen before {n:.1f}", n=1.25) == "Never seen before 1.2"
    assert language.use("xx") == "en"
    assert language.tr("Settings") == "Settings"


def test_a_number_has_the_form_that_the_language_has_for_it() -> None:
    language.use("de")
    found = [language.count(n, "{n} finding", "{n} findings") for n in (0, 1, 2)]
    assert found == ["0 Befunde", "1 Befund", "2 Befunde"]


def test_the_language_is_another_after_a_restart(desk: Desk, qapp: QApplication, qtbot: QtBot) -> None:
    desk.window.tools.open_settings()
    dialog = desk.window.tools.settings
    assert dialog is not None
    box = dialog.pages["look"].editors["language"]
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findData("de"))
    dialog.apply.click()
    assert "Language" in dialog.say.text()
    assert desk.window.menuBar().actions()[0].text() == "&File"
    desk.window.preferences._thread.settle(10)
    assert app.speak(qapp, Preferences().now.language) == "de"
    window = MainWindow(StillEngine(), Bridge(), Preferences())
    assert window.menuBar().actions()[0].text() == "&Datei"
    assert window.actions_["accept"].toolTip().startswith("Gültig (")
    window.shut()
    window.deleteLater()


def test_qt_itself_speaks_it_too_and_numbers_keep_their_point(german: Desk) -> None:
    german.window.tools.open_settings()
    dialog = german.window.tools.settings
    assert dialog is not None
    assert "Übernehmen" in dialog.apply.text() or "Anwenden" in dialog.apply.text()
    dialog.pages["models"].editors["nodule_threshold"].click()
    assert dialog.draft()["nodule_threshold"] == 0.5
    assert QApplication.instance() is not None
    spin = dialog.pages["models"].editors["nodule_threshold"].parentWidget().children()[-1]
    assert spin.text() == "0.50"


def test_german_menus_have_no_letter_twice(german: Desk) -> None:
    bar = german.window.menuBar().actions()
    titles = [a.text()[a.text().index("&") + 1].lower() for a in bar]
    assert len(titles) == len(set(titles)), titles
    for action in bar:
        menu = action.menu()
        letters = [a.text()[a.text().index("&") + 1].lower() for a in menu.actions() if "&" in a.text()]
        assert len(letters) == len(set(letters)), (action.text(), sorted(letters))


@pytest.mark.parametrize("purpose", ["screening", "incidental finding"])
@pytest.mark.parametrize("kind", ["", "solid", "part-solid", "non-solid"])
def test_what_a_rule_lacks_before_anything_is_said_speaks_the_language(purpose: str, kind: str) -> None:
    language.use("de")
    answers = form.assess({"setting": purpose}, {"type": kind} if kind else {})
    exam = form.assess_exam({"setting": purpose}, [("finding 3", {})], unread=2)
    lacking = [text for answer in (*answers, *([exam] if exam is not None else [])) for text in answer.missing]
    assert lacking
    table = {translated for text, translated in pairs("de") if text != translated}
    for text in lacking:
        said = lack(text)
        assert said != text, text
        if ": " not in said and not said[0].isdigit():
            assert said in table, said
        assert "finding" not in said
