"""The trainer dialog clicked through with a real training process on drawn images."""

from __future__ import annotations

import datetime
from pathlib import Path

import drawn_bus_bra
from gui_desk import Desk
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.gui.training.dialog import TrainerDialog
from cadviewer.gui.training.run import RunState
from cadviewer.models import catalogue
from trainers import asking


def open_dialog(desk: Desk) -> TrainerDialog:
    desk.window.actions_["train"].trigger()
    dialog = desk.window.tools.trainer
    assert dialog is not None
    return dialog


def press(bot: QtBot, button: object) -> None:
    bot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_model_is_trained_stopped_resumed_and_used_without_a_restart(desk: Desk, tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "BUS-BRA")
    dialog, bot = open_dialog(desk), desk.bot
    dialog.task.setCurrentIndex(dialog.task.findData("breast"))
    assert not dialog.start.isEnabled()
    dialog.set_folder(data)
    bot.waitUntil(dialog.start.isEnabled, timeout=30000)
    for part in ("BUS-BRA", "40 images", "26 benign", "14 malignant", "train 24", "tune 8", "test 8"):
        assert part in dialog.recognised.text()
    dialog.form.put([*drawn_bus_bra.TINY, "epochs=60"])
    press(bot, dialog.start)
    run = dialog.run
    assert run is not None
    assert "starting" in dialog.status.text()
    assert not dialog.start.isEnabled()
    assert dialog.stop.isEnabled()
    press(bot, dialog.start)
    assert [f.name for f in (paths.user_data() / "runs").iterdir()] == ["breast-1"]
    bot.waitUntil(lambda: len(run.state.tune) > 1, timeout=90000)
    assert dialog.stop.isEnabled()
    assert not dialog.start.isEnabled()
    drawn = dialog.chart.curves()
    assert len(drawn["loss"]) >= 1
    assert len(drawn["auc"]) >= 2
    press(bot, dialog.stop)
    bot.waitUntil(lambda: run.state.state == "stopped", timeout=60000)
    bot.waitUntil(dialog.resume.isEnabled, timeout=5000)
    reached = run.state.tune[-1].step
    press(bot, dialog.resume)
    bot.waitUntil(lambda: run.state.state == "done", timeout=150000)
    assert run.state.tune[-1].step == 120 > reached  # 2 steps an epoch: it went on and did not begin again
    bot.waitUntil(dialog.use.isEnabled, timeout=5000)
    press(bot, dialog.use)
    day = datetime.date.today().isoformat()
    assert dialog.naming.name.text() == f"own-breast-{day}"
    dialog.naming.name.setText("Estan-Test")  # as one that ships
    assert not dialog.naming.ok.isEnabled()
    dialog.naming.name.setText("toy-estan")
    assert not dialog.naming.usual.isChecked()
    with bot.waitSignal(dialog.weights_installed, timeout=10000):
        press(bot, dialog.naming.ok)
    assert catalogue.card("toy-estan").folder == paths.own_weights()
    desk.window.analysis_actions.fill_models(desk.window.menus.models)
    entries = {a.text(): a.isChecked() for a in desk.window.menus.models.actions()}
    assert [checked for text, checked in entries.items() if "toy-estan" in text and "own" in text] == [False]
    assert [checked for text, checked in entries.items() if "(estan-test" in text] == [True]
    assert desk.window.analysis.usual(Task.BREAST).model is None


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
    dialog.form.put([*drawn_bus_bra.TINY, "epochs=100000"])
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
    bot.waitUntil(lambda: "epochs=100000" in other.form.assignments(), timeout=10000)
    assert other.chart.curves()["loss"]
    before = other.run.state.losses[-1][0]
    bot.waitUntil(lambda: other.run.state.losses[-1][0] > before, timeout=30000)
    press(bot, other.stop)
    bot.waitUntil(lambda: other.run.state.state == "stopped", timeout=60000)


def test_stop_works_from_the_first_moment(desk: Desk, tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "BUS-BRA")
    dialog, bot = open_dialog(desk), desk.bot
    dialog.task.setCurrentIndex(dialog.task.findData("breast"))
    dialog.set_folder(data)
    bot.waitUntil(dialog.start.isEnabled, timeout=30000)
    press(bot, dialog.start)
    press(bot, dialog.stop)
    assert "stopped" in dialog.status.text()
    bot.waitUntil(lambda: "nothing to go on from" in dialog.status.text(), timeout=10000)
    assert dialog.start.isEnabled()
    assert not dialog.resume.isEnabled()


def test_the_reason_of_a_failed_start_stays_on_screen(desk: Desk, tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "BUS-BRA")
    dialog, bot = open_dialog(desk), desk.bot
    dialog.task.setCurrentIndex(dialog.task.findData("breast"))
    dialog.set_folder(data)
    bot.waitUntil(dialog.start.isEnabled, timeout=30000)
    dialog.form.put(["train_folds=first"])
    press(bot, dialog.start)
    bot.waitUntil(lambda: "train_folds: 'first' is not" in dialog.status.text(), timeout=90000)
    bot.wait(1500)  # the dialog looks at the run twice a second
    assert "train_folds: 'first' is not" in dialog.status.text()
    assert dialog.start.isEnabled()
    assert not dialog.resume.isEnabled()
    other = TrainerDialog()
    bot.addWidget(other)
    other.runs.setCurrentIndex(other.runs.findText("breast-1"))
    other.runs.activated.emit(other.runs.currentIndex())
    assert "train_folds: 'first' is not" in other.status.text()


def test_settings_are_a_form_with_names_ranges_and_meaning(desk: Desk) -> None:
    dialog, bot = open_dialog(desk), desk.bot
    for task in ("nodules", "outline", "breast"):
        dialog.task.setCurrentIndex(dialog.task.findData(task))
        bot.waitUntil(lambda: dialog.preset.count() > 1, timeout=20000)
        form = dialog.form
        form.more.setChecked(False)
        assert form.assignments() == []
        assert set(form.edits) == {s["key"] for s in asking.settings(task)["settings"]}
        assert not form.edits["version"].widget.isVisible()
        press(bot, form.more)
        assert form.edits["version"].widget.isVisible()
        about = form.edits["batch"].widget.accessibleDescription()
        assert about == "Images learned from at a time; more need more memory. (1 … 4096)"
        assert form.edits["batch"].widget.accessibleName() == "Batch"
    form.put(["epochs=7", "lr=1e-3", "swin=no", "train_folds=1,2"])
    assert form.assignments() == ["lr=1e-3", "epochs=7", "swin=false", "train_folds=1,2"]
    rows = [dialog.preset.itemText(k) for k in range(dialog.preset.count())]
    assert [text for text in rows if "smallest" in text] == [rows[-1]]
    assert rows[-1].startswith("quick")
    dialog.preset.setCurrentIndex(len(rows) - 1)
    assert form.edits["limit"].get() == "64"
    assert "epochs=7" in form.assignments()  # what was entered stays
    assert "limit=64" not in form.assignments()
    form.put(["lr=7"])
    assert form.problem() == "Learning rate: a number is wanted (1e-08 … 1)"
    assert form.problem() in dialog.status.text()
    assert not dialog.start.isEnabled()
    form.put(["lr=0.002"])
    assert form.problem() == ""


def test_the_folder_can_be_typed(desk: Desk, tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "BUS-BRA")
    dialog, bot = open_dialog(desk), desk.bot
    dialog.task.setCurrentIndex(dialog.task.findData("breast"))
    bot.keyClicks(dialog.folder, str(data))
    assert not dialog.start.isEnabled()
    bot.keyClick(dialog.folder, Qt.Key.Key_Return)
    assert dialog.isVisible()  # Return looks at the folder and closes nothing
    bot.waitUntil(dialog.start.isEnabled, timeout=30000)
    bot.keyClicks(dialog.folder, "-gone")
    assert not dialog.start.isEnabled()
    bot.keyClick(dialog.folder, Qt.Key.Key_Return)
    bot.waitUntil(lambda: "no such folder" in dialog.recognised.text(), timeout=30000)


def test_what_cannot_be_trained_on_is_refused_with_what_is_there(desk: Desk, tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "BUS-BRA")
    for name in ("bus_data.csv", "5-fold-cv.csv"):
        (data / name).write_text((data / name).read_text().replace("malignant", "benign"))
    dialog, bot = open_dialog(desk), desk.bot
    dialog.task.setCurrentIndex(dialog.task.findData("breast"))
    dialog.set_folder(data)
    bot.waitUntil(lambda: "all images to train on are benign" in dialog.recognised.text(), timeout=30000)
    assert "40 images" in dialog.recognised.text()
    assert not dialog.start.isEnabled()


def test_a_first_point_is_seen_and_no_stroke_joins_the_parts_of_a_run(desk: Desk) -> None:
    chart = open_dialog(desk).chart
    chart.show_run(RunState(losses=[(1, 0.5)]))
    assert chart.curves()["alone"] == [(1, 0.5)]
    chart.show_run(RunState(losses=[(1, 0.5), (2, 0.4), (3, 0.3), (4, 0.2)], parts=[2]))
    assert chart.curves()["alone"] == []
    assert list(chart._loss_line.opts["connect"]) == [1, 0, 1, 0]
    chart.show_run(RunState(losses=[(1, 0.5), (2, 0.4), (3, 0.3)], parts=[2]))
    assert chart.curves()["alone"] == [(3, 0.3)]
