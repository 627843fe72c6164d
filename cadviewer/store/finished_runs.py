"""A results folder read again: its cases and findings, and what readers have answered since. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cadviewer.findings import Box, Nodule
from cadviewer.messages import Message
from cadviewer.store import results, session
from cadviewer.store.case_report import CaseState
from cadviewer.store.export.parts import of_all
from cadviewer.store.journal import Journal, JournalError
from cadviewer.store.marks import Answer, FindingRef
from cadviewer.store.results import FinishedCase, ResultsError


@dataclass(frozen=True)
class Row:
    """A finding of a case, or the case itself where nothing was found.

    source: where its images were. table: of the finding, "" for a case without one. finding: its cells by column.
    slice: index of its image, from 0. score: of a nodule, probability of malignancy of a breast image; None for none.
    answer: the reader's last, None where there is none.
    """

    case: str
    source: Path
    task: str
    state: CaseState
    reason: str
    series_uid: str = ""
    table: str = ""
    finding: Mapping[str, str] | None = None
    slice: int | None = None
    score: float | None = None
    answer: Answer | None = None

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """(x0, y0, x1, y1) of a nodule, edge coordinates."""
        if self.finding is None or "x0" not in self.finding:
            return None
        x0, y0, x1, y1 = (float(self.finding[name]) for name in ("x0", "y0", "x1", "y1"))
        return x0, y0, x1, y1


def read(folder: Path) -> Iterator[Row]:
    """Every finding of a run, also of one that is still going on. Raises ResultsError where there is none."""
    path = folder / results.STATE / "journal.jsonl"
    try:
        content = Journal(path).read() if path.is_file() else None
    except JournalError as error:
        raise ResultsError(str(error)) from error
    if content is None or not content.records or content.records[0].get("type") != "options":
        raise ResultsError(Message("there are no results of a batch in this folder"))
    cases = sorted(results.finished_cases(content.records[1:]).values(), key=lambda f: (f.row["source"], f.case))
    return (row for case in cases for row in _rows(case))


def _rows(case: FinishedCase) -> Iterator[Row]:
    of_case = case.row
    row = Row(
        case.case,
        Path(case.path or of_case["source"]),
        of_case["task"],
        case.state,
        of_case["reason"],
        of_case["series_uid"],
    )
    answers = _answers(case.key)
    tables = dict.fromkeys(name for part in of_all() for name in part.columns)
    found = [(name, k, cells) for name in tables for k, cells in enumerate(case.findings_of(name))]
    for table, place, cells in found:
        # Images of a breast are one row each, in the order of the case; their frame is that of their file
        index = int(cells["slice"]) if "slice" in cells else place
        score = cells.get("score") or cells.get("probability_malignant")
        one = replace(row, table=table, finding=cells, slice=index, score=float(score) if score else None)
        yield replace(one, answer=_answer(one, answers))
    if not found:
        yield row


def _answers(key: str) -> dict[FindingRef, Answer]:
    """What readers answered of a case, by finding; nothing where its journal cannot be read."""
    if not key:
        return {}
    try:
        return session.decisions(session.kept(key))
    except JournalError:
        return {}


def _answer(row: Row, answers: dict[FindingRef, Answer]) -> Answer | None:
    """The answer on a finding: on a nodule that overlaps it by half on its slice, on the image of a breast."""
    if row.box is None or row.slice is None:
        return session.frame_answer(answers, row.slice) if row.table == "breast" and row.slice is not None else None
    return session.answer_at(answers, Nodule(1, (Box(row.slice, *row.box, row.score or 0.0),)))
