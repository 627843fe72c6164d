"""Settings of a run: defaults, then a preset, then a TOML file, then `--set key=value`; the merged result is saved."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cadviewer import atomic
from trainers.options import Option

S = TypeVar("S")


class ConfigError(Exception):
    """A setting that does not exist or does not have the right type; the message names it."""


Preset = Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Values, or a function that gives them for what was set by hand (a preset that differs from backbone to backbone)."""


def merge(
    kind: type[S],
    presets: Mapping[str, Preset],
    *,
    file: Path | None = None,
    assignments: Sequence[str] = (),
) -> S:
    """Settings of the frozen dataclass `kind`.

    kind: its ranges and choices are those of its `OPTIONS`, where it has some (see `trainers.options`).
    presets: named sets of values, chosen by the key `preset` (in the file or an assignment).
    file: a TOML table of keys. assignments: `key=value` texts, the last word.
    Raises ConfigError for an unknown key or preset, or a value of the wrong type or out of its range.
    """
    from_file = _read(file) if file else {}
    from_line = dict(_split(a) for a in assignments)
    chosen = str(from_line.pop("preset", from_file.pop("preset", "default")))
    if chosen != "default" and chosen not in presets:
        raise ConfigError(f"no preset is called {chosen!r}; there are: default, {', '.join(presets)}")
    hints = types_of(kind)
    known: Mapping[str, Option] = getattr(kind, "OPTIONS", {})
    values: dict[str, Any] = {}
    preset = presets.get(chosen, {})
    if callable(preset):
        preset = preset({**from_file, **from_line})
    for source in (preset, from_file, from_line):
        for key, value in source.items():
            if key not in hints:
                raise ConfigError(f"no setting is called {key!r}; there are: {', '.join(sorted(hints))}")
            values[key] = _coerce(key, value, hints[key])
            given = values[key] if isinstance(values[key], tuple) else (values[key],)
            for problem in (known[key].problem(one) for one in given if key in known):
                if problem:
                    raise ConfigError(f"{key}: {problem}")
    return kind(**values)


def types_of(kind: type[Any]) -> dict[str, Any]:
    """Name → type of the settings of a dataclass."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def save(settings: Any, path: Path) -> None:
    """Write the merged settings as JSON, so that a run says what it was."""
    atomic.write_text(path, json.dumps(dataclasses.asdict(settings), indent=2, default=str) + "\n")


def described(settings: Any) -> dict[str, Any]:
    """The settings as a card tells them: of a path only the run and the file, as folders hold the names of people."""

    def told(value: Any) -> Any:
        if isinstance(value, Path):
            return "/".join(value.parts[-2:])
        return [told(v) for v in value] if isinstance(value, tuple | list) else value

    return {key: told(value) for key, value in dataclasses.asdict(settings).items()}


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: not a readable TOML file ({error})") from error


def _split(assignment: str) -> tuple[str, str]:
    key, sign, value = assignment.partition("=")
    if not sign:
        raise ConfigError(f"--set takes key=value, not {assignment!r}")
    return key.strip(), value.strip()


def _coerce(key: str, value: Any, hint: Any) -> Any:
    """A value from TOML or from a text as the type that the dataclass names."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    try:
        if origin in (typing.Union, types.UnionType):
            if value is None or value in ("", "none"):
                return None
            return _coerce(key, value, next(a for a in arguments if a is not type(None)))
        if origin is tuple:
            items = [i for i in value.split(",") if i.strip()] if isinstance(value, str) else list(value)
            return tuple(_coerce(key, i, arguments[0]) for i in items)
        if hint is bool:
            if str(value).lower() in ("true", "1", "yes", "on"):
                return True
            if str(value).lower() in ("false", "0", "no", "off"):
                return False
            raise ValueError("not a truth value")
        if hint in (int, float, str):
            return hint(value)
        if hint is Path:
            return Path(value)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{key}: {value!r} is not {getattr(hint, '__name__', hint)} ({error})") from error
    raise ConfigError(f"{key}: settings of type {hint} cannot be set")
