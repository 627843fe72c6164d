"""Nothing that a reader sees is outside the table of translations, and no sentence names a key that was changed.

The window speaks a language in which every translated text stands in ‹angle quotes›. What is left outside of them is
either data (a patient, a file, a model) or was forgotten.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import seen_texts
from gui_desk import Desk, StillEngine, breast_result, nodule
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot
from test_drawing import click, drag

from cadviewer import app
from cadviewer.findings import Call
from cadviewer.gui.canvas.mouse import Tool
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.i18n import language
from cadviewer.gui.settings.models_dialog import ModelsDialog
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.gui.widgets.actions import SPECS
from cadviewer.inference.protocol import Finished
from cadviewer.store import export
from trainers import asking

KEY = Qt.Key
FORMATS = "|".join(sorted(export.FORMATS, key=len, reverse=True))
DATA = re.compile(
    r"cadviewer|Doe(\^| )Jane|Chest|CHEST|Lung 3 mm|P-7|ssd-test|estan-test|DICOM|MetaImage|NIfTI|Apache-2.0"
    rf"|Lung-RADS v2022|Fleischner 2017|MinIP|MIP|HU|RGB|\b(CPU|GPU|CT|US|auto|cpu|{FORMATS}|default|paper)\b"
    r"|cuda(:\d)?|[0-9a-f]{12,}|/\S*|mm[²³]?|px²?|Deutsch|English|no known place in the patient"
    r"|\b(Ctrl|Shift|Alt|Return|Enter|Backspace|Space|Home|End|PgUp|PgDown|Left|Right|Down|Up|Del|Ins|Esc|Tab)\b"
)
"""What is no sentence of the program: data, names, units, keys as Qt calls them."""


class Quoted(gettext.NullTranslations):
    """A language that puts everything into angle quotes."""

    def gettext(self, message: str) -> str:
        return f"‹{message}›"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@pytest.fixture
def quoted(qapp: QApplication, qtbot: QtBot) -> Iterator[Desk]:
    """The window in that language."""
    language.speak(Quoted())
    engine, bridge = StillEngine(), Bridge()
    window = MainWindow(engine, bridge, Preferences())
    window.resize(1400, 900)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    yield Desk(window, engine, bridge, qtbot)
    window.close()
    window.shut()
    window.cases.close()
    window.deleteLater()
    app.speak(qapp, language.ENGLISH)


def _outside(text: str) -> str:
    """What of a text is in no angle quotes and no data."""
    text = re.sub(r"<[^<>‹›]*>", " ", text).replace("&nbsp;", " ")
    while (shorter := re.sub(r"‹[^‹›]*›", " ", text)) != text:
        text = shorter
    return " ".join(re.findall(r"[A-Za-z]{3,}", DATA.sub(" ", text)))


def _forgotten(seen: Iterable[tuple[str, str]]) -> list[str]:
    return sorted({f"{where}: {text}" for where, text in seen if _outside(text)})


def _paint(widget: QWidget, patch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    with seen_texts.painted(patch) as found:
        widget.grab()
    return found


def test_the_language_of_this_test_finds_what_was_forgotten() -> None:
    language.speak(Quoted())
    try:
        assert _forgotten([("here", language.tr("Image {n} of {all}", n=3, all=language.tr("many")) + "  7 mm")]) == []
        assert _forgotten([("here", "cine 10/s"), ("there", "W 400  L 40")]) == ["here: cine 10/s"]
    finally:
        language.use(language.ENGLISH)


def test_an_empty_window_and_its_dialogs_are_translated(quoted: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    window = quoted.window
    seen = [*seen_texts.of_widgets(window), *_paint(window, monkeypatch)]
    for name in ("settings", "shortcuts", "about", "annotate", "train"):
        window.actions_[name].trigger()
        dialog = QApplication.activeWindow() or window
        seen += seen_texts.of_widgets(dialog)
        if dialog is not window:
            dialog.close()
    assert not _forgotten(seen), "\n".join(_forgotten(seen))


@pytest.mark.parametrize("task", ["nodules", "outline", "breast"])
def test_the_form_of_the_trainer_and_the_list_of_models_are_translated(quoted: Desk, task: str) -> None:
    quoted.window.actions_["train"].trigger()
    dialog = quoted.window.tools.trainer
    assert dialog is not None
    dialog.task.setCurrentIndex(dialog.task.findData(task))
    answer = asking.settings(task)
    quoted.bot.waitUntil(lambda: dialog.preset.count() > 1, timeout=20_000)
    dialog.form.more.click()
    chosen = {c for one in answer["settings"] for c in one["choices"]} | {p["name"] for p in answer["presets"]}
    seen = [(where, text) for where, text in seen_texts.of_widgets(dialog) if text not in chosen]
    seen = [(where, re.sub(r"\((?:≥|[\d.e-]+ …) [\d.e-]+\)", "", text)) for where, text in seen]
    seen = [(where, text) for where, text in seen if text not in {one["key"] for one in answer["settings"]}]
    seen = [(where, re.sub(rf"^({'|'.join(chosen)}) – ", "", text)) for where, text in seen]
    dialog.close()
    quoted.window.actions_["about_model"].trigger()
    models = quoted.window.findChildren(ModelsDialog)[-1]
    names = [(where, re.sub("ssd-test|estan-test", "", text)) for where, text in seen_texts.of_widgets(models)]
    models.close()
    shown = [*seen, *(n for n in names if not n[0].startswith("QTextBrowser"))]  # a card is data
    assert not _forgotten(shown), "\n".join(_forgotten(shown))


def test_a_ct_with_findings_measures_and_its_risk_is_translated(
    quoted: Desk, ct_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, bot = quoted.window, quoted.bot
    quoted.open(ct_folder)
    quoted.finish(nodule(1, 0.9, 2, 4, x=40), nodule(2, 0.4, 6, 8))
    bot.waitUntil(lambda: quoted.case.result is not None)
    quoted.viewport.go_to(3)
    bot.keyClick(window, KEY.Key_E)
    click(quoted, (24.5, 20.5))
    bot.waitUntil(lambda: len(quoted.case.found()) == 3 and window.journal.pending == 0, timeout=10_000)
    for tool, y in ((Tool.DISTANCE, 4), (Tool.ELLIPSE, 10), (Tool.RECTANGLE, 34)):
        quoted.viewport.mouse.set_tool(tool)
        quoted.wait_kept(lambda y=y: drag(quoted, (6, y), (16, y + 4)))
    quoted.wait_kept(lambda: bot.keyClick(window, KEY.Key_K))
    quoted.wait_kept(lambda: window.review_controller.enter(0, {"setting": "screening"}))
    seen = [*seen_texts.of_widgets(window), *_paint(window, monkeypatch)]
    for layout in ("layout_one_two", "layout_four"):
        window.actions_[layout].trigger()
        for key in (KEY.Key_C, KEY.Key_B, KEY.Key_P, KEY.Key_C):
            bot.keyClick(window, key)
        window.actions_["invert"].trigger()
        seen += [*seen_texts.of_widgets(window), *_paint(window, monkeypatch)]
    window.side.nodules.setCurrentIndex(1)
    window.menus.context_menu()
    seen += [*seen_texts.of_widgets(window), *_paint(window, monkeypatch)]
    assert any("MIP" in text for _, text in seen)
    assert any("‹added›" in text for _, text in seen)
    assert not _forgotten(seen), "\n".join(_forgotten(seen))


def test_the_first_read_two_series_and_ultrasound_are_translated(
    quoted: Desk, ct_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, bot = quoted.window, quoted.bot
    window.preferences.change(reading="second")
    quoted.open(ct_folder, write_ct(tmp_path / "earlier", origin=(-20, -15, -98)))
    quoted.finish(nodule(1, 0.9, 2, 4))
    bot.waitUntil(lambda: quoted.case.result is not None)
    seen = [*seen_texts.of_widgets(window)]
    window.actions_["layout_pair"].trigger()
    bot.waitUntil(lambda: window.workspace.grid.beside is not None, timeout=10_000)
    seen += [*seen_texts.of_widgets(window), *_paint(window, monkeypatch)]
    assert any("linked" in text for _, text in seen)
    quoted.open(write_ultrasound(tmp_path / "us.dcm", frames=2))
    bot.waitUntil(lambda: quoted.case.series.modality == "US" and bool(quoted.engine.jobs), timeout=10_000)
    job = quoted.engine.jobs[-1]
    quoted.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 160, 200, 2, Call.MALIGNANT)))
    bot.waitUntil(lambda: quoted.case.result is not None)
    seen += [*seen_texts.of_widgets(window), *_paint(window, monkeypatch)]
    assert not _forgotten(seen), "\n".join(_forgotten(seen))


# keys in sentences ---------------------------------------------------------------------------------------------------

NAMED = re.compile(r"\((?:[A-Z]|Enter|Return|Esc|Backspace|Space|F\d{1,2}|(?:Ctrl|Shift|Alt)\+[^()]+)\)")
"""A key in parentheses, as sentences and tool tips name them."""


def test_no_text_of_the_table_names_a_key_by_itself() -> None:
    import visible_texts

    texts = visible_texts.every() - {"Other significant findings (S)"}  # the modifier S of Lung-RADS
    assert [text for text in texts if NAMED.search(text)] == []


def test_sentences_and_tool_tips_follow_changed_keys(desk: Desk, ct_folder: Path, tmp_path: Path) -> None:
    window, bot = desk.window, desk.bot
    window.preferences.change(reading="second")
    desk.open(ct_folder, write_ct(tmp_path / "earlier", origin=(-20, -15, -98)))
    desk.finish(nodule(1, 0.9, 2, 4))
    bot.waitUntil(lambda: desk.case.result is not None)
    window.review_controller.enter(0, {"setting": "screening"})
    window.actions_["layout_pair"].trigger()
    bot.waitUntil(lambda: window.workspace.grid.beside is not None, timeout=10_000)
    before = {text for _, text in seen_texts.of_widgets(window)} | set(window.workspace.notifications.texts())
    named = [text for text in before if NAMED.search(text)]
    assert any("part them (L)" in text for text in named)
    assert any("Add what you see (E)" in text for text in named)
    window.preferences.change(shortcuts=tuple((spec.name, "") for spec in SPECS))
    bot.wait(20)  # the notice that was there before is deleted
    after = {text for _, text in seen_texts.of_widgets(window)} | set(window.workspace.notifications.texts())
    heads = [line for pane in window.workspace.grid.panes for line in pane.corners.head]
    left = [text for text in (*after, *heads) if NAMED.search(text) and "(S)" not in text]
    assert not left, "\n".join(left)
    window.preferences.change(shortcuts=(("tool_finding", "Q"), ("link", "J"), ("open_files", "Ctrl+J")))
    bot.wait(20)
    texts = [text for _, text in seen_texts.of_widgets(window)]
    assert any("Add what you see (Q)" in text for text in texts)
    assert any("link them again (J)" in text for text in window.workspace.notifications.texts())
    assert "(J)" in window.workspace.grid.panes[1].corners.head[1]
    assert "(Ctrl+J)" in window.workspace.welcome.text()
