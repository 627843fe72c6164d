"""One of two images side by side is analysed alone, and what is beside it is not looked at."""

from __future__ import annotations

import numpy as np
import pytest
from test_breast_assess import Bright, card, scene
from test_breast_explain import Corner
from test_scope_gate import CARD, Nothing, image, ultrasound

from cadviewer.findings import Half
from cadviewer.models.breast import analysis as breast
from cadviewer.models.breast import explanation as breast_explain
from cadviewer.models.gate import bmode, input_gate

RED = np.array([220, 20, 20], np.uint8)


@pytest.mark.parametrize("gutter", [0, 4, 20])
@pytest.mark.parametrize("scale", [1, 3])
def test_the_column_that_parts_two_images(gutter: int, scale: int) -> None:
    first = image(3)
    both = np.hstack([first, np.zeros((first.shape[0], gutter), np.uint8), image(4) // 2])
    both = both.repeat(scale, axis=0).repeat(scale, axis=1)
    at = bmode.split_column(both)
    assert at is not None
    assert abs(at - scale * (first.shape[1] + gutter / 2)) <= 3 * scale + 0.01 * both.shape[1]
    assert bmode.split_column(first) is None


@pytest.mark.parametrize("half", list(Half))
def test_each_half_is_searched_alone(half: Half) -> None:
    """A lesion on either side; the other one is not in the mask."""
    part, truth = scene(120, 160)
    both = np.hstack([part, np.zeros((120, 12), np.uint8), part])
    with pytest.raises(input_gate.OutOfScope, match="choose one of them"):
        breast.assess(ultrasound(both), Nothing(), CARD)
    found = breast.assess(ultrasound(both), Bright(), card(size=128), half=half)
    (finding,) = found.findings
    assert finding.mask is not None
    assert finding.mask.shape == both.shape
    seen, other = finding.mask[:, :160], finding.mask[:, 172:]
    if half is Half.RIGHT:
        seen, other = other, seen
    assert 2 * (seen.astype(bool) & truth).sum() / (seen.astype(bool).sum() + truth.sum()) > 0.9
    assert not other.any()
    assert f"the {half} half of a split screen alone was analysed" in found.warnings


def test_the_regions_of_the_file_say_where_the_halves_are() -> None:
    regions = ((110, 10, 190, 150, 1), (5, 10, 95, 150, 1), (5, 10, 95, 151, 1))
    series = ultrasound(image(), ultrasound_regions=regions).series
    pixels = image()
    assert input_gate.half_region(series, pixels, Half.LEFT) == (5, 10, 95, 150)
    assert input_gate.half_region(series, pixels, Half.RIGHT) == (110, 10, 190, 150)


def test_gray_beside_colour_doppler_is_read_and_the_colour_is_not() -> None:
    part, _ = scene(120, 160)
    flow = np.repeat(part[..., None], 3, axis=2)
    flow[30:90, 40:120] = RED
    gap = np.zeros((120, 12, 3), np.uint8)
    both = np.concatenate([np.repeat(part[..., None], 3, axis=2), gap, flow], axis=1)
    assert breast.assess(ultrasound(both), Bright(), card(size=128), half=Half.LEFT).findings[0].mask is not None
    with pytest.raises(input_gate.OutOfScope, match="colour"):
        breast.assess(ultrasound(both), Nothing(), CARD, half=Half.RIGHT)
    named = ultrasound(both, ultrasound_regions=((0, 0, 160, 120, 1), (172, 0, 332, 120, 2)))
    assert breast.assess(named, Bright(), card(size=128), half=Half.LEFT).findings
    with pytest.raises(input_gate.OutOfScope, match="colour Doppler"):
        breast.assess(named, Nothing(), CARD, half=Half.RIGHT)


def test_what_the_score_of_a_half_depends_on_lies_in_that_half() -> None:
    part = image(3)
    both = np.hstack([part, np.zeros((part.shape[0], 12), np.uint8), part])
    named = CARD.__class__(**{**CARD.__dict__, "inputs": {"size": 96, "channels": 1}})
    found = breast_explain.explain(ultrasound(both), 0, Corner(), named, half=Half.RIGHT)
    assert not found.values[:, : part.shape[1]].any()
    assert np.abs(found.values[:, part.shape[1] + 12 :]).max() > 0.1
