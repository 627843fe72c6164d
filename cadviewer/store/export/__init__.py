"""Ways of writing results into a folder. Another one is one more file here and one line in FORMATS."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cadviewer.imaging.series import Volume
from cadviewer.store.case_report import CaseReport

Rows = Mapping[str, Sequence[Sequence[str]]]
"""Rows of one case by table ("nodules", "breast", "cases", "errors"), cells as they are written."""


@dataclass(frozen=True)
class Format:
    """One way of writing results.

    title: one line for a help text or a dialog.
    folder: where its files per case lie inside the results folder; their names begin with the case's hash.
    write_case(report, volume, folder): writes the files of one case into that folder, atomically; volume is None
        where nothing was read. Raises OSError.
    write_tables(cases, folder): writes what is made of all cases, from the rows of each. Raises OSError.
    tables: names of the files that write_tables writes.
    """

    title: str
    folder: str = ""
    write_case: Callable[[CaseReport, Volume | None, Path], None] | None = None
    write_tables: Callable[[Sequence[Rows], Path], None] | None = None
    tables: tuple[str, ...] = ()


FORMATS: Mapping[str, str] = {
    "csv": "cadviewer.store.export.tables",
    "json": "cadviewer.store.export.case_json",
    "png": "cadviewer.store.export.pictures",
}
"""Module of each format; its `FORMAT` is imported when it is used, so that naming them costs nothing."""

DEFAULT = ("csv", "json")
"""What is written when no format is named."""


def load(name: str) -> Format:
    """The format of that name. Raises KeyError."""
    found: Any = importlib.import_module(FORMATS[name]).FORMAT
    assert isinstance(found, Format)
    return found
