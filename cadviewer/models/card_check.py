"""What a model card may hold: types and bounds of its fields. A card is a file like any other, and may be anybody's.

What lies outside would find nothing without a word (a threshold that is no number, a window of 10⁹ HU) or lead out of
the folder of the models (a name with a slash).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LARGEST_BYTES = 16 << 20
"""Of a card; those that ship have some ten thousand."""
DEEPEST = 24
"""Levels of lists and objects within a card; those that ship have 6."""
LARGEST = 1e6
"""Size of any number that preprocessing, decoding or the network's arguments may hold."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
"""What a model may be called: it is the name of its files, on every system."""
DEVICES_OF_WINDOWS = re.compile(r"CON|PRN|AUX|NUL|(COM|LPT)[0-9]", re.IGNORECASE)
"""No files on Windows, whatever follows after a dot (Microsoft, "Naming files, paths and namespaces")."""

BOUNDS: Mapping[str, tuple[float, float]] = {
    "pixel_mm": (0.02, 20.0),
    "neighbour_mm": (0.02, 50.0),
    "neighbours": (0, 8),
    "channels": (1, 64),
    "size": (8, 4096),
    "side": (8, 1024),
    "batch": (1, 4096),
    "context": (0.1, 100.0),
    "zoom": (0.05, 20.0),
}
"""Least and largest value of fields of `inputs`: an image of 20 mm pixels or 4096 × 4096 of them shows no lesion."""
SHARES = ("least_peak", "min_confidence", "min_area", "mask_threshold")
"""Fields of `calibration` from 0 to 1: one above would hide every lesion without a word."""
LARGEST_HU = 32768.0
NARROWEST_HU = 1.0

_TEXTS = ("version", "title", "network", "weights_sha256", "paper", "licence", "role", "graph_sha256")
_TABLES = ("config", "inputs", "calibration", "training", "measured", "companions")


def is_name(name: object) -> bool:
    """Whether a model can be called so. On every system, since cards travel: Windows keeps some names for devices."""
    if not isinstance(name, str) or NAME.fullmatch(name) is None or name.endswith("."):
        return False
    return DEVICES_OF_WINDOWS.fullmatch(name.split(".")[0]) is None


def read(path: Path) -> dict[str, Any]:
    """The fields of a card. Raises OSError, and ValueError saying what is wrong with it."""
    if not path.is_file():
        raise ValueError("it is no file")
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"it has more than {LARGEST_BYTES >> 20} MiB")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def check(content: Mapping[str, Any]) -> None:
    """Raises ValueError naming the first field that is not as it has to be, and KeyError for one that is missing."""
    if not is_name(content["name"]):
        raise ValueError("name: letters a to z, digits, dots, hyphens and underscores, up to 60")
    for field in _TEXTS:
        if not isinstance(content.get(field, ""), str):
            raise ValueError(f"{field}: a text")
    for field in _TABLES:
        if not isinstance(content.get(field, {}), dict):
            raise ValueError(f"{field}: an object")
        _walk(field, content.get(field, {}), bounded=field in ("config", "inputs", "calibration"))
    limits = content.get("limits", ())
    if not isinstance(limits, list | tuple) or not all(isinstance(line, str) for line in limits):
        raise ValueError("limits: a list of texts")
    if not all(is_name(name) for name in content.get("companions", {}).values()):
        raise ValueError("companions: names of models")
    if not isinstance(content.get("default", False), bool):
        raise ValueError("default: true or false")
    _within("threshold", content["threshold"], (0.0, 1.0))
    _inputs(content.get("inputs", {}))
    for field in SHARES:
        if field in content.get("calibration", {}):
            _within(f"calibration.{field}", content["calibration"][field], (0.0, 1.0))


def _inputs(inputs: Mapping[str, Any]) -> None:
    for field, bounds in BOUNDS.items():
        values = inputs.get(field)
        for value in values if isinstance(values, list) else [] if values is None else [values]:
            _within(f"inputs.{field}", value, bounds)
    views = inputs.get("views", [])
    for view in views if isinstance(views, list) else ():
        if isinstance(view, dict) and "zoom" in view:
            _within("inputs.views.zoom", view["zoom"], BOUNDS["zoom"])
    if (window := inputs.get("window")) is not None:
        if not isinstance(window, list | tuple) or len(window) != 2:
            raise ValueError("inputs.window: two numbers")
        low, high = window
        for value in window:
            _within("inputs.window", value, (-LARGEST_HU, LARGEST_HU))
        if high - low < NARROWEST_HU:
            raise ValueError("inputs.window: its upper end has to lie above its lower one")


def _within(field: str, value: object, bounds: tuple[float, float]) -> None:
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{field}: a number from {low:g} to {high:g}")


def _walk(field: str, value: Any, *, bounded: bool, depth: int = 0) -> None:
    """Nothing is nested without end; where `bounded` every number is one, and not beyond what anything can mean.

    Figures that were measured may be none.
    """
    if depth > DEEPEST:
        raise ValueError(f"{field}: it is nested too deeply")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _walk(f"{field}.{name}" if depth == 0 else field, inner, bounded=bounded, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _walk(field, inner, bounded=bounded, depth=depth + 1)
    elif bounded and isinstance(value, float | int) and not abs(value) <= LARGEST:
        raise ValueError(f"{field}: a number beyond {LARGEST:g}, or none")
