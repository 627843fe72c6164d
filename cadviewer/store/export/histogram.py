"""Histograms for a page: how often values fall into ranges, and where the bars of that lie. Drawn by a template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 320.0, 120.0
"""Of the bars, in units of the picture."""
MOST = 20
FEWEST = 6
"""Bars at most, and of counts at least: one bar as wide as the picture says nothing."""


@dataclass(frozen=True)
class Bar:
    """x, y, width, height: in the picture, y from its top. count: of values; words: the range that they lie in."""

    x: float
    y: float
    width: float
    height: float
    count: int
    words: str


@dataclass(frozen=True)
class Histogram:
    """bars: of all ranges, empty ones too. ticks: (x, label) below them. mark: x of a line through them (a threshold).

    most: the count of the highest bar. total: how many values there are.
    """

    title: str
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    most: int
    total: int
    mark: float | None = None


def counts(title: str, values: Sequence[int]) -> Histogram | None:
    """Of whole numbers from 0, one bar each and one for what is beyond; None without values."""
    if not values:
        return None
    last = min(max(*values, FEWEST - 1), MOST - 1)
    found = [0] * (last + 1)
    for value in values:
        found[min(value, last)] += 1
    words = [str(k) for k in range(last)] + [str(last) if max(values) <= last else f"{last} or more"]
    bars = _bars(found, words)
    every = math.ceil(len(bars) / 10)
    ticks = tuple((b.x + b.width / 2, str(k)) for k, b in enumerate(bars) if k % every == 0)
    return Histogram(title, bars, ticks, max(found), len(values))


def shares(title: str, values: Sequence[float], mark: float | None = None) -> Histogram | None:
    """Of probabilities and scores, 0…1 in twentieths; None without values."""
    if not values:
        return None
    found = [0] * MOST
    for value in values:
        found[min(int(value * MOST), MOST - 1)] += 1
    bars = _bars(found, [f"{k / MOST:.2f} to {(k + 1) / MOST:.2f}" for k in range(MOST)])
    ticks = tuple((WIDTH * k / 4, f"{k / 4:g}") for k in range(5))
    return Histogram(title, bars, ticks, max(found), len(values), None if mark is None else WIDTH * mark)


def spread(title: str, values: Sequence[float]) -> Histogram | None:
    """Of values from 0 on (seconds), in steps of a round number; None without values."""
    if not values:
        return None
    step = _round_step(max(values) / MOST)
    found = [0] * (int(max(values) / step) + 1)
    for value in values:
        found[int(value / step)] += 1
    bars = _bars(found, [f"{k * step:g} to {(k + 1) * step:g} s" for k in range(len(found))])
    every = math.ceil(len(found) / 5)
    ticks = tuple((WIDTH * k / len(found), f"{k * step:g}") for k in range(0, len(found) + 1, every))
    return Histogram(title, bars, ticks, max(found), len(values))


def _round_step(least: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is not less."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * k for k in (1, 2, 5, 10) if power * k >= least)


def _bars(found: Sequence[int], words: Sequence[str]) -> tuple[Bar, ...]:
    width, high = WIDTH / len(found), HEIGHT / max(found)
    return tuple(
        Bar(round(width * k, 2), round(HEIGHT - high * n, 2), round(width, 2), round(high * n, 2), n, word)
        for k, (n, word) in enumerate(zip(found, words, strict=True))
    )
