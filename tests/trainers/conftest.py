"""Made data for the tests of the trainers."""

from __future__ import annotations

from pathlib import Path

import pytest
from luna16_made import write_luna


@pytest.fixture
def luna(tmp_path: Path) -> Path:
    """Three made scans of LUNA16 with their annotations."""
    return write_luna(tmp_path / "luna")
