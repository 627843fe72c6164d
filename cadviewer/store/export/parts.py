"""What each task adds to the files of a case: its tables, its JSON, its pictures (`findings.TaskSpec.export`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import Estimate, LungPlace, Result, Task, resolve
from cadviewer.imaging.series import Volume
from cadviewer.store.case_report import CaseReport, CaseState

Row = tuple[str, ...]
"""Cells of a table, as they are written."""
Named = tuple[str, NDArray[np.uint8]]
"""What follows the case's hash in the name of a picture, and the picture, BGR."""


@dataclass(frozen=True)
class Annotation:
    """Where something was found on one image, for formats that describe images one by one (COCO).

    index: of the image in its series, from 0. category: what it is, the part's own (`Part.category`).
    box: (x0, y0, x1, y1) in edge coordinates. outline: polygon (n, 2) of (x, y); mask: (rows, columns), 0 or 255; both
        None where it was not outlined. area: px, of what outlines it. more: JSON values by name.
    """

    index: int
    category: str
    box: tuple[float, float, float, float]
    area: float
    score: float | None = None
    outline: NDArray[np.float32] | None = None
    mask: NDArray[np.uint8] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """The part of one task.

    count: how many findings a result counts. refused: why nothing of a result was in the model's scope, "" otherwise.
    columns: of its tables, by name; order: the columns that each is sorted by, numbers as numbers.
    rows: of an analysed case, by table. document: fields that its JSON has besides those of every case.
    pictures: of an analysed case. category: what one of its findings is called; annotations: of an analysed case.
    """

    count: Callable[[Result], int]
    refused: Callable[[Result], str] = lambda result: ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Callable[[CaseReport], Mapping[str, list[Row]]] = lambda report: {}
    document: Callable[[CaseReport], Mapping[str, Any]] = lambda report: {}
    pictures: Callable[[CaseReport, Volume], Iterator[Named]] = lambda report, volume: iter(())
    category: str = ""
    annotations: Callable[[CaseReport], Iterable[Annotation]] = lambda report: ()


LINES = Part(count=lambda result: len(result.lines))
"""Of a task that has none: its lines are what it found."""


@cache
def part_of(task: Task) -> Part:
    """The part of a task."""
    named = task.spec.export
    found = resolve(named) if named else LINES
    assert isinstance(found, Part)
    return found


def of_all() -> list[Part]:
    """The parts of all tasks, in the order of their table."""
    return [part_of(task) for task in Task]


def findings_of(report: CaseReport) -> int | None:
    """How many there are, as its task counts them (`Part.count`); None where the case was not done."""
    if report.result is None or report.state is not CaseState.DONE:
        return None
    return part_of(report.result.task).count(report.result)


def number(value: float | None, digits: int = 3) -> str:
    """Millimetres and pixels in thousandths; "" for unknown. Never "-0.000"."""
    if value is None:
        return ""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def json_number(value: float | None) -> float | None:
    """JSON knows no infinity and no NaN: a measure that is one is unknown."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


def json_numbers(values: tuple[float, ...] | None) -> list[float | None] | None:
    """As `json_number`, of several."""
    return None if values is None else [json_number(v) for v in values]


def json_estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    """A probability with its interval, and of each class where it has them."""
    if estimate is None:
        return None
    made: dict[str, Any] = {name: round(float(getattr(estimate, name)), 6) for name in ("value", "low", "high")}
    if estimate.classes:
        made |= {"class": estimate.grade, "classes": [round(float(c), 6) for c in estimate.classes]}
    return made


def json_place(place: LungPlace | None) -> dict[str, Any] | None:
    """Where in the lungs; None where nobody looked."""
    if place is None:
        return None
    return {
        "side": place.side.value if place.side is not None else None,
        "third": place.third.value if place.third is not None else None,
        "edge_mm": json_number(place.edge_mm),
    }
