"""A comparison with an earlier CT as JSON values: the part `comparison` of a reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cadviewer.store.comparison import Change, Comparison, Sighting


def document(comparison: Comparison) -> dict[str, Any]:
    """Every finding of the two CTs, with what became of it and how sure that is. Unknown values are null."""
    return {
        "prior_case": comparison.prior_case,
        "prior_series_uid": comparison.prior_series_uid,
        "prior_date": comparison.prior_date.isoformat() if comparison.prior_date is not None else None,
        "registered": comparison.registered,
        "residual_mm": _number(comparison.residual_mm),
        "warnings": list(comparison.warnings),
        "changes": [_change(change) for change in comparison.changes],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "state": change.state.value,
        "now": _sighting(change.now),
        "prior": _sighting(change.prior),
        "days": change.days,
        "delta_mm": _number(change.delta_mm),
        "delta_long_mm": _number(change.delta_long_mm),
        "delta_volume_percent": _number(change.delta_volume_percent),
        "doubling_days": _number(change.doubling_days),
        "sure": change.sure,
        "answered": change.answered,
        "doubt": change.doubt,
        "distance_mm": _number(change.distance_mm),
        "now_mm": _point(change.now_mm),
        "prior_mm": _point(change.prior_mm),
    }


def _sighting(seen: Sighting | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {
        "finding": seen.number,
        "name": seen.name,
        "slice": seen.slice,
        "centre_mm": _point(seen.centre_mm),
        "long_mm": _number(seen.long_mm),
        "short_mm": _number(seen.short_mm),
        "volume_mm3": _number(seen.volume_mm3),
        "type": seen.type,
        "category": seen.category,
        "listed": not seen.weak,
    }


def _point(point: Sequence[float] | None) -> list[float | None] | None:
    return None if point is None else [_number(v) for v in point]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
