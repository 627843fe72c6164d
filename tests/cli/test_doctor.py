"""`cadviewer doctor`: what it prints, what it finds wrong, and what it must not say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cadviewer import batch, paths
from cadviewer.cli import doctor, main
from cadviewer.cli.arguments import DONE, TROUBLED, DoctorArgs
from cadviewer.store.case_report import CaseState


def test_where_all_is_well_the_demo_is_found_and_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == DONE
    said = capsys.readouterr().out
    assert "PROBLEM" not in said
    assert "nodules found: 4 of 4" in said
    assert "breast lesions outlined: 4 of 4" in said
    assert "OpenVINO: " in said
    assert "computed by: " in said
    assert said.endswith("Nothing is wrong.\n")


def test_the_name_of_the_user_is_not_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "Erika Mustermann"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CADVIEWER_HOME", str(home / "viewer"))
    assert doctor.run(DoctorArgs(self_test=False)) == DONE
    said = capsys.readouterr().out
    assert "Mustermann" not in said
    assert f"data: {Path('~/viewer/data')}" in said


def test_a_folder_that_cannot_be_written_to_is_a_problem(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "viewer").write_text("a file where a folder should be")
    monkeypatch.setenv("CADVIEWER_HOME", str(tmp_path / "viewer"))
    assert doctor.run(DoctorArgs(self_test=False)) == TROUBLED
    said = capsys.readouterr().out
    assert "data: PROBLEM:" in said
    assert "problem(s), see above." in said


def test_weights_that_are_damaged_are_a_problem(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in paths.shipped_weights().glob("nodules-ssd-mobilenet_v2.*"):
        shutil.copyfile(file, folder / file.name)
    (folder / "nodules-ssd-mobilenet_v2.safetensors").write_bytes(b"cut off")
    monkeypatch.setattr(paths, "weights_folders", lambda: (folder,))
    assert doctor.run(DoctorArgs(self_test=False)) == TROUBLED
    assert "PROBLEM" in capsys.readouterr().out


def test_a_self_test_that_finds_nothing_is_a_problem(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(inputs: object, out: Path, *rest: object) -> batch.Summary:
        out.mkdir()
        return batch.Summary({CaseState.DONE: 5})

    monkeypatch.setattr(batch, "run", blind)
    assert doctor.run(DoctorArgs()) == TROUBLED
    said = capsys.readouterr().out
    assert "nodules found: PROBLEM: 0 of 4" in said
    assert "computed by: PROBLEM: nothing" in said


def test_whatever_the_self_test_raises_is_what_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> batch.Summary:
        raise RuntimeError("no worker")

    monkeypatch.setattr(batch, "run", broken)
    assert doctor.run(DoctorArgs()) == TROUBLED
    assert "PROBLEM: RuntimeError: no worker" in capsys.readouterr().out


def test_a_window_that_cannot_be_shown_is_a_problem_with_the_reason_of_qt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.run(DoctorArgs(self_test=False)) == DONE
    said = capsys.readouterr().out
    assert "Qt: 6." in said
    assert "platform offscreen" in said
    assert "fonts installed: " in said
    monkeypatch.setenv("QT_QPA_PLATFORM", "nosuch")
    assert doctor.run(DoctorArgs(self_test=False)) == TROUBLED
    assert "window: PROBLEM: it cannot be shown: Available platform plugins are" in capsys.readouterr().out
