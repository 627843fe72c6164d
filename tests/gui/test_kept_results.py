"""A case that is opened again shows its last result at once, and a stopped analysis gives the former one back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gui_desk import Desk, StillEngine, ct_result, nodule
from pytestqt.qtbot import QtBot

import cadviewer
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.inference.protocol import Failed, Finished
from cadviewer.store import last_results


def finish(desk: Desk, *scores: float, application: str = cadviewer.APPLICATION) -> None:
    """The running job ends with a finding of each score, and the result is on the disk."""
    job = desk.engine.jobs[-1]
    result = ct_result(job.case_id, *(nodule(k, s, k, k + 1) for k, s in enumerate(scores, start=1)))
    result = replace(result, provenance=replace(result.provenance, application=application))
    desk.bridge.take(Finished(job.case_id, job.request_id, result))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    desk.bot.waitUntil(lambda: any(last_results.folder().glob("*.npz")))


@pytest.fixture
def again(qtbot: QtBot) -> Iterator[Desk]:
    """The window of another start."""
    engine, bridge = StillEngine(), Bridge()
    window = MainWindow(engine, bridge, Preferences())
    window.show()
    qtbot.waitExposed(window)
    yield Desk(window, engine, bridge, qtbot)
    window.close()
    window.shut()
    window.cases.close()
    window.deleteLater()


def test_another_start_shows_the_last_result_without_a_job(ct: Desk, ct_folder: Path, again: Desk) -> None:
    finish(ct, 0.9, 0.7)
    again.open(ct_folder)
    assert again.engine.jobs == []
    assert [n.score for n in again.case.findings()] == [n.score for n in ct.case.findings()]
    assert "Kept result of 20" in again.window.side.foot.text()
    assert "Kept result" not in ct.window.side.foot.text()
    again.window.actions_["analyse"].trigger()
    assert len(again.engine.jobs) == 1


def test_what_another_program_or_model_made_is_made_anew(ct: Desk, ct_folder: Path, again: Desk) -> None:
    finish(ct, 0.9, application="cadviewer 0.0.9")
    again.open(ct_folder)
    assert len(again.engine.jobs) == 1


def test_a_result_goes_with_the_pixel_size_it_was_made_with(ct: Desk, ct_folder: Path, again: Desk) -> None:
    finish(ct, 0.9)
    (path,) = last_results.folder().glob("*.npz")
    last = last_results.last(path.name.split("-")[0], ct.case.task)
    assert last is not None
    assert last.spacing_mm == ct.case.spacing_mm


def test_stopping_a_second_analysis_gives_the_former_result_back(ct: Desk) -> None:
    finish(ct, 0.9)
    ct.window.actions_["analyse"].trigger()
    assert ct.case.result is None
    assert ct.window.analysis_actions.cancel()
    assert [n.score for n in ct.case.findings()] == [0.9]
    assert not ct.case.stopped


def test_a_second_analysis_that_ends_replaces_the_first(ct: Desk) -> None:
    finish(ct, 0.9)
    ct.window.actions_["analyse"].trigger()
    finish(ct, 0.8, 0.6)
    assert [n.score for n in ct.case.findings()] == [0.8, 0.6]
    assert not ct.window.analysis_actions.cancel()
    assert len(ct.case.findings()) == 2


def test_a_second_analysis_that_fails_says_so(ct: Desk) -> None:
    finish(ct, 0.9)
    ct.window.actions_["analyse"].trigger()
    job = ct.engine.jobs[-1]
    ct.bridge.take(Failed(job.case_id, job.request_id, "the worker ended"))
    ct.bot.waitUntil(lambda: not ct.case.running)
    assert ct.case.result is None
    assert "the worker ended" in ct.case.reason


def test_a_result_that_cannot_be_kept_is_told(ct: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(last_results, "keep", full)
    with ct.bot.waitSignal(ct.window.results.failed):
        job = ct.engine.jobs[-1]
        ct.bridge.take(Finished(job.case_id, job.request_id, ct_result(job.case_id, nodule(1, 0.9, 2, 4))))
    assert "could not be kept" in ct.window.status.text.text()
