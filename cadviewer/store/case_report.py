"""What became of one case: everything that the tables, the JSON and the pictures are made from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cadviewer.findings import BreastFinding, Result, Task
from cadviewer.imaging.series import Series


class CaseState(StrEnum):
    """The words of `cases.csv`."""

    DONE = "done"
    SKIPPED = "skipped"  # not an image
    REFUSED = "refused"  # an image that this task or program does not take
    FAILED = "failed"  # damaged, or an error


@dataclass(frozen=True)
class CaseReport:
    """One case of a batch, finished.

    case: sixteen hexadecimal digits. source: as given. reason: one line; why it was not done, or what was noted.
    n_files: how many of the files found belong to it; 0 for a folder that held none.
    series, task, result: None where it did not get that far. seconds_load: reading; None where nothing was read.
    """

    case: str
    source: Path
    state: CaseState
    reason: str = ""
    n_files: int = 1
    series: Series | None = None
    task: Task | None = None
    result: Result | None = None
    seconds_load: float | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know of the input and of the result, one line each, each once."""
        of_series = self.series.warnings if self.series else ()
        return tuple(dict.fromkeys(one_line(w) for w in (*of_series, *(self.result.warnings if self.result else ()))))


def case_of(source: Path) -> str:
    """The hash that names a file without an image, as `Series.case_id` does for one with."""
    return hashlib.sha256(os.fsencode(source)).hexdigest()[:16]


def one_line(text: str) -> str:
    """The text without line ends, tabs and other control characters."""
    made = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if made == text else made  # as it is: a message stays one


def path_text(path: Path) -> str:
    """A path as valid UTF-8: bytes that are none are written as \\xNN, so that two paths never look the same."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def mask_name(report: CaseReport, finding: BreastFinding) -> str:
    """Path of a mask, relative to the results folder, with forward slashes: named by the case's hash alone."""
    single = report.result is not None and len(report.result.breast) == 1
    return f"masks/{report.case}.png" if single else f"masks/{report.case}-{finding.frame:04d}.png"
