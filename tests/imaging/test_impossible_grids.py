"""Headers that describe no grid in space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, State


@pytest.mark.parametrize(
    "line", ["ElementSpacing = 0 1 1", "ElementSpacing = nan 1 1", "TransformMatrix = 1 0 0 1 0 0 0 0 1"]
)
def test_a_spacing_of_zero_and_a_singular_direction_are_failures_with_a_reason(line: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.mhd"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), str(path))
    key = line.split()[0]
    path.write_text("".join(f"{line}\n" if t.startswith(key) else f"{t}\n" for t in path.read_text().splitlines()))
    (found,) = files.scan([path])
    assert isinstance(found, Rejected)
    assert found.state is State.FAILED
    assert found.reason
