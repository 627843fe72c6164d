"""The list of models: which is used, changing it and back in one click, removing one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import seen_texts
from gui_desk import Desk, breast_result
from gui_images import write_ultrasound
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.gui.settings.models_dialog import ModelsDialog
from cadviewer.inference.protocol import Finished
from cadviewer.models import catalogue


@pytest.fixture
def dialog(desk: Desk) -> ModelsDialog:
    """The list with an own breast model in it, opened from the menu."""
    card = replace(catalogue.card("estan-test"), name="own-breast-1", folder=paths.own_weights(), default=True)
    (card.folder / "own-breast-1.json").write_text(card.to_json(), encoding="utf-8")
    card.weights.write_bytes(b"")
    desk.window.analysis_actions.fill_models(desk.window.menus.models)
    desk.window.menus.models.actions()[-1].trigger()
    found = desk.window.findChildren(ModelsDialog)[-1]
    desk.bot.waitExposed(found)
    return found


def _press(desk: Desk, button: object) -> None:
    desk.bot.mouseClick(button, Qt.MouseButton.LeftButton)


def _usual(desk: Desk) -> str | None:
    return desk.window.analysis.usual(Task.BREAST).model


def test_the_usual_model_changes_by_a_click_and_back_by_another(desk: Desk, dialog: ModelsDialog) -> None:
    assert _usual(desk) is None
    dialog.choose("estan-test")
    assert not dialog.use.isEnabled()  # it is in use
    assert not dialog.back.isEnabled()
    assert not dialog.remove.isEnabled()
    dialog.choose("own-breast-1")
    assert "own" in dialog.list.currentItem().text()
    _press(desk, dialog.use)
    assert _usual(desk) == "own-breast-1"
    assert "in use" in dialog.list.currentItem().text()
    _press(desk, dialog.back)
    assert _usual(desk) is None
    current = dialog.chosen()
    assert current is not None
    assert current.name == "estan-test"
    assert "estan-test" in dialog.say.text()


def test_an_own_model_is_removed_after_a_question_and_is_no_longer_used(desk: Desk, dialog: ModelsDialog) -> None:
    dialog.choose("own-breast-1")
    _press(desk, dialog.use)
    _press(desk, dialog.remove)
    asked = dialog.findChildren(QMessageBox)[-1]
    _press(desk, asked.button(QMessageBox.StandardButton.Cancel))
    assert _usual(desk) == "own-breast-1"
    _press(desk, dialog.remove)
    asked = dialog.findChildren(QMessageBox)[-1]
    _press(desk, next(b for b in asked.buttons() if "Delete" in b.text()))
    assert _usual(desk) is None
    assert [c.name for c in catalogue.cards(Task.BREAST)] == ["estan-test"]
    assert list(paths.own_weights().iterdir()) == []


def test_the_menu_says_whose_a_model_is_and_which_is_used(desk: Desk, dialog: ModelsDialog) -> None:
    entries = {a.text(): a.isChecked() for a in desk.window.menus.models.actions() if "estan" in a.text()}
    assert [(("own" in text.split("·")[-1] or "· own" in text), used) for text, used in sorted(entries.items())] == [
        (False, True),
        (True, False),
    ]


def test_a_model_that_was_ticked_when_it_was_named_is_used_and_its_results_say_so(
    desk: Desk, dialog: ModelsDialog, tmp_path: Path
) -> None:
    dialog.close()
    desk.window.tools.open_trainer()
    trainer = desk.window.tools.trainer
    assert trainer is not None
    trainer.usual_wanted.emit("own-breast-1")
    trainer.close()
    desk.open(write_ultrasound(tmp_path / "us.dcm"))
    desk.bot.waitUntil(lambda: bool(desk.engine.jobs), timeout=10_000)
    job = desk.engine.jobs[-1]
    assert job.model == "own-breast-1"
    made = breast_result(job.case_id, 160, 200)
    made = replace(made, provenance=replace(made.provenance, model="own-breast-1"))
    desk.bridge.take(Finished(job.case_id, job.request_id, made))
    desk.bot.waitUntil(lambda: desk.case.result is not None, timeout=10_000)
    assert any("own-breast-1" in text for _, text in seen_texts.of_widgets(desk.window.side))
