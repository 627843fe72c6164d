"""Bootstrap over patients."""

from __future__ import annotations

import numpy as np

from trainers.metrics import bootstrap


def test_images_of_one_patient_are_drawn_together() -> None:
    patients = ["a"] * 50 + ["b"] * 50
    hits = np.array([1.0] * 50 + [0.0] * 50)
    value, low, high = bootstrap.bootstrap(lambda rows: float(hits[rows].mean()), patients)
    assert (value, low, high) == (0.5, 0.0, 1.0)


def test_the_interval_narrows_with_more_patients() -> None:
    hits = np.tile([0.0, 1.0], 200)
    _, low, high = bootstrap.bootstrap(lambda rows: float(hits[rows].mean()), range(400))
    assert 0.44 < low < 0.47 < 0.53 < high < 0.56
