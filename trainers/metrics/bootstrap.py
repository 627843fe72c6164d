"""Figures with 95 % intervals: bootstrap over patients, since images of one patient are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Figure = tuple[float, float, float]
"""A value with the low and high end of its 95 % interval."""


def bootstrap(
    figure: Callable[[NDArray[np.intp]], float], patients: Sequence[Any], *, rounds: int = 1000, seed: int = 0
) -> Figure:
    """`figure` of all rows, with the 2.5th and 97.5th percentile of its values over resampled patients.

    figure: takes row indices (with repeats) and gives a number; NaN rounds (one class missing) are left out.
    patients: the patient of each row; whole patients are drawn with replacement.
    """
    return bootstrap_many(lambda chosen: [figure(chosen)], patients, rounds=rounds, seed=seed)[0]


def bootstrap_many(
    figures: Callable[[NDArray[np.intp]], ArrayLike], patients: Sequence[Any], *, rounds: int = 1000, seed: int = 0
) -> list[Figure]:
    """`bootstrap` of several figures that are computed together, e.g. the points of a curve.

    figures: takes row indices (with repeats) and gives as many numbers each time. A figure that is NaN in every round
    has a NaN interval.
    """
    names = np.asarray(patients)
    _, groups = np.unique(names, return_inverse=True)
    rows = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    generator = np.random.default_rng(seed)
    values = np.array(
        [
            figures(np.concatenate([rows[i] for i in generator.integers(0, len(rows), len(rows))]))
            for _ in range(rounds)
        ],
        float,
    )
    whole = np.asarray(figures(np.arange(len(names))), float)
    ends = [np.nanpercentile(v, [2.5, 97.5]) if np.isfinite(v).any() else (np.nan, np.nan) for v in values.T]
    return [(float(v), float(low), float(high)) for v, (low, high) in zip(whole, ends, strict=True)]


def text(figure: Figure, digits: int = 3) -> str:
    """A figure as it is printed: value [low–high]."""
    value, low, high = figure
    return f"{value:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"
