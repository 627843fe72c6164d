"""Frozen dataclasses from and to plain JSON values, by their annotations; arrays go beside it."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np

from cadviewer import messages
from cadviewer.messages import Message

ARRAY = "array"
"""Key of what stands for an array: {"array": its place in the list of arrays}."""


T = TypeVar("T")


def plain(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """JSON values of a dataclass and all within it; arrays are put into the list, and mappings become pairs."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {ARRAY: len(arrays) - 1}
    if isinstance(value, Message):
        return messages.to_json(value)
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name), arrays) for f in fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return [[plain(k, arrays), plain(v, arrays)] for k, v in value.items()]
    if isinstance(value, tuple | list):
        return [plain(v, arrays) for v in value]
    return value


def build(kind: type[T], content: Mapping[str, Any], arrays: Sequence[np.ndarray[Any, Any]] = ()) -> T:
    """A dataclass from its plain values: enums, nested dataclasses, tuples, mappings and arrays by their annotations.

    Raises ValueError for unknown fields, and TypeError, KeyError, IndexError or AttributeError for other wrong content.
    """
    hints = typing.get_type_hints(kind)
    unknown = set(content) - {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    return kind(**{name: _value(hints[name], value, arrays) for name, value in content.items()})


def _value(hint: Any, value: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    options: Sequence[Any] = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    hint = next(o for o in options if o is not type(None))
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return tuple(_value(inner[0] if inner[-1] is Ellipsis else inner[i], v, arrays) for i, v in enumerate(value))
    if origin is np.ndarray:
        return arrays[value[ARRAY]]
    if origin is not None and issubclass(origin, Mapping):
        return {_value(inner[0], k, arrays): _value(inner[1], v, arrays) for k, v in value}
    if is_dataclass(hint):
        return build(typing.cast(type, hint), value, arrays)
    if hint is float:
        return float(value)
    if hint is str and isinstance(value, Mapping):
        return messages.from_json(value)
    return hint(value) if isinstance(hint, type) and issubclass(hint, StrEnum) else value
