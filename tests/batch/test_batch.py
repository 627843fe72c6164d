"""A batch analyses what it can, says of the rest why not, and never stops for one case."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from batching import annotate, tables, without_times
from made_inputs import truncate, write_dicom, write_mhd, write_png, write_series

from cadviewer import batch
from cadviewer.batch import (
    AllFound,
    BatchError,
    BatchEvent,
    CaseDone,
    CaseFound,
    CaseProgress,
    CaseStarted,
    CaseState,
    Existing,
    Noticed,
    Options,
    ResultsError,
)
from cadviewer.batch.reading import Room
from cadviewer.findings import Task
from cadviewer.inference import engine
from cadviewer.inference.protocol import Event
from cadviewer.models.catalogue import CardError

Fake = Callable[..., None]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Sets what the fake worker does."""

    def set_options(**options: object) -> None:
        monkeypatch.setenv("CADVIEWER_FAKE_WORKER", json.dumps(options))

    return set_options


def by_name(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {"/".join(Path(r["source"]).parts[-2:]): r for r in rows}


def test_every_case_of_a_mixed_folder_gets_its_row_and_the_damaged_stop_nobody(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = annotate([study], out)
    found = tables(out)
    assert {name: (r["state"], r["task"]) for name, r in by_name(found["cases"]).items()} == {
        "study/ct": ("done", "nodules"),
        "scan/a.mhd": ("done", "nodules"),
        "us/1.dcm": ("done", "breast"),
        "torn/1.dcm": ("failed", ""),
        "pictures/photo.png": ("refused", ""),
        "pictures/text.png": ("failed", ""),
        "study/notes.txt": ("skipped", ""),
        "mr/1.dcm": ("refused", ""),
        "scan/alone.mhd": ("failed", ""),
    }
    errors = by_name(found["errors"])
    assert "truncated" in errors["torn/1.dcm"]["error"]
    assert "not an image although named .png" in errors["pictures/text.png"]["error"]
    assert set(errors) == {n for n, r in by_name(found["cases"]).items() if r["state"] in ("refused", "failed")}
    assert summary.counts == {
        CaseState.DONE: 3,
        CaseState.FAILED: 3,
        CaseState.REFUSED: 2,
        CaseState.SKIPPED: 1,
    }
    assert summary.troubled == 5
    assert {r["source"] for r in found["nodules"]} == {str(study / "ct"), str(study / "scan" / "a.mhd")}
    assert [r["call"] for r in found["breast"]] == ["malignant"]


def test_every_file_belongs_to_exactly_one_case(study: Path, tmp_path: Path) -> None:
    annotate([study], tmp_path / "out")
    files = [p for p in study.rglob("*") if p.is_file()]
    assert sum(int(r["n_files"]) for r in tables(tmp_path / "out")["cases"]) == len(files)


def test_the_patients_name_is_in_nothing_that_is_written_or_told(study: Path, tmp_path: Path) -> None:
    told: list[BatchEvent] = []
    annotate([study], tmp_path / "out", told.append, formats=("csv", "json", "png"))
    written = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert b"Secret" not in written
    assert b"SECRET1" not in written
    assert "Secret" not in repr(told)


def test_there_is_a_json_for_every_case_and_a_mask_for_the_breast(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    annotate([study], out)
    rows = tables(out)
    assert {p.stem for p in (out / "json").iterdir()} == {r["case"] for r in rows["cases"]}
    assert (out / rows["breast"][0]["mask"]).is_file()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p.mkdir(), "empty folder"),
        (lambda p: (p.mkdir(), (p / "a.txt").write_text("a")), "no image"),
        (lambda p: None, "no such file"),
    ],
    ids=["empty folder", "folder without images", "nothing there"],
)
def test_an_input_without_an_image_is_named_in_errors_csv(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    given = tmp_path / "given"
    make(given)
    good = write_mhd(tmp_path / "good.mhd")
    summary = annotate([given, good], tmp_path / "out")
    (error,) = tables(tmp_path / "out")["errors"]
    assert error["source"] == str(given)
    assert said in error["error"]
    assert summary.troubled == 1
    assert summary.counts[CaseState.DONE] == 1


def test_a_ct_given_as_breast_is_refused_with_the_reason(tmp_path: Path) -> None:
    series = write_series(tmp_path / "ct")
    annotate([series], tmp_path / "out", task=Task.BREAST)
    found = tables(tmp_path / "out")
    assert found["cases"][0]["state"] == "refused"
    assert "this is a CT" in found["errors"][0]["error"]
    assert found["breast"] == []


def test_a_picture_is_taken_for_the_task_that_is_named(tmp_path: Path) -> None:
    picture = write_png(tmp_path / "a.png")
    for task in Task:
        annotate([picture], tmp_path / task.value, task=task)
        assert tables(tmp_path / task.value)["cases"][0]["task"] == task.value


def test_results_inside_the_input_are_never_taken_for_input(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_dicom(folder / "1.dcm", "US")
    for existing in (Existing.KEEP_OUT, Existing.OVERWRITE, Existing.RESUME):
        annotate([folder], folder / "results", existing=existing, formats=("csv", "json", "png"))
        assert [Path(r["source"]).name for r in tables(folder / "results")["cases"]] == ["1.dcm"]


def test_results_in_the_very_folder_of_the_input_leave_it_readable(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_dicom(folder / "1.dcm", "US")
    write_png(folder / "masks" / "mine.png")
    for existing in (Existing.KEEP_OUT, Existing.OVERWRITE):
        annotate([folder], folder, existing=existing)
        assert sorted(Path(r["source"]).name for r in tables(folder)["cases"]) == ["1.dcm", "mine.png"]


def test_an_input_given_twice_is_one_case(tmp_path: Path) -> None:
    file = write_mhd(tmp_path / "in" / "a.mhd")
    annotate([file, tmp_path / "in", file], tmp_path / "out")
    assert [r["n_files"] for r in tables(tmp_path / "out")["cases"]] == ["2"]


def test_a_zip_of_a_series_is_done_and_not_done_again_on_resuming(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"x/{file.name}")
    annotate([tmp_path / "a.zip"], tmp_path / "out")
    told: list[BatchEvent] = []
    annotate([tmp_path / "a.zip"], tmp_path / "out", told.append, existing=Existing.RESUME)
    assert [e.kept for e in told if isinstance(e, CaseDone)] == [True]
    (row,) = tables(tmp_path / "out")["cases"]
    assert (row["source"], row["state"]) == (str(tmp_path / "a.zip"), "done")


def test_images_that_look_alike_are_cases_of_their_own(tmp_path: Path) -> None:
    blank = {"SOPInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2"}
    for name in ("a", "b"):
        write_dicom(tmp_path / "in" / name / "1.dcm", "US", **blank)
    annotate([tmp_path / "in"], tmp_path / "out")
    rows = tables(tmp_path / "out")["cases"]
    assert sum(int(r["n_files"]) for r in rows) == 2
    assert len({r["case"] for r in rows}) == len(rows)


def test_events_tell_the_whole_story_of_each_case_in_order_and_on_the_callers_thread(tmp_path: Path) -> None:
    file = write_mhd(tmp_path / "a.mhd")
    told: list[BatchEvent] = []
    threads: set[int] = set()

    def hear(event: BatchEvent) -> None:
        told.append(event)
        threads.add(threading.get_ident())

    annotate([file], tmp_path / "out", hear)
    kinds = [type(e) for e in told]
    order = [CaseFound, CaseStarted, CaseProgress, CaseDone]
    assert [kinds.index(k) for k in order] == sorted(kinds.index(k) for k in order)
    assert threads == {threading.get_ident()}
    assert [e.total for e in told if isinstance(e, AllFound)] == [1]
    assert len({e.case for e in told if isinstance(e, CaseFound | CaseStarted | CaseProgress | CaseDone)}) == 1


def test_a_crash_of_the_model_fails_its_case_and_the_others_go_on(tmp_path: Path, fake: Fake) -> None:
    fake(crash=5, steps=10)
    for k in range(3):
        write_mhd(tmp_path / "in" / f"{k}.mhd", 3 + k)
    summary = annotate([tmp_path / "in"], tmp_path / "out")
    assert summary.counts == {CaseState.FAILED: 3}
    assert all("crashed" in r["error"] for r in tables(tmp_path / "out")["errors"])


def test_a_worker_that_cannot_start_leaves_the_cases_unfinished_and_a_later_run_does_them(
    tmp_path: Path, fake: Fake
) -> None:
    fake(start_error="no driver")
    for k in range(3):
        write_mhd(tmp_path / "in" / f"{k}.mhd", 3 + k)
    summary = annotate([tmp_path / "in"], tmp_path / "out")
    assert summary.counts == {}
    assert "could not start" in summary.unfinished
    assert tables(tmp_path / "out")["errors"] == []
    fake()
    again = annotate([tmp_path / "in"], tmp_path / "out", existing=Existing.RESUME)
    assert (again.counts, again.unfinished) == ({CaseState.DONE: 3}, "")


def test_a_worker_that_dies_in_the_run_and_does_not_come_up_again_fails_no_case(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "START_PAUSES", (0.01, 0.01))
    deaths = tmp_path / "deaths"
    deaths.write_text("0")
    fake(start_deaths=str(deaths), steps=20, delay=0.02)
    for k in range(4):
        write_mhd(tmp_path / "in" / f"{k}.mhd", 3 + k)

    def hear(event: BatchEvent) -> None:
        if isinstance(event, CaseDone):
            deaths.write_text("9")
        if isinstance(event, CaseProgress) and deaths.read_text() == "9":
            for process in multiprocessing.active_children():
                process.kill()

    summary = annotate([tmp_path / "in"], tmp_path / "out", hear)
    assert summary.counts == {CaseState.DONE: 1}
    assert "SIGKILL" in summary.unfinished
    assert [r["state"] for r in tables(tmp_path / "out")["cases"]] == ["done"]
    fake()
    again = annotate([tmp_path / "in"], tmp_path / "out", existing=Existing.RESUME)
    assert again.counts == {CaseState.DONE: 4}


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
@pytest.mark.parametrize("what", [".", ".cadviewer", ".cadviewer/journal.jsonl"])
def test_results_that_are_removed_while_the_run_writes_end_it(tmp_path: Path, what: str) -> None:
    for k in range(4):
        write_mhd(tmp_path / "in" / f"{k}.mhd", 3 + k)
    out, done = tmp_path / "out", []

    def hear(event: BatchEvent) -> None:
        if isinstance(event, CaseDone):
            done.append(event)
            gone = out / what
            gone.unlink() if gone.is_file() else shutil.rmtree(gone)

    with pytest.raises(BatchError, match="removed while the run was writing"):
        annotate([tmp_path / "in"], out, hear)
    assert len(done) == 1
    assert not (out / "cases.csv").exists()


def test_what_the_model_does_not_know_is_refused_and_an_error_fails(tmp_path: Path, fake: Fake) -> None:
    file = write_mhd(tmp_path / "a.mhd")
    fake(out_of_scope="a head CT")
    annotate([file], tmp_path / "a")
    fake(error="Secret^Patient")
    annotate([file], tmp_path / "b")
    assert [r["state"] for r in tables(tmp_path / "a")["cases"]] == ["refused"]
    assert tables(tmp_path / "a")["errors"][0]["error"] == "a head CT"
    (failed,) = tables(tmp_path / "b")["errors"]
    assert "unexpected ValueError" in failed["error"]
    assert "Secret" not in failed["error"]


def test_notes_of_the_engine_reach_the_user_and_warnings_the_tables(tmp_path: Path, fake: Fake) -> None:
    fake(note="out of memory: batch of 2 instead of 8", warning="only part of the lungs")
    told: list[BatchEvent] = []
    annotate([write_mhd(tmp_path / "a.mhd")], tmp_path / "out", told.append)
    assert "out of memory: batch of 2 instead of 8" in [e.text for e in told if isinstance(e, Noticed)]
    assert "only part of the lungs" in tables(tmp_path / "out")["cases"][0]["reason"]


def test_the_options_reach_the_job(tmp_path: Path) -> None:
    jobs = []

    class Spy:
        def __init__(self, hear: Callable[[Event], None]) -> None:
            from cadviewer.inference.engine import Engine

            self._engine = Engine(hear, worker="fake_worker")

        def submit(self, job: object) -> None:
            jobs.append(job)
            self._engine.submit(job)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(self._engine, name)

    options = Options(task=Task.NODULES, model="test-ssd", threshold=0.9, spacing_mm=0.6, window=(-900.0, 300.0))
    batch.run([write_png(tmp_path / "a.png")], tmp_path / "out", options, make_engine=Spy)  # type: ignore[arg-type]
    (job,) = jobs
    assert (job.model, job.threshold, job.spacing_mm, job.window) == ("test-ssd", 0.9, 0.6, (-900.0, 300.0))
    assert len(tables(tmp_path / "out")["nodules"]) == 1  # the fake's scores are 0.95, 0.75, 0.55


def test_a_model_that_is_not_there_or_is_for_another_task_is_wrong_usage(tmp_path: Path) -> None:
    file = write_mhd(tmp_path / "a.mhd")
    with pytest.raises(CardError, match="no model is called"):
        annotate([file], tmp_path / "out", model="nonesuch")
    with pytest.raises(CardError, match="is for breast"):
        annotate([file], tmp_path / "out", model="test-estan", task=Task.NODULES)
    assert not (tmp_path / "out").exists()


def test_a_cancelled_run_keeps_what_is_finished_and_goes_on_later(tmp_path: Path, fake: Fake) -> None:
    fake(steps=5, delay=0.01)
    for k in range(6):
        write_mhd(tmp_path / "in" / f"{k}.mhd", 3 + k)
    done: list[CaseDone] = []

    def hear(event: BatchEvent) -> None:
        if isinstance(event, CaseDone):
            done.append(event)

    summary = annotate([tmp_path / "in"], tmp_path / "out", hear, lambda: len(done) >= 2)
    assert summary.cancelled
    rows = tables(tmp_path / "out")
    assert 2 <= len(rows["cases"]) < 6
    assert not annotate([tmp_path / "in"], tmp_path / "out", existing=Existing.RESUME).cancelled
    annotate([tmp_path / "in"], tmp_path / "whole")
    for name in ("nodules", "breast", "errors"):
        assert tables(tmp_path / "out")[name] == tables(tmp_path / "whole")[name]
    assert without_times(tables(tmp_path / "out")["cases"]) == without_times(tables(tmp_path / "whole")["cases"])


def test_a_wedged_model_does_not_keep_a_cancelled_run_from_ending(tmp_path: Path, fake: Fake) -> None:
    fake(wedge=3)
    started = threading.Event()

    def hear(event: BatchEvent) -> None:
        if isinstance(event, CaseStarted):
            started.set()

    assert annotate([write_mhd(tmp_path / "a.mhd")], tmp_path / "out", hear, started.is_set).cancelled
    assert tables(tmp_path / "out")["cases"] == []


def test_a_model_that_hangs_fails_its_case_and_the_others_go_on(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadviewer.batch.running.STALL_SECONDS", 1.0)
    monkeypatch.setattr("cadviewer.inference.engine.CANCEL_SECONDS", 0.5)
    fake(wedge=3)
    for k in range(2):
        write_mhd(tmp_path / "in" / f"{k}.mhd", 3 + k)
    summary = annotate([tmp_path / "in"], tmp_path / "out")
    assert summary.counts == {CaseState.FAILED: 2}
    assert {r["error"] for r in tables(tmp_path / "out")["errors"]} == {"the model said nothing for 1 s"}


def test_a_full_disk_ends_the_run_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mhd(tmp_path / "in" / "a.mhd")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cadviewer.store.results.pictures.write_masks", full)
    with pytest.raises(BatchError, match="No space left"):
        annotate([tmp_path / "in"], tmp_path / "out")


def test_results_in_the_way_are_wrong_usage(tmp_path: Path) -> None:
    file = write_mhd(tmp_path / "a.mhd")
    annotate([file], tmp_path / "out")
    with pytest.raises(ResultsError, match="replace them"):
        annotate([file], tmp_path / "out")
    with pytest.raises(ResultsError, match="with threshold unset"):
        annotate([file], tmp_path / "out", existing=Existing.RESUME, threshold=0.7)


def test_a_file_that_changed_since_is_done_again_on_resuming(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "a" / "1.dcm", "US")
    truncate(write_dicom(tmp_path / "in" / "b" / "1.dcm", "US"), 100)
    annotate([tmp_path / "in"], tmp_path / "out")
    assert len(tables(tmp_path / "out")["errors"]) == 1
    write_dicom(tmp_path / "in" / "b" / "1.dcm", "US")
    told: list[BatchEvent] = []
    annotate([tmp_path / "in"], tmp_path / "out", told.append, existing=Existing.RESUME)
    assert tables(tmp_path / "out")["errors"] == []
    assert sorted(e.kept for e in told if isinstance(e, CaseDone)) == [False, True]


def test_pixels_in_memory_are_bounded_but_one_case_always_fits() -> None:
    room, ended = Room(2, 100), threading.Event()
    assert room.take(1000, ended)  # more than there is, alone
    waiting = threading.Thread(target=room.take, args=(10, ended))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    room.give(1000)
    waiting.join(2)
    assert not waiting.is_alive()
    assert room.take(10, ended)
    third = []
    waiting = threading.Thread(target=lambda: third.append(room.take(10, ended)))
    waiting.start()
    ended.set()
    waiting.join(2)
    assert third == [False]


def test_no_shared_memory_stays_behind(study: Path, tmp_path: Path) -> None:
    def segments() -> set[str]:
        folder = Path("/dev/shm")
        return {p.name for p in folder.iterdir() if p.name.startswith("psm_")} if folder.is_dir() else set()

    before = segments()
    annotate([study], tmp_path / "out")
    assert segments() <= before
    assert np.isfinite(len(before))
