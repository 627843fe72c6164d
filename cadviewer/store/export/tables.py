"""nodules.csv, breast.csv, cases.csv and errors.csv: UTF-8, RFC 4180, sorted, empty cells where a value is unknown.

The cells of a case are text from the moment it is finished: a table is the same whether it was made in one run or
put together from several.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cadviewer import atomic
from cadviewer.imaging.series import Volume
from cadviewer.messages import Message
from cadviewer.store.case_report import CaseReport, CaseState, one_line, path_text
from cadviewer.store.export import ExportError, Format, Run
from cadviewer.store.export.parts import Row, findings_of, number, of_all, part_of
from cadviewer.store.reading import Reading

COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{name: columns for part in of_all() for name, columns in part.columns.items()},
    "cases": (
        "case",
        "source",
        "series_uid",
        "modality",
        "task",
        "state",
        "findings",
        "reason",
        "n_files",
        "seconds_load",
        "seconds_infer",
    ),
    "errors": ("source", "error"),
}


def rows(report: CaseReport) -> dict[str, list[Row]]:
    """The rows of one case, by table."""
    tables: dict[str, list[Row]] = {name: [] for name in COLUMNS} | {"cases": [_case_row(report)]}
    if report.state in (CaseState.REFUSED, CaseState.FAILED):
        tables["errors"].append((path_text(report.source), one_line(report.reason)))
    if report.series is not None and report.result is not None:
        tables |= part_of(report.result.task).rows(report)
    return tables


def write_csv(path: Path, table: str, content: Sequence[Sequence[str]]) -> None:
    """Put one table into a file, sorted, atomically. Raises OSError."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # its default is RFC 4180, with CRLF
    writer.writerow(COLUMNS[table])
    ordered: list[Row] = sorted((tuple(row) for row in content), key=_SORT[table])
    writer.writerows(ordered)
    atomic.write_text(path, text.getvalue())


def is_ours(path: Path) -> bool:
    """Whether a file is one of these tables, by its first line."""
    try:
        first = path.read_bytes().split(b"\n", 1)[0].strip()
    except OSError:
        return False
    return first == ",".join(COLUMNS.get(path.stem, ())).encode("ascii")


def _write_tables(run: Run, folder: Path) -> None:
    for table in COLUMNS:
        write_csv(folder / f"{table}.csv", table, [row for case in run.cases for row in case.get(table, ())])


def _write_file(report: CaseReport, volume: Volume | None, reading: Reading | None, path: Path) -> None:
    """The table of the case's task with its findings; what the reader made of them is not in the tables."""
    names = part_of(report.task).columns if report.task is not None else {}
    if not names:
        raise ExportError(Message("there is no table for this task"))
    for name in names:
        write_csv(path, name, rows(report)[name])


FORMAT = Format(
    "tables: " + ", ".join(f"{name}.csv" for name in COLUMNS),
    write_tables=_write_tables,
    tables=tuple(f"{name}.csv" for name in COLUMNS),
    is_ours=is_ours,
    suffix=".csv",
    write_file=_write_file,
)


def _sorter(table: str, *columns: str) -> Callable[[Row], Any]:
    """A key that sorts rows by some columns (numbers as numbers) and then by everything."""
    places = [COLUMNS[table].index(c) for c in columns]
    return lambda row: (*((0, int(row[p]), "") if row[p].isdecimal() else (1, 0, row[p]) for p in places), row)


_SORT = {
    **{name: _sorter(name, *columns) for part in of_all() for name, columns in part.order.items()},
    "cases": _sorter("cases", "source", "series_uid", "case"),
    "errors": _sorter("errors", "source", "error"),
}


def _case_row(report: CaseReport) -> Row:
    series = report.series
    return (
        report.case,
        path_text(report.source),
        series.series_uid if series else "",
        series.modality if series else "",
        report.task.value if report.task else "",
        report.state.value,
        "" if (count := findings_of(report)) is None else str(count),
        one_line(report.reason),
        str(report.n_files),
        number(report.seconds_load),
        number(report.result.seconds_infer if report.result else None),
    )
