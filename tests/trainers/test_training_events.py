"""What a run says of itself is read as it was written, and a damaged line says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cadviewer.training_events import (
    LOG,
    Begun,
    Ended,
    Launched,
    Scan,
    Stage,
    Step,
    TrainingEvent,
    Tune,
    append,
    parse,
)

EVENTS = (
    Launched(7, 12.5, True, 99.0, 3),
    Begun(7, None, "data", {"epochs": 3, "folds": [1, 2]}),
    Stage("training", 40),
    Step(41, 0.25, 2, 0.5, 3.5),
    Tune(41, 2, 0.5, 4.0, {"auc": 0.75, "loss_box": 0.1}),
    Scan(3, 9, 14, "it is damaged", 0.3333, 2.0),
    Ended("done", "", "somewhere/card.json"),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_an_event_is_read_as_it_was_written(event: TrainingEvent, tmp_path: Path) -> None:
    append(tmp_path, Ended("stopped"))
    append(tmp_path, event)
    assert [parse(line) for line in (tmp_path / LOG).read_bytes().splitlines()] == [Ended("stopped"), event]


def test_figures_lie_beside_the_other_fields_of_their_line(tmp_path: Path) -> None:
    append(tmp_path, EVENTS[4])
    assert json.loads((tmp_path / LOG).read_text()) == {
        "kind": "tune", "step": 41, "epoch": 2, "progress": 0.5, "seconds": 4.0, "auc": 0.75, "loss_box": 0.1,
    }  # fmt: skip


def test_a_loss_that_is_no_number_is_none(tmp_path: Path) -> None:
    append(tmp_path, Step(3, float("nan"), 0))
    assert parse((tmp_path / LOG).read_bytes()) == Step(3, None, 0)


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "7", "null", '"step"', "{}", '{"kind": "step"}', '{"kind": "step", "step": "x"}',
     '{"kind": "more"}',
     '{"kind": ["step"]}', '{"kind": "end"}', '{"kind": "begin", "settings": 3}', "\xff"],
)  # fmt: skip
def test_a_damaged_line_says_nothing(line: str) -> None:
    assert parse(line) is None


def test_a_field_that_a_later_version_added_is_passed_over() -> None:
    assert parse('{"kind": "stage", "stage": "reading", "power": 3}') == Stage("reading")
