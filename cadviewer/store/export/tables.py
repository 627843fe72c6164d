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
from cadviewer.findings import BreastFinding, Nodule, Provenance
from cadviewer.imaging.series import Series
from cadviewer.store.export import Format, Rows
from cadviewer.store.report import CaseReport, CaseState, mask_name, one_line, path_text

Row = tuple[str, ...]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    name: tuple(columns.replace(",", " ").split())
    for name, columns in {
        "nodules": """source, series_uid, sop_uid, instance_number, finding, slice_first, slice_last, slice,
            x0, y0, x1, y1, x_mm, y_mm, z_mm, long_mm, short_mm, volume_mm3, score, malignancy, type,
            model, weights_sha256""",
        "breast": """source, sop_uid, frame, width, height, probability_malignant, probability_low, probability_high,
            call, lesion_px, long_mm, short_mm, mask, model, weights_sha256""",
        "cases": """case, source, series_uid, modality, task, state, findings, reason, n_files,
            seconds_load, seconds_infer""",
        "errors": "source, error",
    }.items()
}


def rows(report: CaseReport) -> dict[str, list[Row]]:
    """The rows of one case, by table."""
    tables: dict[str, list[Row]] = {"nodules": [], "breast": [], "cases": [_case_row(report)], "errors": []}
    if report.state in (CaseState.REFUSED, CaseState.FAILED):
        tables["errors"].append((path_text(report.source), one_line(report.reason)))
    if report.series is not None and report.result is not None:
        provenance = report.result.provenance
        tables["nodules"] = [_nodule_row(report.series, n, provenance) for n in report.result.nodules]
        tables["breast"] = [_breast_row(report, report.series, b, provenance) for b in report.result.breast]
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


def _write_tables(cases: Sequence[Rows], folder: Path) -> None:
    for table in COLUMNS:
        write_csv(folder / f"{table}.csv", table, [row for case in cases for row in case.get(table, ())])


FORMAT = Format(
    "tables: nodules.csv, breast.csv, cases.csv, errors.csv",
    write_tables=_write_tables,
    tables=tuple(f"{name}.csv" for name in COLUMNS),
)


def _sorter(table: str, *columns: str) -> Callable[[Row], Any]:
    """A key that sorts rows by some columns (numbers as numbers) and then by everything."""
    places = [COLUMNS[table].index(c) for c in columns]
    return lambda row: (*((0, int(row[p]), "") if row[p].isdecimal() else (1, 0, row[p]) for p in places), row)


_SORT = {
    "nodules": _sorter("nodules", "source", "series_uid", "finding"),
    "breast": _sorter("breast", "source", "sop_uid", "frame"),
    "cases": _sorter("cases", "source", "series_uid", "case"),
    "errors": _sorter("errors", "source", "error"),
}


def _number(value: float | None, digits: int = 3) -> str:
    """Millimetres and pixels in thousandths; "" for unknown. Never "-0.000"."""
    if value is None:
        return ""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _nodule_row(series: Series, nodule: Nodule, provenance: Provenance) -> Row:
    box = nodule.box
    image = series.slices[box.slice]
    return (
        path_text(series.source),
        series.series_uid,
        image.sop_uid,
        "" if image.instance_number is None else str(image.instance_number),
        str(nodule.number),
        str(nodule.slice_first),
        str(nodule.slice_last),
        str(box.slice),
        *(_number(v) for v in (box.x0, box.y0, box.x1, box.y1)),
        *(_number(v) for v in nodule.centre_mm or (None, None, None)),
        *(_number(v) for v in (nodule.long_mm, nodule.short_mm, nodule.volume_mm3)),
        _number(nodule.score, 4),
        _number(nodule.malignancy.value if nodule.malignancy else None, 4),
        nodule.type or "",
        provenance.model,
        provenance.weights_sha256,
    )


def _breast_row(report: CaseReport, series: Series, finding: BreastFinding, provenance: Provenance) -> Row:
    image = series.slices[min(finding.frame, len(series.slices) - 1)]
    given = finding.probability
    height, width = finding.size
    return (
        path_text(series.source),
        image.sop_uid,
        str(image.frame),
        str(width),
        str(height),
        *(_number(v, 4) for v in ((given.value, given.low, given.high) if given else (None, None, None))),
        finding.call.value,
        "" if finding.lesion_px is None else str(finding.lesion_px),
        _number(finding.long_mm),
        _number(finding.short_mm),
        "" if finding.mask is None else mask_name(report, finding),
        provenance.model,
        provenance.weights_sha256,
    )


def _case_row(report: CaseReport) -> Row:
    series = report.series
    return (
        report.case,
        path_text(report.source),
        series.series_uid if series else "",
        series.modality if series else "",
        report.task.value if report.task else "",
        report.state.value,
        "" if report.findings is None else str(report.findings),
        one_line(report.reason),
        str(report.n_files),
        _number(report.seconds_load),
        _number(report.result.seconds_infer if report.result else None),
    )
