"""Two CTs of one phantom patient compared in the real window: matched, looked at, answered, undone, saved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chest_pairs import pair, result
from gui_desk import Desk
from PySide6.QtCore import Qt

from cadviewer.gui.cases.case import Case
from cadviewer.gui.nodules.comparison_panel import foot, head
from cadviewer.gui.viewing.grid.layout import Layout
from cadviewer.imaging.series import Volume
from cadviewer.inference.protocol import Finished
from cadviewer.phantoms.files import write_dicom_series
from cadviewer.phantoms.phantom import Phantom
from cadviewer.store.comparison import State

KEY, NONE, CTRL, SHIFT = (
    Qt.Key,
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


def press(desk: Desk, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
    desk.bot.keyClick(desk.window, key, modifiers)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The two CTs of a pair as DICOM series."""
    root, made = tmp_path_factory.mktemp("pair"), pair("moved")
    for name, phantom in (("before", made.before), ("now", made.now)):
        write_dicom_series(phantom.volume, root / name, seed=3)
    return root / "before", root / "now"


def open_analysed(desk: Desk, folder: Path, phantom: Phantom) -> Case:
    """Open a CT; the model finds what is in it."""
    desk.open(folder)
    case: Case = desk.case
    desk.bot.waitUntil(lambda: any(job.case_id == case.case_id for job in desk.engine.jobs), timeout=10_000)
    job = next(job for job in reversed(desk.engine.jobs) if job.case_id == case.case_id)
    desk.bridge.take(Finished(case.case_id, job.request_id, replace(result(phantom), case_id=case.case_id)))
    assert case.result is not None
    return case


def matched(desk: Desk, folders: tuple[Path, Path]) -> tuple[Case, Case]:
    """(the later, the earlier) CT, matched by the key."""
    prior = open_analysed(desk, folders[0], pair("moved").before)
    now = open_analysed(desk, folders[1], pair("moved").now)
    press(desk, KEY.Key_M, CTRL)
    desk.bot.waitUntil(lambda: now.compared is not None and now.compared.comparison is not None, timeout=120_000)
    return now, prior


def panel(desk: Desk) -> Any:
    return desk.window.side.nodules.comparison


def rows(desk: Desk) -> list[str]:
    listed = panel(desk).list
    return [" | ".join((*head(c), *foot(c))) for k in range(listed.count()) if (c := listed.item(k).data(256))]


def test_two_cts_are_matched_looked_at_answered_and_saved(
    desk: Desk, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    now, prior = matched(desk, folders)
    grid = desk.window.workspace.grid
    assert grid.layout_now is Layout.PAIR
    assert grid.beside is prior
    assert "registered, ±" in " ".join(grid.panes[1].corners.head)
    assert now.compared is not None
    assert now.compared.comparison is not None
    states = [c.state for c in now.compared.comparison.changes]
    assert sorted(states) == sorted([State.GROWN, State.STABLE, State.STABLE, State.NEW, State.GONE])
    assert panel(desk).summary.text() == "1 new, 1 gone, 1 grown, 2 stable"
    grown = next(row for row in rows(desk) if "grown" in row)
    assert "mm" in grown
    assert "×2 in" in grown

    truth = pair("moved").places  # every row shows its nodule in both CTs
    for _ in states:
        press(desk, KEY.Key_Q)
        change = now.compared.change
        assert change is not None
        place = change.now or change.prior
        assert place is not None
        which = int(change.now is not None)
        nodule = min(truth, key=lambda p: float(np.linalg.norm(np.subtract(p[which], place.centre_mm))))
        for pane, at in zip(grid.shown, (nodule[1], nodule[0]), strict=True):
            stack = pane.viewport.stack
            assert stack is not None
            slice_ = stack.geometry.to_index(at)[0]
            assert abs(pane.viewport.index - slice_) <= 1.5
        if change.now is not None:
            assert now.selected == change.now.number

    first = now.compared.change
    assert first is not None
    pair_row = next(
        k for k, c in enumerate(now.compared.comparison.changes) if c.now is not None and c.prior is not None
    )
    desk.window.comparison_actions.look_at(pair_row)
    desk.wait_kept(lambda: press(desk, KEY.Key_X, SHIFT))  # not the same nodule
    assert len(now.compared.comparison.changes) == len(states) + 1
    desk.wait_kept(lambda: press(desk, KEY.Key_Z, CTRL))
    assert [c.state for c in now.compared.comparison.changes] == states
    desk.wait_kept(lambda: press(desk, KEY.Key_Return, SHIFT))
    assert now.compared.change is not None
    assert now.compared.change.answered
    assert panel(desk).same.isChecked()

    file = tmp_path / "reading.json"
    with desk.bot.waitSignal(desk.window.saving.said, timeout=10_000):
        desk.window.saving.save(now, file)
    saved = json.loads(file.read_text(encoding="utf-8"))["reading"]["comparison"]
    assert saved["prior_date"] == "2023-01-10"
    assert sorted(c["state"] for c in saved["changes"]) == sorted(s.value for s in states)
    assert sum(c["answered"] for c in saved["changes"]) == 1


def test_the_rules_take_what_became_of_a_finding(desk: Desk, folders: tuple[Path, Path]) -> None:
    now, _ = matched(desk, folders)
    assert now.compared is not None
    assert now.compared.comparison is not None
    grown = next(c for c in now.compared.comparison.changes if c.state is State.GROWN)
    assert grown.now is not None
    risk = desk.window.side.nodules.risk
    desk.wait_kept(lambda: desk.window.review_controller.enter(0, {"setting": "screening"}))
    desk.window.review_controller.select(grown.now.number)
    read = next(r for r in now.reading().findings if r.found.nodule.number == grown.now.number)
    assert read.form["status"] == "growing"
    assert "doubling" in risk.answer.text.text().lower()
    assert risk.finding.editors["status"].choice.currentText() == "growing (comparison)"
    assert risk.earlier.editors["prior_date"].line.placeholderText() == "2023-01-10 (comparison)"
    desk.wait_kept(lambda: desk.window.review_controller.enter(grown.now.number, {"status": "stable or smaller"}))
    read = next(r for r in now.reading().findings if r.found.nodule.number == grown.now.number)
    assert read.form["status"] == "stable or smaller"


def test_it_follows_what_becomes_of_the_findings_and_ends_with_the_earlier_ct(
    desk: Desk, folders: tuple[Path, Path]
) -> None:
    now, prior = matched(desk, folders)
    assert now.compared is not None
    before = now.compared.comparison
    assert before is not None
    gone = before.gone[0]
    assert gone.prior is not None
    place = prior.reference(gone.prior.number)
    from cadviewer.store.session import Answer, Decision

    assert place is not None
    desk.wait_kept(lambda: desk.window.journal.record(prior.series, Decision(place, Answer.REJECTED)))
    assert now.compared.comparison is not None
    assert not now.compared.comparison.gone  # what was no nodule is not gone
    desk.window.opener.close([prior], None)
    assert now.compared is None


def test_without_an_earlier_ct_it_is_said(desk: Desk, folders: tuple[Path, Path], tmp_path: Path) -> None:
    open_analysed(desk, folders[1], pair("moved").now)
    press(desk, KEY.Key_M, CTRL)
    assert "No earlier CT of this patient is open" in desk.window.status.text.text()
    other = pair("moved").before.volume
    somebody = Volume(replace(other.series, study_uid="", series_uid=""), other.pixels)
    write_dicom_series(somebody, tmp_path / "other", seed=99)  # another Patient ID
    now = desk.case
    desk.open(tmp_path / "other")
    desk.window.opener.open_case(now)
    assert desk.window.comparing.earlier(now) == []
    desk.window.comparing.compare(now, next(c for c in desk.window.cases if c is not now))
    assert now.compared is not None
    assert "of one patient" in now.compared.reason


def test_a_registration_that_runs_can_be_cancelled(desk: Desk, folders: tuple[Path, Path]) -> None:
    open_analysed(desk, folders[0], pair("moved").before)
    now = open_analysed(desk, folders[1], pair("moved").now)
    press(desk, KEY.Key_M, CTRL)
    desk.bot.waitUntil(lambda: now.compared is not None and now.compared.done is not None, timeout=20_000)
    assert panel(desk).button.text() == "Cancel"
    panel(desk).cancel_asked.emit()
    assert now.compared is None
    assert panel(desk).button.text() == "Match"
    desk.window.comparing._thread.settle(20)
    assert now.compared is None
