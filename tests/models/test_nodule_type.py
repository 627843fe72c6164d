"""Type of a nodule: features of hand-made slices, decisions, and what the shipped card says of plain cases."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer import paths
from cadviewer.models import catalogue
from cadviewer.models.nodules.nodule_type import FEATURES, KINDS, chances, decide, features, kind

LUNG = 0.1


def scene(shell: float, core: float, radius: float = 8.0, core_radius: float = 0.0) -> NDArray[np.float32]:
    """(80, 80) prepared slice: lung with a disc at (40, 40) that has a core of another value."""
    y, x = np.mgrid[:80, :80] + 0.5
    apart = np.hypot(x - 40, y - 40)
    image = LUNG + (shell - LUNG) * np.clip(radius - apart + 0.5, 0, 1)
    image += (core - shell) * np.clip(core_radius - apart + 0.5, 0, 1) if core_radius else 0
    noise = np.random.default_rng(0).normal(0, 0.01, image.shape)
    return np.asarray(np.clip(image + noise, 0.001, 1), np.float32)


def circle(radius: float) -> NDArray[np.float32]:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.asarray(40 + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), np.float32)


SOLID = scene(0.74, 0.74)
NON_SOLID = scene(0.3, 0.3)
PART_SOLID = scene(0.32, 0.74, core_radius=4.0)


def described(image: NDArray[np.float32], radius: float = 8.0, pixel_mm: float = 1.0) -> dict[str, float]:
    values = features(image, circle(radius), pixel_mm)
    assert values is not None
    return dict(zip(FEATURES, values.tolist(), strict=True))


def test_features_say_how_dense_and_how_mixed_a_nodule_is() -> None:
    solid, non_solid, part_solid = (described(i) for i in (SOLID, NON_SOLID, PART_SOLID))
    assert solid["median"] == pytest.approx(0.74, abs=0.01)
    assert solid["solid share"] > 0.9
    assert non_solid["solid share"] == 0
    assert non_solid["90th percentile"] == pytest.approx(0.31, abs=0.02)
    assert part_solid["solid share"] == pytest.approx(0.25, abs=0.06)
    assert part_solid["core"] == pytest.approx(0.74, abs=0.03)
    assert part_solid["mixture"] > max(solid["mixture"], non_solid["mixture"])
    assert solid["contrast"] == pytest.approx(0.62, abs=0.04)
    assert np.exp(solid["log diameter"]) == pytest.approx(16, rel=0.03)
    assert np.exp(described(SOLID, pixel_mm=0.5)["log diameter"]) == pytest.approx(8, rel=0.03)


def test_what_is_outside_the_lung_mask_does_not_count() -> None:
    cut = SOLID.copy()
    cut[:, 43:] = 0
    assert described(cut)["solid share"] > 0.85
    assert described(cut)["10th percentile"] > 0.3


def test_an_outline_without_a_pixel_has_no_features() -> None:
    assert features(np.zeros((80, 80), np.float32), circle(8.0), 1.0) is None
    assert features(SOLID, circle(8.0) + 500, 1.0) is None
    assert features(SOLID, circle(0.3), 1.0) is None


def test_a_nodule_at_the_border_of_the_slice_is_described_by_what_is_there() -> None:
    values = features(SOLID[:44, :], circle(8.0), 1.0)
    assert values is not None
    assert np.isfinite(values).all()


def test_a_rare_kind_is_named_only_when_it_is_probable_enough() -> None:
    even = np.array([[0.98, 0.01, 0.01], [0.3, 0.6, 0.1], [0.02, 0.95, 0.03], [0.05, 0.05, 0.9]])
    common = np.array([0.88, 0.04, 0.08])
    found, probability = decide(even, common, 0.25)
    assert found.tolist() == [0, -1, 1, 2]
    assert probability[2] == pytest.approx(0.95 * 0.04 / (0.02 * 0.88 + 0.95 * 0.04 + 0.03 * 0.08))
    assert decide(even, common, 0.0)[0].tolist() == [0, 1, 1, 2]


def test_the_model_is_a_softmax_of_scaled_features_kept_within_four_deviations() -> None:
    model = {
        "kinds": list(KINDS), "mean": [0.5], "scale": [0.1], "coefficients": [[0, 1.0], [0, 0.0], [0, -1.0]],
        "common": [1 / 3] * 3, "least": 0.5,
    }  # fmt: skip
    np.testing.assert_allclose(chances(np.array([0.5]), model), [1 / 3] * 3)
    np.testing.assert_allclose(chances(np.array([9.0]), model), chances(np.array([0.9]), model))
    assert kind(np.array([0.9]), model) == "solid"
    assert kind(np.array([0.1]), model) == "non-solid"
    assert kind(np.array([0.5]), model) is None


def test_the_shipped_model_knows_plain_cases() -> None:
    model = catalogue.load(paths.resources() / "weights" / "nodules-outline.json").calibration["type"]
    assert model["features"] == list(FEATURES)
    solid, non_solid = (features(i, circle(8.0), 1.0) for i in (SOLID, NON_SOLID))
    assert solid is not None
    assert non_solid is not None
    assert kind(solid, model) == "solid"
    assert kind(non_solid, model) == "non-solid"
    part_solid = features(PART_SOLID, circle(8.0), 1.0)
    assert part_solid is not None
    assert KINDS[int(chances(part_solid, model).argmax())] == "part-solid"
    assert kind(part_solid, model) in ("part-solid", None)
