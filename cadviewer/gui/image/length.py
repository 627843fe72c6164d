"""A length that the reader drew. No Qt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Length:
    """A length on one slice, both ends in edge coordinates."""

    key: str
    slice: int
    x0: float
    y0: float
    x1: float
    y1: float
