"""Whatever one file does to its reader is that file's reason: the caller lives on and reads the others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cadviewer.imaging import contained, files
from cadviewer.imaging.dicom import header as dicom_header
from cadviewer.imaging.dicom import series as dicom_series
from cadviewer.imaging.faults import cleaned, one_line, reason_of
from cadviewer.imaging.series import InputError, Rejected, Series, State
from cadviewer.phantoms.files import write_dicom_series, write_mhd, write_png
from cadviewer.phantoms.phantom import chest_ct

Harm = Callable[[str, tuple[Any, ...]], None]
CRASH = ("os:abort", ())
HANG = ("builtins:sum", (range(10**12),))
GREED = ("numpy:ones", ((1 << 20, 1 << 20),))
NEST = ("json:loads", ("[" * 100_000,))
ODD = ("builtins:int", ("Doe^John /home/doe",))


@pytest.fixture
def harm(monkeypatch: pytest.MonkeyPatch) -> Harm:
    """Lets reading a file of the name "bad…" do something else, really and in the process that reads it."""

    def make(target: str, arguments: tuple[Any, ...]) -> None:
        real = contained._request

        def request(asked: str, given: tuple[Any, ...], size: int, **kind: bool) -> Any:
            if any(isinstance(g, Path) and g.name.startswith("bad") for g in given):
                return real(target, arguments, size, **kind)
            return real(asked, given, size, **kind)

        monkeypatch.setattr(contained, "_request", request)

    return make


def three(folder: Path) -> list[Path]:
    return [
        write_png(np.full((20, 30), 7 * k + 1, np.uint8), folder / f"{n}.png") for k, n in enumerate(("a", "bad", "c"))
    ]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (CRASH, "crashes its decoder (SIGABRT)"),
        (HANG, "takes too long"),
        (GREED, "more memory than there is"),
        (NEST, "nested too deeply"),
        (ODD, "cannot be read (ValueError"),
    ],
    ids=["crash", "hang", "memory", "recursion", "unexpected"],
)
def test_a_file_that_harms_its_reader_fails_and_the_others_are_read(
    tmp_path: Path, harm: Harm, monkeypatch: pytest.MonkeyPatch, what: tuple[str, tuple[Any, ...]], reason: str
) -> None:
    monkeypatch.setattr(contained, "SECONDS", 0.2)
    three(tmp_path)
    harm(*what)
    began = time.monotonic()
    first, bad, last = files.scan([tmp_path])
    assert time.monotonic() - began < 30
    assert isinstance(bad, Rejected)
    assert bad.state is State.FAILED
    assert reason in bad.reason
    assert "Doe" not in bad.reason
    for series, value in ((first, 1), (last, 15)):
        assert isinstance(series, Series)
        assert (files.read(series).pixels == value).all()


@pytest.mark.parametrize("what", [CRASH, NEST, ODD], ids=["crash", "recursion", "unexpected"])
def test_what_happens_while_pixels_are_read_is_an_input_error(
    tmp_path: Path, harm: Harm, what: tuple[str, tuple[Any, ...]]
) -> None:
    three(tmp_path)
    _, bad, good = files.scan([tmp_path])
    assert isinstance(bad, Series)
    assert isinstance(good, Series)
    harm(*what)
    with pytest.raises(InputError):
        files.read(bad)
    assert files.read(good).pixels.size == 600


@pytest.mark.parametrize("error", [ValueError("Doe^John"), RecursionError(), MemoryError(), OverflowError("x")])
def test_any_exception_in_this_process_is_the_files_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    small = chest_ct(3, shape=(3, 60, 72), spacing=(10.0, 5.0, 5.0), nodules=())
    write_dicom_series(small.volume, tmp_path / "d")
    write_png(np.zeros((9, 9), np.uint8), tmp_path / "x.png")
    real = dicom_header.read_fast

    def fast(file: Path, size: int, stream: Any) -> Any:
        if file.name == "0001.dcm":
            raise error
        return real(file, size, stream)

    monkeypatch.setattr(dicom_header, "read_fast", fast)
    found = list(files.scan([tmp_path]))
    (bad,) = (f for f in found if isinstance(f, Rejected))
    assert bad.source.name == "0001.dcm"
    assert "Doe" not in bad.reason
    assert sum(len(f.files) for f in found if isinstance(f, Series)) == 3


@pytest.mark.parametrize("step", ["reject", "frames_of", "_one"])
def test_a_file_that_no_series_can_be_made_of_leaves_the_other_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    for seed in (1, 2):
        small = chest_ct(seed, shape=(2, 60, 72), spacing=(10.0, 5.0, 5.0), nodules=())
        write_dicom_series(small.volume, tmp_path / f"d{seed}", seed=seed)
    real = getattr(dicom_series, step)

    def broken(what: Any) -> Any:
        header = what.frames[0].header if step == "_one" else what
        if header.file.parent.name == "d1":
            raise ZeroDivisionError
        return real(what)

    monkeypatch.setattr(dicom_series, step, broken)
    found = list(files.scan([tmp_path]))
    assert [f.source.parent.name for f in found if isinstance(f, Rejected)] == ["d1", "d1"]
    assert [f.source.name for f in found if isinstance(f, Series)] == ["d2"]


def test_what_the_caller_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stop(*_: int) -> None:
        raise Enough

    three(tmp_path)
    write_mhd(chest_ct(3, shape=(3, 60, 72), spacing=(10.0, 5.0, 5.0), nodules=()).volume, tmp_path / "v.mhd")
    for series in files.scan([tmp_path]):
        if isinstance(series, Series):
            with pytest.raises(Enough):
                files.read(series, on_slice=stop)
    with pytest.raises(Enough):
        list(files.scan([tmp_path], on_file=stop))


def test_one_process_serves_many_files_and_a_new_one_follows_one_that_died(tmp_path: Path) -> None:
    first = contained.call("os:getpid")
    assert first != os.getpid()
    assert contained.call("os:getpid") == first
    with pytest.raises(InputError):
        contained.call("os:abort")
    assert contained.call("os:getpid") != first


def test_no_module_is_taken_from_the_folder_that_the_program_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "json", "importlib"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    contained.end_all()
    monkeypatch.chdir(tmp_path)
    assert contained.call("json:loads", "[1]") == [1]
    contained.end_all()
    assert not (tmp_path / "ran").exists()


def test_what_a_library_prints_does_not_get_between_the_answers() -> None:
    assert contained.call("builtins:print", "words") is None
    assert contained.call("os:write", 1, b"words") == 5
    assert contained.call("os:getppid") == os.getpid()


def test_arrays_come_as_they_are() -> None:
    got = contained.call("numpy:arange", 1 << 20)
    np.testing.assert_array_equal(got, np.arange(1 << 20))
    got[0] = 1


def test_processes_end_with_the_program() -> None:
    contained.call("os:getpid")
    with contained._borrowed() as process:
        popen = process.popen
    contained.end_all()
    assert popen.returncode is not None
    assert isinstance(contained.call("os:getpid"), int)


PROGRAM = """
import sys
from cadviewer.imaging import contained
print(contained.call("os:getpid"), flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
@pytest.mark.parametrize("killed", [False, True])
def test_a_program_that_ends_takes_its_reading_process_along(killed: bool) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert program.stdout is not None
    reader = int(program.stdout.readline())
    assert Path(f"/proc/{reader}").exists()
    if killed:
        program.kill()
    program.communicate("\n")
    end = time.monotonic() + 10
    while Path(f"/proc/{reader}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{reader}").exists()


def test_words_of_a_library_are_one_short_line_without_paths_and_values() -> None:
    said = cleaned(
        "cannot read '/home/Doe/x.raw':\n value \"Doe^John\" \x1b[31m at C:\\Users\\Doe\\y.raw" + " more" * 90
    )
    assert "Doe" not in said
    assert len(said) <= 160
    assert said.isprintable()
    assert one_line("a\n\tb\x00c") == "a b c"
    assert reason_of(OSError(28, "No space left on device")) == "cannot be read: No space left on device"
