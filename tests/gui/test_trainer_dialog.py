"""The trainer dialog clicked through with a real training process on drawn images."""

from __future__ import annotations

from pathlib import Path

import drawn_bus_bra
import pytest
from gui_desk import Desk
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from cadviewer import paths
from cadviewer.gui.training.dialog import TrainerDialog
from cadviewer.models import catalogue


def open_dialog(desk: Desk) -> TrainerDialog:
    desk.window.actions_["train"].trigger()
    dialog = desk.window.tools.trainer
    assert dialog is not None
    return dialog


def press(bot: QtBot, button: object) -> None:
    bot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.timeout(240)
def test_a_model_is_trained_stopped_resumed_and_used_without_a_restart(desk: Desk, tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "BUS-BRA")
    dialog, bot = open_dialog(desk), desk.bot
    dialog.task.setCurrentIndex(dialog.task.findData("breast"))
    assert not dialog.start.isEnabled()
    dialog.set_folder(data)
    bot.waitUntil(dialog.start.isEnabled, timeout=30000)
    for part in ("BUS-BRA", "40 images", "26 benign", "14 malignant", "train 24", "tune 8", "test 8"):
        assert part in dialog.recognised.text()
    dialog.settings.setText(" ".join([*drawn_bus_bra.TINY, "epochs=60", "name=toy-estan"]))
    press(bot, dialog.start)
    run = dialog.run
    assert run is not None
    bot.waitUntil(lambda: len(run.state.tune) > 1, timeout=90000)
    assert dialog.stop.isEnabled()
    assert not dialog.start.isEnabled()
    drawn = dialog.chart.curves()
    assert len(drawn["loss"]) >= 1
    assert len(drawn["auc"]) >= 2
    press(bot, dialog.stop)
    bot.waitUntil(lambda: run.state.state == "stopped", timeout=60000)
    bot.waitUntil(dialog.resume.isEnabled, timeout=5000)
    reached = run.state.tune[-1]["step"]
    press(bot, dialog.resume)
    bot.waitUntil(lambda: run.state.state == "done", timeout=150000)
    assert run.state.tune[-1]["step"] == 120 > reached  # 2 steps an epoch: it went on and did not begin again
    bot.waitUntil(dialog.use.isEnabled, timeout=5000)
    with bot.waitSignal(dialog.weights_installed, timeout=10000):
        press(bot, dialog.use)
    assert catalogue.card("toy-estan").folder == paths.user_data() / "weights"
    desk.window.commands.fill_models()
    assert any("toy-estan" in a.text() for a in desk.window.model_menu.actions())


def test_a_folder_that_cannot_be_trained_on_says_why(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    dialog = open_dialog(desk)
    dialog.set_folder(tmp_path / "empty")
    desk.bot.waitUntil(lambda: "Cannot train" in dialog.recognised.text(), timeout=30000)
    assert "layout" in dialog.recognised.text()
    assert not dialog.start.isEnabled()


def test_training_goes_on_when_the_dialog_is_closed_and_is_found_again(desk: Desk, tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "BUS-BRA")
    dialog, bot = open_dialog(desk), desk.bot
    dialog.task.setCurrentIndex(dialog.task.findData("breast"))
    dialog.set_folder(data)
    bot.waitUntil(dialog.start.isEnabled, timeout=30000)
    dialog.settings.setText(" ".join([*drawn_bus_bra.TINY, "epochs=100000"]))
    press(bot, dialog.start)
    bot.waitUntil(lambda: bool(dialog.run and dialog.run.state.losses), timeout=60000)
    dialog.close()
    other = TrainerDialog()
    bot.addWidget(other)
    other.show()
    assert other.run is not None
    assert other.run.state.state == "running"
    assert other.folder.text() == str(data)
    assert other.task.currentData() == "breast"
    assert "epochs=100000" in other.settings.text()
    assert other.chart.curves()["loss"]
    before = other.run.state.losses[-1][0]
    bot.waitUntil(lambda: other.run.state.losses[-1][0] > before, timeout=30000)
    press(bot, other.stop)
    bot.waitUntil(lambda: other.run.state.state == "stopped", timeout=60000)
