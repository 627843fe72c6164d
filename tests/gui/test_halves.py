"""A split screen: one half is chosen and analysed, it is there again after a restart, and so is the score map."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from gui_desk import Desk, breast_result
from gui_images import write_ct, write_ultrasound
from test_breast_panel import explained
from test_kept_results import again  # noqa: F401 - a fixture

import cadviewer
from cadviewer.findings import Half, Task
from cadviewer.inference.protocol import ExplainJob, Finished
from cadviewer.phantoms.phantom import breast_ultrasound
from cadviewer.store import last_results


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Two phantoms side by side, the right one darker, with a black gutter."""
    path = write_ultrasound(tmp_path / "split.dcm")
    dataset = pydicom.dcmread(path)
    first, second = (cv2.resize(breast_ultrasound(k)[0], (300, 320)) for k in (3, 4))
    both = np.hstack([first, np.zeros((320, 12), np.uint8), second // 2])
    dataset.Rows, dataset.Columns = both.shape
    dataset.PixelData = np.repeat(both[..., None], 3, axis=2).tobytes()
    dataset.save_as(path)
    return path


def finish(desk: Desk) -> None:
    """The running job of the open case ends, made as jobs of this program and the test model are."""
    job = desk.engine.jobs[-1]
    result = breast_result(job.case_id, 320, 612)
    made = json.dumps({"half": job.half.value} if job.half is not None else {})
    by = replace(result.provenance, preprocessing=made, application=cadviewer.APPLICATION)
    desk.bridge.take(Finished(job.case_id, job.request_id, replace(result, provenance=by)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)


def test_a_split_screen_offers_its_halves_and_the_chosen_one_is_analysed(desk: Desk, split: Path) -> None:
    desk.open(split)
    assert desk.case.out_of_scope
    assert desk.engine.jobs == []
    desk.window.workspace.notifications.answer("half", "Right half")
    job = desk.engine.jobs[-1]
    assert (job.task, job.half) == (Task.BREAST, Half.RIGHT)
    assert "half" not in desk.window.workspace.notifications.topics()
    finish(desk)
    desk.window.actions_["analyse"].trigger()
    assert desk.engine.jobs[-1].half is Half.RIGHT
    finish(desk)
    desk.window.actions_["half_left"].trigger()
    assert desk.engine.jobs[-1].half is Half.LEFT
    finish(desk)
    assert desk.window.actions_["half_none"].isEnabled()
    desk.window.actions_["half_none"].trigger()
    assert desk.engine.jobs[-1].half is None


def test_the_chosen_half_is_there_again_after_a_restart(desk: Desk, split: Path, again: Desk) -> None:  # noqa: F811
    desk.open(split)
    desk.window.actions_["half_left"].trigger()
    finish(desk)
    desk.bot.waitUntil(lambda: any(last_results.folder().glob("*.npz")))
    again.open(split)
    assert (again.case.half, again.case.out_of_scope) == (Half.LEFT, False)
    assert again.case.result is not None
    assert again.engine.jobs == []


def test_the_score_map_is_kept_with_its_result(desk: Desk, tmp_path: Path, again: Desk) -> None:  # noqa: F811
    path = write_ultrasound(tmp_path / "us.dcm")
    desk.open(path)
    job = desk.engine.jobs[-1]
    result = breast_result(job.case_id, 160, 200)
    by = replace(result.provenance, application=cadviewer.APPLICATION, model="estan-test")
    desk.bridge.take(Finished(job.case_id, job.request_id, replace(result, provenance=by)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    desk.window.side.breast.score_map.click()
    job = desk.engine.jobs[-1]
    assert job.frame == 0
    desk.bridge.take(Finished(job.case_id, job.request_id, explained(desk)))
    desk.bot.waitUntil(lambda: bool(desk.case.result.maps))
    asked = len(desk.engine.jobs)
    desk.open(write_ct(tmp_path / "ct"))  # another case, and back
    desk.open(path)
    desk.bot.waitUntil(lambda: "No proof" in desk.window.side.breast.legend.text())
    assert not any(isinstance(j, ExplainJob) for j in desk.engine.jobs[asked:])
    desk.window.results.close()
    again.open(path)
    jobs = len(again.engine.jobs)
    again.window.side.breast.score_map.click()
    assert len(again.engine.jobs) == jobs
    assert again.window.workspace.score_map._map is not None


def test_a_series_that_is_closed_and_opened_again_is_read_ahead_again(desk: Desk, tmp_path: Path) -> None:
    first, other = write_ultrasound(tmp_path / "a.dcm"), write_ultrasound(tmp_path / "b.dcm")
    desk.open(first)
    job = desk.engine.jobs[-1]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 160, 200)))

    def read_ahead() -> bool:
        return any(c is not desk.case and c.stack is not None for c in desk.window.cases)

    for _ in range(2):
        desk.window.open_paths([first, other])
        desk.bot.waitUntil(read_ahead, timeout=10_000)
        desk.window.case_actions.close_cases([c for c in desk.window.cases if c is not desk.case])
        desk.bot.waitUntil(lambda: not read_ahead())
