"""Decisions and measures of a case: kept, undone, shared by windows, never on the wrong case."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cadviewer.findings import Box, Nodule
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo
from cadviewer.store import session as sessions
from cadviewer.store.session import (
    Answer,
    Decision,
    Deleted,
    Drawn,
    DrawnBox,
    DrawnOutline,
    Entered,
    FindingRef,
    KeyImage,
    Measure,
    MeasureKind,
    Note,
    Outlined,
    PixelSize,
    Session,
)

NODULE = Nodule(1, (Box(29, 90, 150, 130, 190, 0.7), Box(30, 89, 153, 129, 192, 0.9)))
OTHER = Nodule(2, (Box(30, 300, 300, 310, 310, 0.5),))
REF = sessions.reference(NODULE, "ssd", "ab" * 32)
REF2 = sessions.reference(OTHER, "ssd", "ab" * 32)
RULER = Measure(MeasureKind.DISTANCE, 3, ((1.5, 2.25), (4.0, 6.5)), 12.75, "mm")


def test_marks_of_every_kind_come_back_equal_in_a_new_start() -> None:
    session = Session("a1")
    marks = [
        Decision(REF, Answer.ACCEPTED),
        RULER,
        Drawn(3, 1, 2, 3, 4, "mine", REF2),
        KeyImage(7, True),
        PixelSize(0.2, 50.0, 10.0),
        PixelSize(None),
        Outlined("0" * 16, "net", "1", "cd" * 32, (DrawnOutline(3, ((1.5, 2.5), (2.0, 3.0))),), 7.5, 6.0, 80.0),
        Note("größer als zuvor", REF),
        Measure(MeasureKind.ANGLE, 0, ((0, 0), (1, 0), (1, 1)), None, ""),
        Measure(MeasureKind.ARROW, 0, ((0, 0), (1, 0)), None, "", "here", (1.5, 2.0), ((1, 2, 3), (4, 5, 6))),
        Drawn(
            3,
            1,
            2,
            3,
            4,
            "",
            None,
            6,
            (DrawnBox(4, 1, 2, 3, 4),),
            7.5,
            6.0,
            120.0,
            (1.0, 2.0, 3.0),
            ((1.5, 2.5), (2.5, 3.5), (1.5, 3.5)),
        ),
        Entered("type", "solid", REF),
        Entered("age", "62"),
    ]
    for mark in marks:
        session.record(mark)
    assert [e.mark for e in Session("a1").entries()] == marks
    assert Session("a1").problems == ()
    assert Session("b2").entries() == ()


def test_the_journal_lies_in_the_users_data_and_names_no_path_or_patient(tmp_path: Path) -> None:
    session = Session("a1")
    session.record(Decision(REF, Answer.REJECTED))
    assert session.path == sessions.folder() / "a1.jsonl"
    assert set(json.loads(session.path.read_text())) == {"v", "id", "window", "time", "app", "type", "mark", "sum"}


def test_the_last_answer_on_a_finding_counts_and_can_be_taken_back() -> None:
    session = Session("a1")
    session.record(Decision(REF, Answer.ACCEPTED))
    session.record(Decision(REF2, Answer.UNSURE))
    session.record(Decision(REF, Answer.REJECTED))
    assert session.decisions() == {REF: Answer.REJECTED, REF2: Answer.UNSURE}
    session.record(Decision(REF2, None))
    assert session.decisions() == {REF: Answer.REJECTED}


def test_an_answer_can_be_taken_back_when_another_model_sees_the_same_finding() -> None:
    session = Session("a1")
    session.record(Decision(REF, Answer.ACCEPTED))
    session.record(Decision(replace(REF, model="another", x0=REF.x0 + 0.5), None))
    assert session.decisions() == {}


def test_the_last_value_of_a_field_counts_for_each_finding_and_the_case_and_can_be_taken_back() -> None:
    session = Session("a1")
    for value in ("solid", "part-solid"):
        session.record(Entered("type", value, REF))
    session.record(Entered("type", "solid", REF2))
    session.record(Entered("age", "62"))
    session.record(Entered("type", None, REF2))
    assert sessions.filled_in(session.entries()) == {(REF, "type"): "part-solid", (None, "age"): "62"}
    session.undo()
    assert (REF2, "type") in sessions.filled_in(session.entries())


def test_undo_and_redo_go_back_and_forth_over_a_restart_of_the_reader() -> None:
    session = Session("a1")
    session.record(Decision(REF, Answer.ACCEPTED))
    ruler = session.record(RULER)
    session.record(Deleted(ruler.id))
    assert session.entries()[-1].mark == Decision(REF, Answer.ACCEPTED)
    assert session.undo() is not None  # the deletion
    assert session.entries()[-1].mark == RULER
    assert session.undo() == ruler
    assert session.undo() is not None  # the decision
    assert session.undo() is None
    assert session.entries() == ()
    for count in (1, 2, 1):
        assert session.redo() is not None
        assert len(session.entries()) == count
    assert session.redo() is None
    assert Session("a1").entries() == session.entries()


def test_a_new_mark_ends_what_can_be_redone() -> None:
    session = Session("a1")
    session.record(Decision(REF, Answer.ACCEPTED))
    session.undo()
    session.record(Decision(REF, Answer.REJECTED))
    assert session.redo() is None
    assert session.decisions() == {REF: Answer.REJECTED}


def test_undo_takes_back_only_what_this_window_did() -> None:
    mine, theirs = Session("a1"), Session("a1")
    mine.record(Decision(REF, Answer.ACCEPTED))
    theirs.record(Decision(REF2, Answer.ACCEPTED))
    assert mine.decisions() == theirs.decisions() == {REF: Answer.ACCEPTED, REF2: Answer.ACCEPTED}
    mine.undo()
    assert mine.decisions() == {REF2: Answer.ACCEPTED}
    assert mine.undo() is None


def test_a_finding_is_known_by_its_place_when_it_is_found_again_with_another_number() -> None:
    session = Session("a1")
    session.record(Decision(REF, Answer.ACCEPTED))
    moved = Nodule(4, (Box(30, 91, 155, 131, 194, 0.6), Box(31, 90, 150, 130, 190, 0.8)))
    assert session.answer(moved) is Answer.ACCEPTED
    assert session.answer(OTHER) is None
    elsewhere = replace(moved, boxes=(Box(12, 91, 155, 131, 194, 0.6),))
    assert session.answer(elsewhere) is None


def test_a_damaged_journal_is_kept_said_and_its_readable_decisions_still_count() -> None:
    session = Session("a1")
    session.record(Decision(REF, Answer.ACCEPTED))
    session.record(Decision(REF2, Answer.REJECTED))
    lines = session.path.read_bytes().splitlines(keepends=True)
    session.path.write_bytes(lines[0] + lines[1].replace(b"rejected", b"accepted"))
    again = Session("a1")
    assert again.decisions() == {REF: Answer.ACCEPTED}
    assert "a1.damaged-1.jsonl" in again.problems[0]
    assert (sessions.folder() / "a1.damaged-1.jsonl").read_bytes().endswith(b"}\n")


def test_records_of_a_newer_program_are_kept_and_said() -> None:
    session = Session("a1")
    session.record(RULER)
    session._journal.append({"v": 2, "id": "x", "type": "volume"})
    again = Session("a1")
    assert [e.mark for e in again.entries()] == [RULER]
    assert "another version" in again.problems[0]
    assert len(again._journal.read().records) == 2


def test_a_key_that_could_name_another_file_is_refused() -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        Session("../x")


CHILD = """
import sys
from cadviewer.store.session import Session, Measure, MeasureKind
session = Session("k9")
for n in range(100000):
    session.record(Measure(MeasureKind.DISTANCE, n, ((0.0, 0.0), (1.0, 1.0)), 1.0, "mm"))
    print(n, flush=True)
"""


def test_no_decision_shown_as_done_is_lost_by_kill_9() -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
    assert child.stdout is not None
    for _ in range(20):
        child.stdout.readline()
    child.kill()
    last = 19 + len(child.stdout.read().split())
    child.wait()
    child.stdout.close()
    session = Session("k9")
    slices = [e.mark.slice for e in session.entries() if isinstance(e.mark, Measure)]
    assert slices[: last + 1] == list(range(last + 1))
    assert session.problems == ()
    session.record(RULER)
    assert Session("k9").entries()[-1].mark == RULER


def series_of(files: list[Path], uids: list[str], series_uid: str = "") -> Series:
    slices = tuple(SliceInfo(f, sop_uid=u) for f, u in zip(files, uids, strict=True))
    return Series(
        source=files[0].parent,
        format="dicom" if series_uid else "image",
        slices=slices,
        geometry=Geometry((len(files), 4, 4)),
        shape=Shape.STACK if len(files) > 1 else Shape.IMAGE,
        dtype=np.dtype(np.uint8),
        series_uid=series_uid,
    )


def test_a_dicom_case_keeps_its_journal_wherever_its_files_are(tmp_path: Path) -> None:
    here = series_of([tmp_path / "a", tmp_path / "b"], ["1.2", "1.3"], "1")
    there = series_of([tmp_path / "x" / "a", tmp_path / "x" / "b"], ["1.2", "1.3"], "1")
    other = series_of([tmp_path / "a", tmp_path / "b"], ["1.2", "1.4"], "1")
    assert sessions.case_key(here) == sessions.case_key(there) != sessions.case_key(other)


def test_an_image_without_uids_never_gets_the_journal_of_another(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(b"one" * 1_000_000)
    second.write_bytes(b"one" * 1_000_000)
    keys = [sessions.case_key(series_of([f], [""])) for f in (first, second)]
    assert keys[0] != keys[1]
    first.write_bytes(b"one" * 999_999 + b"two")
    assert sessions.case_key(series_of([first], [""])) != keys[0]


def test_finding_refs_of_the_same_place_are_equal() -> None:
    assert FindingRef("ssd", "ab" * 32, 1, 30, 89, 153, 129, 192) == REF


def test_what_a_model_measured_is_no_step_of_the_readers() -> None:
    session = Session("a7")
    drawn = session.record(Drawn(3, 1, 2, 3, 4))
    by_model = Outlined(drawn.id, "net", "1", "cd" * 32, (), 7.5)
    session.record(by_model)
    assert session.undo() == drawn
    session.record(by_model)  # it comes late
    assert session.redo() == drawn
    assert drawn in session.entries()
    assert [e.mark for e in session.entries() if isinstance(e.mark, Outlined)] == [by_model, by_model]


def test_what_is_no_number_is_kept_as_missing(tmp_path: Path) -> None:
    session = Session("abc", root=tmp_path)
    session.record(Measure(MeasureKind.ELLIPSE, 0, ((1.0, 2.0), (3.0, 4.0)), float("nan"), "HU"))
    session.record(Measure(MeasureKind.ELLIPSE, 1, ((1.0, 2.0), (3.0, 4.0)), float("inf"), "HU"))
    marks = [entry.mark for entry in Session("abc", root=tmp_path).entries()]
    assert [(m.slice, m.value) for m in marks if isinstance(m, Measure)] == [(0, None), (1, None)]
