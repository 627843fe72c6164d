"""Ways of writing results: of a batch into a folder, and of one case into a file. Another one is one more file here
and one line in FORMATS."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cadviewer.imaging.series import Volume
from cadviewer.messages import Message
from cadviewer.store.case_report import CaseReport
from cadviewer.store.reading import Reading

Rows = Mapping[str, Sequence[Sequence[str]]]
"""Rows of one case by table ("nodules", "breast", "cases", "errors"), cells as they are written."""


@dataclass(frozen=True)
class Run:
    """What a batch did so far. cases: the rows of each finished case. options: what its results depend on, by name, as
    the results folder keeps them (versions, models with their weights, threshold)."""

    cases: Sequence[Rows]
    options: Mapping[str, Any]


def _nobodys(path: Path) -> bool:
    return False


@dataclass(frozen=True)
class Format:
    """One way of writing results.

    title: one line for a help text or a dialog.
    folder: where its files per case lie inside the results folder; their names begin with the case's hash.
    write_case(report, volume, folder): writes the files of one case into that folder, atomically; volume is None
        where nothing was read. Raises OSError.
    write_tables(run, folder): writes what is made of all cases into the results folder. Raises OSError.
    tables: names of the files that write_tables writes. is_ours(path): whether a file of such a name is one that it
        wrote: nobody else's is read over or replaced.
    suffix: of a file that holds one case, which several formats may have; write_file(report, volume, reading, path):
        writes it, whole or not at all.
    label: what a dialog calls such a file ("Text report"); "" for the suffix in capitals.
        volume: the pixels, None where they are not at hand. reading: what a reader made of the case, None where nobody
        has read it. Raises OSError, ExportError.
    """

    title: str
    folder: str = ""
    write_case: Callable[[CaseReport, Volume | None, Path], None] | None = None
    write_tables: Callable[[Run, Path], None] | None = None
    tables: tuple[str, ...] = ()
    is_ours: Callable[[Path], bool] = _nobodys
    suffix: str = ""
    label: str = ""
    write_file: Callable[[CaseReport, Volume | None, Reading | None, Path], None] | None = None


class ExportError(Exception):
    """Something that cannot be written in this way; one line says why."""


FORMATS: Mapping[str, str] = {
    "csv": "cadviewer.store.export.tables",
    "json": "cadviewer.store.export.case_json",
    "png": "cadviewer.store.export.pictures",
    "report": "cadviewer.store.export.report",
    "report-text": "cadviewer.store.export.report_text",
    "report-pdf": "cadviewer.store.export.report_pdf",
    "report-dicom": "cadviewer.store.export.report_dicom",
    "sr": "cadviewer.store.export.dicom.sr",
    "seg": "cadviewer.store.export.dicom.seg",
    "gsps": "cadviewer.store.export.dicom.gsps",
    "sc": "cadviewer.store.export.dicom.sc",
    "coco": "cadviewer.store.export.coco",
    "summary": "cadviewer.store.export.summary",
}
"""Module of each format; its `FORMAT` is imported when it is used, so that naming them costs nothing."""

DEFAULT = ("csv", "json", "summary")
"""What is written when no format is named."""


def load(name: str) -> Format:
    """The format of that name. Raises KeyError."""
    found: Any = importlib.import_module(FORMATS[name]).FORMAT
    assert isinstance(found, Format)
    return found


def for_batch(name: str) -> bool:
    """Whether a batch can write in this way; a format may be for one case alone."""
    found = load(name)
    return found.write_case is not None or found.write_tables is not None


def for_files() -> dict[str, Format]:
    """The formats that hold one case in one file, by name: what the window offers to save as."""
    return {name: found for name in FORMATS if (found := load(name)).write_file is not None}


def by_suffix(suffix: str) -> str:
    """The name of the first format whose files end so ("" where none does): what a file is where nobody chose."""
    return next((name for name, found in for_files().items() if found.suffix == suffix.lower()), "")


def write(report: CaseReport, volume: Volume | None, reading: Reading | None, path: Path, name: str = "") -> None:
    """One case into one file. name: of the format, "" for the first that the suffix of the file names.

    Raises OSError, ExportError; KeyError for a name that there is not.
    """
    chosen = name or by_suffix(path.suffix)
    if not chosen:
        raise ExportError(Message("no way of writing a file that ends in {suffix}", suffix=path.suffix or "nothing"))
    write_file = load(chosen).write_file
    if write_file is None:
        raise ExportError(Message("{name} is no file of one case", name=chosen))
    write_file(report, volume, reading, path)
