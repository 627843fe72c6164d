"""One JSON per case with everything, checked against the published schema (`resources/schema/case-1.json`)."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cadviewer
from cadviewer import NOTICE, atomic, paths
from cadviewer.findings import Provenance
from cadviewer.imaging.series import Series, Volume
from cadviewer.messages import Message, code_of
from cadviewer.store.case_report import CaseReport, one_line, path_text
from cadviewer.store.export import ExportError, Format, pictures, reading_json
from cadviewer.store.export.parts import json_numbers, of_all
from cadviewer.store.reading import Reading

SCHEMA = 1


def document(report: CaseReport, reading: Reading | None = None) -> dict[str, Any]:
    """Everything known of a case as JSON values. Coordinates as in `nodules.csv`, unknown values null.

    reading: what a reader made of it, where somebody has read it.
    """
    result = report.result
    content = {
        "schema": SCHEMA,
        "notice": NOTICE,
        "application": f"cadviewer {cadviewer.__version__}",
        "case": report.case,
        "source": path_text(report.source),
        "n_files": report.n_files,
        "state": report.state.value,
        "reason": one_line(report.reason),
        "task": report.task.value if report.task else None,
        "reason_code": code_of(report.reason),
        "warnings": list(report.warnings),
        "warning_codes": [code_of(warning) for warning in report.warnings],
        "seconds_load": report.seconds_load,
        "seconds_infer": result.seconds_infer if result else None,
        "series": _series(report.series) if report.series else None,
        "provenance": _provenance(result.provenance, report.series) if result and report.series else None,
        **{name: value for part in of_all() for name, value in part.document(report).items()},
        "lines": list(result.lines) if result else [],
    }
    return content if reading is None else {**content, "reading": reading_json.document(reading)}


def check(content: dict[str, Any]) -> None:
    """Raises ExportError naming the place where a document breaks the schema."""
    error = next(iter(_validator().iter_errors(content)), None)
    if error is not None:
        raise ExportError(
            Message(
                "the case's JSON breaks its schema at {json_path}: {message}",
                json_path=error.json_path,
                message=one_line(error.message)[:200],
            )
        )


def schema_path() -> Path:
    """The published schema."""
    return paths.resources() / "schema" / f"case-{SCHEMA}.json"


@functools.cache
def _validator() -> Any:
    import jsonschema  # 0.2 s; only where JSON is written

    schema = json.loads(schema_path().read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _write_case(report: CaseReport, volume: Volume | None, folder: Path) -> None:
    write(folder / f"{report.case}.json", report)


def write(path: Path, report: CaseReport, reading: Reading | None = None) -> None:
    """Write the JSON of a case, whole or not at all. Raises ExportError for what breaks the schema, and OSError."""
    content = document(report, reading)
    check(content)
    atomic.write_text(path, _text(content))


def _text(content: dict[str, Any]) -> str:
    """JSON with a line for each field and for each finding: to be read, and not ten times its size by indenting."""
    lines = []
    for key, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n  " + ",\n  ".join(_dump(v) for v in value) + "\n ]"
        elif isinstance(value, dict):
            text = "{\n  " + ",\n  ".join(f"{_dump(k)}: {_dump(v)}" for k, v in value.items()) + "\n }"
        else:
            text = _dump(value)
        lines.append(f" {_dump(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _write_file(report: CaseReport, volume: Volume | None, reading: Reading | None, path: Path) -> None:
    pictures.write_masks(report, path.parent)  # the JSON names them: they are there before it is
    write(path, report, reading)


FORMAT = Format(
    "one JSON per case with everything, by schema",
    folder="json",
    write_case=_write_case,
    suffix=".json",
    write_file=_write_file,
)


def _series(series: Series) -> dict[str, Any]:
    geometry = series.geometry
    return {
        "format": series.format,
        "modality": series.modality,
        "study_uid": series.study_uid,
        "series_uid": series.series_uid,
        "frame_of_reference_uid": series.frame_of_reference_uid,
        "images": [
            {"sop_uid": s.sop_uid, "frame": s.frame, "instance_number": s.instance_number} for s in series.slices
        ],
        "shape": list(geometry.shape),
        "channels": series.channels,
        "hounsfield": series.hounsfield,
        "joined_as": series.shape.value,
        "not_volume": one_line(series.not_volume),
        "pixel_spacing_mm": json_numbers(geometry.pixel_spacing),
        "slice_spacing_mm": geometry.slice_spacing,
        "origin_mm": json_numbers(geometry.origin),
        "direction": [json_numbers(v) for v in geometry.direction] if geometry.direction else None,
    }


def _provenance(provenance: Provenance, series: Series | None) -> dict[str, Any]:
    content = asdict(provenance)
    content["sop_uids"] = list(provenance.sop_uids)
    content["companions"] = [asdict(c) for c in provenance.companions]
    if series is not None and not provenance.sop_uids:
        content["series_uid"] = series.series_uid
        content["sop_uids"] = list(dict.fromkeys(s.sop_uid for s in series.slices if s.sop_uid))
    return content
