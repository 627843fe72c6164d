"""A results folder can be gone on with at any moment, and holds nobody else's files to ransom."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from store_cases import breast_case, ct, nodule_case, refused_case, volume

from cadviewer.imaging.series import Volume
from cadviewer.messages import Message
from cadviewer.store import export, results
from cadviewer.store.case_report import CaseReport, CaseState
from cadviewer.store.export import ExportError, Format
from cadviewer.store.results import Existing, ResultsError

OPTIONS: Mapping[str, Any] = {"--threshold": None, "inputs": "ab", "model": "ssd 1"}
ALL = ("csv", "json", "png")


def fill(folder: Path, existing: Existing = Existing.KEEP_OUT, formats: tuple[str, ...] = ALL) -> None:
    with results.opened(folder, OPTIONS, formats, existing) as opened:
        for case in (nodule_case(), breast_case(), refused_case()):
            pixels = volume(case.series) if case.series else None
            opened.add(case, pixels, "f1")
        opened.write_tables()


def listing(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_every_file_is_named_by_the_cases_hash_and_none_by_a_path(tmp_path: Path) -> None:
    fill(tmp_path)
    nodules, breast, bad = nodule_case().case, breast_case().case, refused_case().case
    assert listing(tmp_path) == sorted(
        [
            ".cadviewer/journal.jsonl",
            ".cadviewer/journal.jsonl.lock",
            ".cadviewer/lock",
            *(f"{t}.csv" for t in ("nodules", "breast", "cases", "errors")),
            *(f"json/{c}.json" for c in (nodules, breast, bad)),
            f"masks/{breast}.png",
            *(f"pictures/{c}.png" for c in (f"{nodules}-0001", f"{nodules}-0002", breast)),
        ]
    )


def test_a_mask_is_a_png_of_the_sources_size_with_0_and_255(tmp_path: Path) -> None:
    fill(tmp_path)
    mask = cv2.imread(str(tmp_path / "masks" / f"{breast_case().case}.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (30, 60)
    assert set(np.unique(mask)) == {0, 255}


def test_results_are_kept_out_of_unless_told_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path)
    before = {p: (tmp_path / p).read_bytes() for p in listing(tmp_path)}
    with pytest.raises(ResultsError, match="go on with them or to replace them"):
        fill(tmp_path)
    assert {p: (tmp_path / p).read_bytes() for p in listing(tmp_path)} == before


def test_only_finished_cases_with_unchanged_files_need_not_be_done_again(tmp_path: Path) -> None:
    fill(tmp_path)
    with results.opened(tmp_path, OPTIONS, ALL, Existing.RESUME) as opened:
        assert opened.has(nodule_case().case, "f1")
        assert not opened.has(nodule_case().case, "f2")
        assert not opened.has(refused_case().case, "f1")  # it failed: worth another try
        assert not opened.has("0" * 16, "f1")


def test_tables_put_together_after_a_resume_are_the_same_bytes(tmp_path: Path) -> None:
    fill(tmp_path)
    before = {t: (tmp_path / t).read_bytes() for t in ("nodules.csv", "breast.csv", "cases.csv", "errors.csv")}
    for table in before:
        (tmp_path / table).unlink()
    with results.opened(tmp_path, OPTIONS, ALL, Existing.RESUME) as opened:
        opened.write_tables()
    assert {t: (tmp_path / t).read_bytes() for t in before} == before


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("--threshold", 0.5, "with threshold unset, not 0.5"),
        ("model", "ssd 2", "model ssd 1, not ssd 2"),
        ("inputs", "cd", "other inputs"),
    ],
)
def test_a_run_goes_on_only_with_the_options_that_it_began_with(
    tmp_path: Path, name: str, value: object, said: str
) -> None:
    fill(tmp_path)
    with (
        pytest.raises(ResultsError, match=said),
        results.opened(tmp_path, {**OPTIONS, name: value}, ALL, Existing.RESUME),
    ):
        pass


def test_resuming_in_an_empty_folder_begins(tmp_path: Path) -> None:
    fill(tmp_path / "new", Existing.RESUME)
    assert (tmp_path / "new" / "cases.csv").exists()


def test_resuming_without_the_state_of_the_earlier_run_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / ".cadviewer" / "journal.jsonl").unlink()
    with pytest.raises(ResultsError, match="no state"):
        fill(tmp_path, Existing.RESUME)


def test_a_damaged_state_costs_only_the_cases_whose_lines_are_damaged(tmp_path: Path) -> None:
    fill(tmp_path)
    journal = tmp_path / ".cadviewer" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + lines[1] + lines[2][:40] + b"?" + lines[2][41:] + lines[3])
    with results.opened(tmp_path, OPTIONS, ALL, Existing.RESUME) as opened:
        assert opened.has(nodule_case().case, "f1")
        assert not opened.has(breast_case().case, "f1")


def test_overwriting_removes_what_the_program_wrote_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path)
    mine = [tmp_path / "notes.txt", tmp_path / "json" / "mine.json", tmp_path / "masks" / "a.png"]
    for path in mine:
        path.write_text("mine")
    with results.opened(tmp_path, {"other": 1}, ("csv",), Existing.OVERWRITE) as opened:
        opened.write_tables()
    assert all(p.read_text() == "mine" for p in mine)
    assert [p for p in listing(tmp_path) if p.startswith(("json", "masks", "pictures"))] == [
        "json/mine.json",
        "masks/a.png",
    ]
    assert (tmp_path / "nodules.csv").read_bytes().count(b"\n") == 1


def test_overwriting_removes_the_files_of_every_format_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(report: CaseReport, volume: Volume | None, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / f"{report.case}.txt").write_text("counted")

    toy = types.ModuleType("toy_format")
    toy.FORMAT = Format("a toy", folder="counts", write_case=write)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_format", toy)
    monkeypatch.setitem(export.FORMATS, "toy", "toy_format")  # type: ignore[arg-type]
    fill(tmp_path, formats=("csv", "toy"))
    (own,) = (tmp_path / "counts").glob(f"{nodule_case().case}*")
    assert results.is_own(own, tmp_path)
    with results.opened(tmp_path, OPTIONS, ("csv",), Existing.OVERWRITE):
        pass
    assert not (tmp_path / "counts").exists()


def test_a_table_that_somebody_else_made_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("case,patient\n1,x\n")
    with pytest.raises(ResultsError, match=r"cases\.csv .* not made by this program"):
        fill(tmp_path, Existing.OVERWRITE)
    assert (tmp_path / "cases.csv").read_text() == "case,patient\n1,x\n"


def test_two_runs_cannot_write_into_one_folder_at_once(tmp_path: Path) -> None:
    with (
        results.opened(tmp_path, OPTIONS, ALL, Existing.KEEP_OUT),
        pytest.raises(ResultsError, match="another run"),
        results.opened(tmp_path, OPTIONS, ALL, Existing.RESUME),
    ):
        pass


def test_a_case_is_not_finished_when_one_of_its_files_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with results.opened(tmp_path, OPTIONS, ALL, Existing.KEEP_OUT) as opened:

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                opened.add(nodule_case(), volume(ct()), "f1")
        assert not opened.has(nodule_case().case, "f1")
        assert listing(tmp_path / "json") == []


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    fill(tmp_path)
    left = tmp_path / "json" / ".0123456789abcdef.json.0a0b0c0d.cadviewer-tmp"
    left.write_text("half")
    with results.opened(tmp_path, OPTIONS, ALL, Existing.RESUME):
        assert not left.exists()


def test_a_folder_that_cannot_be_made_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot be used"):
        fill(tmp_path / "file" / "out")


def test_only_this_programs_files_are_taken_for_output(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "masks" / "patient.png").write_text("")
    own = [p for p in listing(tmp_path) if results.is_own(tmp_path / p, tmp_path)]
    assert own == [p for p in listing(tmp_path) if p != "masks/patient.png"]
    assert not results.is_own(Path("/elsewhere/nodules.csv"), tmp_path)


def test_files_of_a_case_that_is_no_longer_there_go_with_its_rows(tmp_path: Path) -> None:
    fill(tmp_path)
    with results.opened(tmp_path, OPTIONS, ALL, Existing.RESUME) as opened:
        opened.write_tables({nodule_case().case})
    left = [p for p in listing(tmp_path) if p.startswith(("json", "masks", "pictures"))]
    case = nodule_case().case
    assert left == [f"json/{case}.json", f"pictures/{case}-0001.png", f"pictures/{case}-0002.png"]
    assert (tmp_path / "breast.csv").read_bytes().count(b"\n") == 1


def test_a_case_done_again_leaves_nothing_of_what_it_was(tmp_path: Path) -> None:
    fill(tmp_path)
    case = breast_case()
    with results.opened(tmp_path, OPTIONS, ALL, Existing.RESUME) as opened:
        opened.add(replace(case, state=CaseState.FAILED, reason="damaged now", result=None), None, "f2")
    left = [p for p in listing(tmp_path) if case.case in p]
    assert left == [f"json/{case.case}.json"]


def test_a_fingerprint_changes_with_a_files_size_or_time(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    os.utime(file, ns=(1, 1))
    before = results.fingerprint([file])
    assert results.fingerprint([file]) == before
    os.utime(file, ns=(1, 2))
    assert results.fingerprint([file]) != before
    assert results.fingerprint([tmp_path / "gone"]) == "?"
    assert issubclass(ExportError, Exception)


def test_a_format_that_cannot_hold_a_case_does_not_cost_it_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(report: CaseReport, volume: Volume | None, folder: Path) -> None:
        raise ExportError(Message("its headers do not allow it"))

    toy = types.ModuleType("toy_format")
    toy.FORMAT = Format("a toy", folder="counts", write_case=write)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_format", toy)
    monkeypatch.setitem(export.FORMATS, "toy", "toy_format")  # type: ignore[arg-type]
    case = nodule_case()
    with results.opened(tmp_path, OPTIONS, ("toy", "csv", "json"), Existing.KEEP_OUT) as folder:
        folder.add(case, None, "f")
        folder.write_tables()
        assert folder.finished[case.case].state is CaseState.DONE
    assert (tmp_path / "json" / f"{case.case}.json").is_file()
    assert (tmp_path / "nodules.csv").read_bytes().count(b"\n") > 1
    said = "toy was not written: its headers do not allow it"
    assert said in (tmp_path / "errors.csv").read_text()
    assert said in (tmp_path / "cases.csv").read_text()
