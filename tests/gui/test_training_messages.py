"""What the trainers refuse, warn of and end with is said in the user's language, whichever way it takes."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import trainers
import trainers.__main__
import trainers.enough
from cadviewer import training_events
from cadviewer.gui.i18n import language
from cadviewer.gui.training.inspection import describe
from cadviewer.gui.training.run import RunState, spoken
from cadviewer.gui.training.standing import status
from cadviewer.messages import Message
from trainers import inspection, run_folder

PACKAGE = Path(trainers.__file__).parent


@pytest.fixture(autouse=True)
def _german() -> Iterator[None]:
    language.use("de")
    yield
    language.use(language.ENGLISH)


def test_every_reason_for_which_a_set_is_refused_is_a_message() -> None:
    tree = ast.parse((PACKAGE / "enough.py").read_text(encoding="utf-8"))
    plain = [
        node.value.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Return)
        and (
            isinstance(node.value, ast.JoinedStr)
            or (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) and node.value.value)
        )
    ]
    assert plain == []


def test_what_was_recognised_is_told_in_the_users_language() -> None:
    answer = {
        "layout": "BUSI",
        "images": 12,
        "patients": None,
        "labels": {"benign": 5, "normal": 2, "without a label": 5},
        "split": {"train": 8, "tune": 4},
        "by_patient": False,
        "warnings": [
            Message("no image to {part} on", part=Message("test")),
            Message("they look alike but are labelled differently: {names}", names="a, b"),
        ],
        "refused": trainers.enough.ONE_CLASS["train", False],
    }
    lines = describe(json.loads(inspection.as_json(answer))).splitlines()
    assert lines[0] == "BUSI: 12 Bilder, Patienten unbekannt"
    assert lines[1] == "5 gutartig, 2 normal, 5 ohne Beschriftung"
    assert lines[2] == "aufgeteilt: Training 8, Abstimmung 4"
    assert "kein Bild für: Test" in lines[3]
    assert "a, b" in lines[4]
    assert "sind gutartig" in lines[5]
    language.use(language.ENGLISH)
    assert "split by patient" not in describe(answer)
    assert "split by patient: train 8" in describe(answer | {"by_patient": True, "patients": 9})


def test_a_full_disk_is_told_with_its_numbers_after_it_went_through_the_log(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    needed = Message("a checkpoint needs {needed}, and {free} are free", needed="176 MB", free="63 MB")
    reason = run_folder.reason(run_folder.no_room(tmp_path, needed), tmp_path)
    training_events.append(tmp_path, training_events.Ended("failed", reason))
    event = training_events.parse((tmp_path / training_events.LOG).read_bytes())
    assert isinstance(event, training_events.Ended)
    assert event.reason == reason
    told = status(RunState(state="failed", reason=event.reason))
    assert "176 MB" in told
    assert "63 MB" in told
    assert f"der letzte bleibt ({tmp_path / 'last.ckpt'})" in told


def test_a_log_of_plain_texts_is_read_as_before(tmp_path: Path) -> None:
    event = training_events.parse('{"kind": "end", "state": "failed", "reason": "what it was"}')
    assert event == training_events.Ended("failed", "what it was")


def test_an_error_of_the_command_line_is_printed_for_people_and_for_the_window(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none"
    words = ["inspect", "nodules", "--data", str(missing)]
    assert trainers.__main__.main(words) == 2
    plain = capsys.readouterr().err.strip()
    assert plain == f"cadviewer-train: {missing}: no such folder; name the data with --data or $CADVIEWER_TEST_DATA"
    assert trainers.__main__.main(["--json-errors", *words]) == 2
    line = capsys.readouterr().err.strip()
    assert spoken(line) == spoken(plain)
    assert language.translate(spoken(line)).startswith(f"{missing}: ")
    assert language.translate(spoken(line)) != spoken(line)


def test_a_line_that_only_looks_like_a_message_is_shown_as_it_is() -> None:
    assert spoken('cadviewer-train: {"message": 3}') == '{"message": 3}'
    assert spoken("Traceback") == "Traceback"
