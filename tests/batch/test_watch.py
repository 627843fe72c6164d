"""Folders that are watched: what is complete when, what is never done twice, what a restart goes on with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from batching import annotate, tables
from made_inputs import truncate, write_dicom, write_mhd, write_png, write_series

from cadviewer import batch
from cadviewer.batch.watching import Item, Watch
from cadviewer.imaging.series import Rejected, Series
from cadviewer.store.case_report import CaseState
from cadviewer.store.results import Existing, ResultsError

QUIET = 10.0
PATIENCE = 240.0
"""Seconds within which everything happens on a machine that others use too."""


class Desk:
    """A watch with a clock of its own. `then`: what happens at which second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.now = 0.0
        self.listings = 0
        self.said: list[str] = []

    def run(self, seconds: float, **then: Callable[[], object]) -> list[tuple[float, Item]]:
        """What arrives within so many seconds, each with when. then: s5=… is done at the fifth second."""
        todo = sorted((float(name[1:].replace("_", ".")), step) for name, step in then.items())
        found: list[tuple[float, Item]] = []

        def wait(pause: float) -> bool:
            self.now += pause
            self.listings += 1
            while todo and todo[0][0] <= self.now:
                todo.pop(0)[1]()
            return self.now > seconds

        out = self.folder.parent / "out"
        watch = Watch([self.folder], out, QUIET, (), wait, lambda: self.now, self.said.append)
        arrivals: Iterator[Item] = watch.arrivals()
        found.extend((self.now, item) for item in arrivals)
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "in")


def names(found: list[tuple[float, Item]]) -> list[str]:
    return [item.source.name for _, item in found]


def test_a_series_is_complete_when_nothing_of_it_changed_for_the_time(desk: Desk) -> None:
    def slice_(k: int) -> Callable[[], object]:
        return lambda: write_dicom(
            desk.folder / "ct" / f"{k}.dcm", InstanceNumber=k + 1, ImagePositionPatient=[0, 0, 2.5 * k]
        )

    found = desk.run(120, s1=slice_(0), s8=slice_(1), s16=slice_(2), s30=lambda: write_png(desk.folder / "a.png"))
    (when, series), (later, picture) = found
    assert isinstance(series, Series)
    assert len(series.slices) == 3
    assert 16 + QUIET <= when <= 16 + QUIET + 5.5
    assert picture.source.name == "a.png"
    assert later >= 40
    assert series.warnings == ()


def test_other_series_do_not_wait_for_one_that_goes_on_arriving(desk: Desk) -> None:
    steps = {
        f"s{t}": lambda t=t: write_dicom(desk.folder / f"{t}.dcm", InstanceNumber=t, ImagePositionPatient=[0, 0, t])
        for t in range(1, 60, 3)
    }
    found = desk.run(120, s2=lambda: write_dicom(desk.folder / "other" / "us.dcm", "US"), **steps)
    assert next(item.slices[0].file.name for _, item in found if isinstance(item, Series)) == "us.dcm"
    assert [len(item.slices) for _, item in found if isinstance(item, Series)] == [1, 20]
    assert found[0][0] < 20 < 58 + QUIET <= found[1][0]


def test_a_file_that_is_still_written_is_not_read(desk: Desk) -> None:
    path = desk.folder / "a.dcm"

    def grow(size: int) -> Callable[[], object]:
        def step() -> None:
            whole = write_dicom(desk.folder.parent / "whole" / "a.dcm", "US").read_bytes()
            path.write_bytes(whole[:size])

        return step

    found = desk.run(60, s1=grow(500), s7=grow(1500), s13=grow(3000), s20=grow(10**6))
    ((when, item),) = found
    assert isinstance(item, Series)
    assert when >= 30


def test_temporary_names_are_not_looked_at(desk: Desk) -> None:
    path = write_png(desk.folder / "x.png")
    hidden, part = desk.folder / ".x.png.Ab12", desk.folder / "x.png.part"
    path.rename(part)
    shutil.copy(part, hidden)
    found = desk.run(60, s30=lambda: part.rename(path))
    assert names(found) == ["x.png"]
    assert found[0][0] >= 40


def test_a_series_that_grows_after_it_was_read_is_another_case_with_a_warning(desk: Desk) -> None:
    write_series(desk.folder / "ct", 3)
    more = {
        "s40": lambda: write_dicom(desk.folder / "ct" / "3.dcm", InstanceNumber=4, ImagePositionPatient=[0, 0, 7.5])
    }
    (_, first), (_, second) = desk.run(100, **more)
    assert isinstance(first, Series)
    assert isinstance(second, Series)
    assert (len(first.slices), len(second.slices)) == (3, 4)
    assert first.case_id != second.case_id
    assert first.warnings == ()
    assert "after it was read" in second.warnings[-1]


def test_what_vanishes_is_no_case_and_what_comes_back_unchanged_is_not_done_again(desk: Desk) -> None:
    path = write_png(desk.folder / "a.png")
    gone = write_png(desk.folder / "gone.png")
    away = desk.folder.parent / "away"
    found = desk.run(120, s5=gone.unlink, s40=lambda: desk.folder.rename(away), s60=lambda: away.rename(desk.folder))
    assert names(found) == [path.name]
    assert [text.partition(":")[0] for text in desk.said] == [
        "a watched folder cannot be listed",
        "the watched folder can be listed again",
    ]


def test_a_header_whose_data_come_late_is_tried_again(desk: Desk) -> None:
    header = write_mhd(desk.folder / "a.mhd")
    data = desk.folder / "a.raw"
    elsewhere = data.rename(desk.folder.parent / "a.raw")
    found = desk.run(120, s30=lambda: elsewhere.rename(data))
    assert [type(item) for _, item in found] == [Rejected, Series]
    assert {item.source for _, item in found} == {header}


def test_a_quiet_folder_is_listed_and_nothing_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from cadviewer.imaging import files

    scans = []
    real = files.scan
    monkeypatch.setattr(files, "scan", lambda *a, **k: scans.append(1) or real(*a, **k))
    write_series(desk.folder / "ct", 3)
    (desk.folder / "link").symlink_to(desk.folder / "ct" / "0.dcm")
    (desk.folder / "round").symlink_to(desk.folder)
    desk.run(1000)
    assert len(scans) <= 2
    assert desk.listings >= 300  # every few seconds


def test_results_inside_the_watched_folder_are_not_read(tmp_path: Path) -> None:
    given = tmp_path / "in"
    write_png(given / "a.png")
    write_png(given / "out" / "pictures" / ("0" * 16 + ".png"))
    clock = iter(range(1000))
    now = [0.0]

    def wait(pause: float) -> bool:
        now[0] = next(clock)
        return now[0] > 60

    watch = Watch([given], given / "out", QUIET, (), wait, lambda: now[0])
    assert [i.source.name for i in watch.arrivals()] == ["a.png"]


@pytest.mark.parametrize("what", ["missing", "file", "inside"])
def test_what_cannot_be_watched_is_said_before_anything_is_written(tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    given = {"missing": tmp_path / "no", "file": write_png(tmp_path / "a.png"), "inside": out / "in"}[what]
    if what == "inside":
        given.mkdir(parents=True)
    with pytest.raises(ResultsError, match="watched"):
        annotate([given], out, quiet_for=0.5)
    assert not (out / ".cadviewer").exists()


# ------------------------------------------------------------------------------------------------------- whole batches


def watch(given: Path, out: Path, until: Callable[[], bool], **options: object) -> batch.Summary:
    """A batch that watches until something holds."""
    end = time.monotonic() + PATIENCE

    def cancelled() -> bool:
        assert time.monotonic() < end
        return until()

    return annotate([given], out, cancelled=cancelled, existing=Existing.RESUME, quiet_for=0.4, **options)


def cases(out: Path) -> int:
    return len(tables(out)["cases"]) if (out / "errors.csv").exists() else 0  # the one written last


def test_a_restart_does_nothing_twice_and_what_grew_meanwhile_is_another_case(tmp_path: Path) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    write_series(given / "ct", 3)
    write_dicom(given / "us" / "a.dcm", "US")
    watch(given, out, lambda: cases(out) == 2)
    journal = (out / ".cadviewer" / "journal.jsonl").read_bytes()

    begun = time.monotonic()
    summary = watch(given, out, lambda: time.monotonic() > begun + 2)
    assert (out / ".cadviewer" / "journal.jsonl").read_bytes() == journal
    assert sum(summary.counts.values()) == 2

    write_dicom(given / "ct" / "3.dcm", InstanceNumber=4, ImagePositionPatient=[0, 0, 7.5])
    write_dicom(given / "us" / "a.dcm", "US", StudyDescription="sent once more")  # by another file of the same name
    watch(given, out, lambda: cases(out) == 4)
    rows = tables(out)["cases"]
    assert sorted(r["n_files"] for r in rows if r["modality"] == "CT") == ["3", "4"]
    assert sum("after it was read" in r["reason"] for r in rows) == 2
    before = (out / ".cadviewer" / "journal.jsonl").read_bytes()
    begun = time.monotonic()
    watch(given, out, lambda: time.monotonic() > begun + 2)
    assert (out / ".cadviewer" / "journal.jsonl").read_bytes() == before
    assert cases(out) == 4


def test_what_was_taken_for_damaged_and_then_is_whole_is_one_case(tmp_path: Path) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    path = write_dicom(given / "a.dcm", "US")
    whole = path.read_bytes()
    path.write_bytes(whole[:300])
    watch(given, out, lambda: cases(out) == 1)
    assert tables(out)["cases"][0]["state"] == CaseState.FAILED
    path.write_bytes(whole)
    for _ in range(2):  # the second time the failed one is known from the journal alone
        begun = time.monotonic()

        def done(begun: float = begun) -> bool:
            return time.monotonic() > begun + 2 and [r["state"] for r in tables(out)["cases"]] == ["done"]

        watch(given, out, done)
        assert tables(out)["errors"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="ends by signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_line_says_a_line_for_each_case_and_ends_by_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    write_png(given / "a.png")
    truncate(write_dicom(given / "bad" / "1.dcm"))
    script = (
        "import sys\nfrom cadviewer import batch, cli, paths\nfrom cadviewer.inference import engine\n"
        "if __name__ == '__main__':\n"
        "    paths.weights_folders = lambda: (paths.user_data() / 'weights',)\n"
        "    real = engine.Engine\n"
        "    batch.Engine = lambda hear, **more: real(hear, worker='fake_worker')\n"
        "    sys.exit(cli.main(sys.argv[1:]))\n"
    )
    (tmp_path / "run.py").write_text(script)
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])}
    command = [sys.executable, str(tmp_path / "run.py"), "annotate", str(given), "--out", str(out), "--watch"]
    command += ["--quiet-for", "0.5", "--task", "breast"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + PATIENCE
    while cases(out) < 2 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, said  # something failed
    lines = [line for line in said.splitlines() if line[:2].isdigit()]
    assert len(lines) == 2, said
    assert "The watch ended: 1 done, 1 failed" in said
    assert str(given) not in said


def test_watched_folders_need_nothing_in_common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    inputs = [Path("a"), tmp_path / "b" / "deep"]
    inputs[1].mkdir(parents=True)
    times = iter(range(100))
    made = Watch(inputs, tmp_path / "out", 1, (), lambda s: False, lambda: float(next(times)))
    for k, folder in enumerate(inputs):
        write_png(folder / f"{k}.png")
    arrived = made.arrivals()
    assert {Path(next(arrived).source).name for _ in range(2)} == {"0.png", "1.png"}
    assert made._above({inputs[0] / "0.png", inputs[1] / "1.png"}) == inputs
