"""What a reader made of a case as JSON values: the part `reading` of the case's JSON."""

from __future__ import annotations

import math
from typing import Any

from cadviewer.findings import Nodule
from cadviewer.risk.words import Assessment
from cadviewer.store.export import comparison_json
from cadviewer.store.export.parts import json_place
from cadviewer.store.reading import Read, Reading
from cadviewer.store.session import Entry, Measure, Outlined, PixelSize


def document(reading: Reading) -> dict[str, Any]:
    """Entries, decisions, drawn findings and measures, and what each rule says with its source and version."""
    exam = reading.assess_exam()
    return {
        "entries": dict(reading.values),
        "from_file": {
            n: text for n, text in sorted(reading.form.items()) if n not in reading.values and n != "prior_date"
        },
        "findings": [_finding(reading, read) for read in reading.findings],
        "frames": [
            {
                "index": b.frame,
                "call": b.call.value,
                "answer": answer.value if answer is not None else None,
                "entries": dict(reading.frame_values.get(b.frame, {})),
            }
            for b, answer in reading.frames
        ],
        "exam": _assessment(exam) if exam is not None else None,
        "measures": [_measure(entry, measure) for entry, measure in reading.measures],
        "key_images": list(reading.key_images),
        "pixel_size": _pixel_size(*reading.pixel_size) if reading.pixel_size is not None else None,
        "comparison": comparison_json.document(reading.comparison) if reading.comparison is not None else None,
    }


def _finding(reading: Reading, read: Read) -> dict[str, Any]:
    nodule, box = read.found.nodule, read.found.nodule.box
    return {
        "finding": nodule.number,
        "name": read.found.name,
        "origin": read.found.origin.value,
        "also": _also(read.found.also),
        "answer": read.answer.value if read.answer is not None else None,
        "slice": box.slice,
        "slice_first": nodule.slice_first,
        "slice_last": nodule.slice_last,
        **{k: round(float(getattr(box, k)), 6) for k in ("x0", "y0", "x1", "y1")},
        "centre_mm": None if nodule.centre_mm is None else [_float(v) for v in nodule.centre_mm],
        "long_mm": _float(nodule.long_mm),
        "short_mm": _float(nodule.short_mm),
        "volume_mm3": _float(nodule.volume_mm3),
        "place": json_place(nodule.place),
        "outlined_by": _outlined(read.found.outlined),
        "entries": dict(read.values),
        "assessments": [_assessment(a) for a in reading.assess(read)],
    }


def _also(nodule: Nodule | None) -> dict[str, Any] | None:
    """The model's finding at the place of one of the reader's."""
    if nodule is None:
        return None
    box = nodule.box
    return {
        "finding": nodule.number,
        "score": _float(nodule.score),
        "slice": box.slice,
        **{k: round(float(getattr(box, k)), 6) for k in ("x0", "y0", "x1", "y1")},
    }


def _outlined(by: Outlined | None) -> dict[str, str] | None:
    """The model that outlined what the reader drew."""
    if by is None:
        return None
    return {"model": by.model, "model_version": by.model_version, "weights_sha256": by.weights_sha256}


def _assessment(answer: Assessment) -> dict[str, Any]:
    return {
        "rule": answer.rule.name,
        "version": answer.rule.version,
        "source": answer.rule.source,
        "category": answer.category,
        "management": answer.management,
        "inputs": dict(answer.used),
        "missing": list(answer.missing),
        "notes": list(answer.notes),
    }


def _measure(entry: Entry, measure: Measure) -> dict[str, Any]:
    return {
        "kind": measure.kind.value,
        "time": entry.time,
        "slice": measure.slice,
        "points": [[round(float(v), 4) for v in point] for point in measure.points],
        "patient_mm": [[_float(v) for v in point] for point in measure.patient_mm],
        "value": _float(measure.value),
        "unit": measure.unit,
        "area": _float(measure.area),
        "area_unit": measure.area_unit,
        "label": measure.label,
    }


def _pixel_size(entry: Entry, entered: PixelSize) -> dict[str, Any]:
    """Where the millimetres of an image come from whose file has none."""
    known = entered.length_px is not None and entered.length_mm is not None
    return {
        "mm": _float(entered.mm),
        "origin": "entered by the user",
        "time": entry.time,
        "length": {"px": _float(entered.length_px), "mm": _float(entered.length_mm)} if known else None,
    }


def _float(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
