"""`cadviewer-train inspect`: what the trainer's dialog shows of a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.__main__ import main


def test_both_given_sets_are_described_for_programs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "nodules", "--data", str(data), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["layout"] == "LUNA16 slices"
    assert answer["labels"] == {"nodule": 1058}
    assert answer["patients"] > 400
    assert sum(answer["split"].values()) == answer["images"]
    assert main(["inspect", "breast", "--data", str(data), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["layout"], answer["images"], answer["patients"]) == ("BUS-BRA", 1875, 1064)
    assert answer["labels"] == {"benign": 1268, "malignant": 607}
    assert set(answer["split"]) == {"train", "tune", "test"}


def test_for_people_there_is_a_line_per_fact(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "nodules", "--data", str(data)]) == 0
    assert "1058 nodule" in capsys.readouterr().out


@pytest.mark.parametrize("task", ["nodules", "breast"])
def test_a_folder_that_cannot_be_trained_on_says_why_on_one_line(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", task, "--data", str(tmp_path), "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["inspect", "settings"])
@pytest.mark.parametrize("task", ["nodules", "outline", "breast"])
def test_asking_imports_no_torch(tmp_path: Path, command: str, task: str) -> None:
    words = [command, task, *(["--data", str(tmp_path)] if command == "inspect" else [])]
    code = (
        f"import sys; from trainers.__main__ import main; main({words!r}); "
        "sys.exit(bool({'torch', 'lightning'} & set(sys.modules)))"
    )
    root = str(Path(__file__).resolve().parents[2])
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False).returncode == 0
