"""Figures with 95 % intervals: bootstrap over patients, since images of one patient are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Figure = tuple[float, float, float]
"""A value with the low and high end of its 95 % interval."""


def bootstrap(
    figure: Callable[[NDArray[np.intp]], float], patients: Sequence[Any], *, rounds: int = 1000, seed: int = 0
) -> Figure:
    """`figure` of all rows, with the 2.5th and 97.5th percentile of its values over resampled patients.

    figure: takes row indices (with repeats) and gives a number; NaN rounds (one class missing) are left out.
    patients: the patient of each row; whole patients are drawn with replacement.
    """
    names = np.asarray(patients)
    _, groups = np.unique(names, return_inverse=True)
    rows = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    generator = np.random.default_rng(seed)
    values = [
        figure(np.concatenate([rows[i] for i in generator.integers(0, len(rows), len(rows))])) for _ in range(rounds)
    ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return figure(np.arange(len(names))), float(low), float(high)


def text(figure: Figure, digits: int = 3) -> str:
    """A figure as it is printed: value [low–high]."""
    value, low, high = figure
    return f"{value:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"
