"""`cadviewer-train settings`: what can be set for a run, for people and for the window's form. No torch."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

from trainers import config, options, tasks
from trainers.options import Option


def settings(task: str) -> dict[str, Any]:
    """{"settings": [{"key", "label", "meaning", "kind", "default", "low", "high", "range", "choices", "main"}],
    "presets": [{"name", "meaning", "smallest", "values"}]}.

    kind: "int", "float", "bool", "text", or "list" (texts or numbers with commas between); a value that may be left out
    is "" or None. values: of a preset, where they are not the defaults.
    """
    spec = tasks.specs()[task]
    kind, presets, known = (tasks.resolve(name) for name in (spec.settings, spec.presets, spec.options))
    fields, hints, usual = dataclasses.fields(kind), config.types_of(kind), kind()
    told = [_told(f.name, hints[f.name], getattr(usual, f.name), known.get(f.name, Option(f.name, ""))) for f in fields]
    named = {"default": {}, **presets}
    return {
        "settings": sorted(told, key=lambda one: not one["main"]),
        "presets": [
            {
                "name": name,
                "meaning": options.PRESETS.get(name, ""),
                "smallest": name == options.SMALLEST,
                "values": {k: _plain(v) for k, v in (preset({}) if callable(preset) else preset).items()},
            }
            for name, preset in named.items()
        ],
    }


def text(task: str) -> str:
    """The same for people, one setting per line."""
    answer = settings(task)
    lines = []
    for one in answer["settings"]:
        allowed = ", ".join(choice or '""' for choice in one["choices"]) or one["range"]
        default = ",".join(map(str, one["default"])) if isinstance(one["default"], list) else one["default"]
        lines.append(f"{one['key']}={'' if default is None else default}")
        lines.append(f"    {one['meaning']}" + (f" ({allowed})" if allowed else ""))
    presets = [f"preset={p['name']}: {p['meaning']}" for p in answer["presets"]]
    return "\n".join([*lines, "", *presets])


def _told(key: str, hint: Any, default: Any, option: Option) -> dict[str, Any]:
    return {
        "key": key,
        "label": option.label,
        "meaning": option.meaning,
        "kind": _kind(hint),
        "default": _plain(default) if key != "name" else "",  # the name of a run is made of its other settings
        "low": option.low,
        "high": option.high,
        "range": option.range,
        "choices": list(option.choices),
        "main": option.main,
    }


def _kind(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return "list"
    if origin in (typing.Union, types.UnionType):
        return _kind(next(a for a in arguments if a is not type(None)))
    return {int: "int", float: "float", bool: "bool"}.get(hint, "text")


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value
