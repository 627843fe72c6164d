"""What a score depends on: covering parts of an image, with networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Task
from cadviewer.imaging.series import Volume
from cadviewer.models import catalogue
from cadviewer.models.breast import explanation as breast_explain
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate import input_gate
from cadviewer.models.nets.runtime import TorchForward, build
from cadviewer.phantoms.phantom import breast_ultrasound
from trainers.breast.evaluation import volume_of
from trainers.data.ultrasound.cases import UltrasoundCase

CARD = ModelCard("fake", "1", Task.BREAST, "", "", {}, {"size": 96, "channels": 1}, 0.5, "")


class Corner:
    """A network that looks at one quarter of its input alone: bright there speaks for malignancy (sign 1)."""

    batch_size = 4

    def __init__(self, sign: float = 1.0) -> None:
        self.sign = sign

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        seen = np.abs(batch[:, 0, :48, 48:]).mean(axis=(1, 2))
        return np.zeros_like(batch), (self.sign * 5 * seen).astype(np.float32)


def volume(seed: int = 3, **pixels: NDArray[np.uint8]) -> Volume:
    image = pixels.get("pixels", breast_ultrasound(seed)[0])
    return volume_of(UltrasoundCase("made", __import__("pathlib").Path("a.png"), (), None, "made"), image)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_map_is_strong_where_the_network_looks_and_nowhere_else(sign: float) -> None:
    case = volume(pixels=breast_ultrasound(3)[0][:200, :200])
    steps: list[tuple[int, int]] = []
    found = breast_explain.explain(case, 0, Corner(sign), CARD, progress=lambda a, b: steps.append((a, b)))
    rows, columns = case.pixels.shape[1:3]
    assert found.values.shape == (rows, columns)
    inside = found.values[: rows // 3, 2 * columns // 3 :]
    outside = found.values[2 * rows // 3 :, : columns // 3]
    assert np.abs(outside).max() < 1e-4
    assert (np.sign(inside[np.abs(inside) > 1e-3]) == sign).all()
    assert found.strongest == pytest.approx(float(np.abs(inside).max()), rel=0.5)
    assert steps[0][0] == 0
    assert steps[-1][0] == steps[-1][1]
    assert len(steps) > 10


def test_it_can_be_cancelled_between_two_patches() -> None:
    def cancel(done: int, total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breast_explain.explain(volume(), 0, Corner(), CARD, progress=cancel)


def test_an_image_without_a_score_has_no_map() -> None:
    with pytest.raises(input_gate.OutOfScope, match="blank"):
        breast_explain.explain(volume(pixels=np.full((120, 120), 7, np.uint8)), 0, Corner(), CARD)
    with pytest.raises(ValueError, match="no frame 4"):
        breast_explain.explain(volume(), 4, Corner(), CARD)


def test_a_pixel_has_the_mean_of_the_patches_that_cover_it() -> None:
    image = np.ones((1, 2, 5, 5), np.float32)
    weight = np.zeros((5, 5), np.float32)
    weight[2, 2], weight[4, 4] = 1.0, 3.0

    def score(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        assert len(batch) <= 3
        return np.asarray((batch.mean(axis=1) * weight).sum(axis=(1, 2)), np.float32)

    found = breast_explain.occlusion(score, image, patch=3, step=2, at_a_time=3)
    expected = [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1.75, 2.5, 2.5], [1, 1, 2.5, 4, 4], [1, 1, 2.5, 4, 4]]
    assert found == pytest.approx(np.array(expected))


def test_the_shipped_model_depends_on_the_lesion_of_a_phantom_more_than_on_the_rest() -> None:
    card = catalogue.default(Task.BREAST)
    image, mask, _ = breast_ultrasound(2, malignant=True)
    found = breast_explain.explain(volume(pixels=image), 0, TorchForward(build(card), "cpu"), card)
    strength = np.abs(found.values)
    assert found.strongest > 0.05
    assert strength[mask > 0].mean() > 1.5 * strength[mask == 0].mean()
