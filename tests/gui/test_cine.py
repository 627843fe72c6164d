"""Loops play as fast as their files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_made import opened, write
from gui_desk import Desk

CLIP = np.random.default_rng(0).integers(0, 255, (3, 64, 64)).astype(np.uint8)


def clip(path: Path, **elements: Any) -> Path:
    return write(path, CLIP, sop_class="1.2.840.10008.5.1.4.1.1.3.1", modality="US", **elements)


@pytest.mark.parametrize(
    ("elements", "rate"),
    [
        ({"FrameTime": "40"}, 25),
        ({"FrameTime": "40", "CineRate": "30"}, 30),
        ({"CineRate": "30", "RecommendedDisplayFrameRate": "15"}, 15),
        ({"FrameTime": "0"}, None),
        ({}, None),
    ],
)
def test_the_rate_is_the_one_to_show_else_the_one_it_was_taken_at(
    tmp_path: Path, elements: dict[str, str], rate: float | None
) -> None:
    assert opened(clip(tmp_path / "a.dcm", **elements)).series.frame_rate == rate


def test_a_loop_plays_at_the_rate_of_its_file_and_others_at_the_readers(desk: Desk, tmp_path: Path) -> None:
    desk.open(clip(tmp_path / "fast.dcm", FrameTime="40", SeriesInstanceUID="1.2.3"))
    assert desk.viewport.cine_rate == 25
    desk.window.view_actions.pace_cine(0.5)
    assert desk.viewport.cine_rate == 12.5
    assert desk.window.preferences.now.cine_rate == 10  # this loop alone
    desk.open(clip(tmp_path / "other.dcm", SeriesInstanceUID="1.2.4"))
    assert desk.viewport.cine_rate == 10
