"""Models that the fake worker pretends to run, and an engine that starts it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_inputs import write_study

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.models.catalogue import ModelCard

TESTS = Path(__file__).resolve().parents[1]


def install_cards() -> None:
    """A card of each task in the user's weights folder, and nothing of what ships."""
    folder = paths.user_data() / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    for name, task in (("test-ssd", Task.NODULES), ("test-estan", Task.BREAST)):
        card = ModelCard(name, "1", task, f"A test of {task.value}", "none", {}, {}, 0.5, "0" * 64, default=True)
        (folder / f"{name}.json").write_text(card.to_json())
        (folder / f"{name}.safetensors").write_bytes(b"")


@pytest.fixture(autouse=True)
def cards(_own_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    install_cards()
    monkeypatch.setattr(paths, "weights_folders", lambda: (paths.user_data() / "weights",))
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study")
