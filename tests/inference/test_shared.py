"""Pixels in shared memory: what is seen where, what is left behind, what happens when there is no room."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from cadviewer.imaging.series import InputError
from cadviewer.inference import shared
from cadviewer.inference.protocol import SharedArray
from cadviewer.inference.shared import SharedPixels, attach, remove_abandoned

linux = pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm")
SHAPE = (3, 4, 5)


def exists(handle: SharedArray) -> bool:
    """Whether the system still has it, under its name; other programs may come and go meanwhile."""
    try:
        with attach(handle):
            return True
    except InputError:
        return False


@pytest.fixture(params=["segment", "mapped file"])
def pixels(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedPixels:
    if request.param == "mapped file":
        monkeypatch.setattr(shared, "_segment", lambda size: None)
    return SharedPixels(tmp_path)


def test_an_array_is_zeros_writable_and_of_the_asked_kind(pixels: SharedPixels) -> None:
    with pixels:
        array = pixels.allocate(SHAPE, np.dtype(">i2"))
        assert array.shape == SHAPE
        assert array.dtype == np.dtype(">i2")
        assert array.flags.c_contiguous
        assert not array.any()
        array[1, 2, 3] = -1024
        with attach(pixels.handle) as seen:
            assert seen[1, 2, 3] == -1024
            with pytest.raises(ValueError, match="read-only"):
                seen[0] = 1


def _sum_of(handle: SharedArray, answers: object) -> None:
    with attach(handle) as array:
        answers.send((int(array.sum()), array.flags.writeable))  # type: ignore[attr-defined]


def test_another_process_sees_the_same_values_and_does_not_take_the_memory_with_it(pixels: SharedPixels) -> None:
    context = get_context("spawn")
    with pixels:
        array = pixels.allocate(SHAPE, np.dtype(np.int16))
        array[...] = 2
        answers, answer = context.Pipe(duplex=False)
        child = context.Process(target=_sum_of, args=(pixels.handle, answer))
        child.start()
        assert answers.poll(30)
        assert answers.recv() == (120, False)
        child.join(10)
        with attach(pixels.handle) as still:
            assert still.sum() == 120


def test_nothing_is_left_after_close(pixels: SharedPixels, tmp_path: Path) -> None:
    pixels.allocate(SHAPE, np.dtype(np.int16))
    handle = pixels.handle
    assert exists(handle)
    assert handle.mapped == bool(list(tmp_path.iterdir()))
    pixels.close()
    assert not Path("/dev/shm", handle.name).exists()
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no longer in memory"), attach(handle):
        pass
    with pytest.raises(ValueError, match="no pixels"):
        _ = pixels.handle
    pixels.close()


def test_a_view_outlives_close_and_the_memory_goes_with_it(pixels: SharedPixels) -> None:
    gc.collect()  # what other tests still hold is not this one's
    before = set(shared._parked)
    array = pixels.allocate(SHAPE, np.dtype(np.int16))
    array[...] = 7
    view = array[1:, ::2].T
    del array
    pixels.close()
    assert len(set(shared._parked) - before) == 1
    assert (view == 7).all()
    del view
    other = SharedPixels()
    other.allocate((1,), np.dtype(np.uint8))
    other.close()
    assert set(shared._parked) <= before


def test_a_second_allocation_lets_the_first_go(pixels: SharedPixels, tmp_path: Path) -> None:
    pixels.allocate(SHAPE, np.dtype(np.int16))
    first = pixels.handle
    pixels.allocate(SHAPE, np.dtype(np.float32))
    assert not exists(first)
    assert exists(pixels.handle)
    assert pixels.handle.dtype == "<f4"
    pixels.close()


def test_an_owner_that_is_forgotten_leaves_nothing(pixels: SharedPixels) -> None:
    pixels.allocate(SHAPE, np.dtype(np.int16))
    forgotten = SharedPixels()
    forgotten.allocate(SHAPE, np.dtype(np.int16))
    handle = forgotten.handle
    del forgotten
    gc.collect()
    assert not exists(handle)
    assert exists(pixels.handle)
    pixels.close()


def test_pixels_need_a_size_and_a_plain_type() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SharedPixels().allocate((0, 4), np.dtype(np.int16))
    with pytest.raises(ValueError, match="plain type"):
        SharedPixels().allocate((4,), np.dtype(object))


@linux
def test_where_shared_memory_is_too_small_a_mapped_file_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs

    class Small:
        f_bavail, f_frsize = 16, 4096  # a container's /dev/shm, nearly full

    monkeypatch.setattr(os, "statvfs", lambda path: Small if str(path) == "/dev/shm" else real(path))
    with SharedPixels(tmp_path) as small:
        small.allocate((65536,), np.dtype(np.uint8))
        assert not small.handle.mapped
    with SharedPixels(tmp_path) as large:
        array = large.allocate((65537,), np.dtype(np.uint8))
        assert large.handle.mapped
        array[-1] = 9
        with attach(large.handle) as seen:
            assert seen[-1] == 9


@linux
def test_no_room_anywhere_is_an_error_with_a_reason_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    made = list[Path]()
    reserve = shared._reserve
    monkeypatch.setattr(shared, "_reserve", lambda path, size: (made.append(path), reserve(path, size)))
    with SharedPixels(tmp_path) as pixels, pytest.raises(InputError, match=r"no room for these pixels \(4 MiB\)"):
        pixels.allocate((4, 1024, 1024), np.dtype(np.uint8))
    assert [path.parent for path in made] == [Path("/dev/shm"), tmp_path]
    assert not any(path.exists() for path in made)


@linux
def test_what_a_process_killed_with_its_tracker_left_is_removed_and_what_is_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_YOUNG_SECONDS", 0.0)
    script = (
        "import sys, time, numpy as np\nfrom pathlib import Path\nfrom cadviewer.inference import shared\n"
        "p = shared.SharedPixels()\np.allocate((9,), np.dtype(np.int16))\n"
        "shared._segment = lambda size: None\nq = shared.SharedPixels(Path(sys.argv[1]))\n"
        "q.allocate((9,), np.dtype(np.int16))\n"
        "print(p.handle.name, q.handle.name, flush=True)\ntime.sleep(60)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert other.stdout is not None
    segment, file = (Path(name) for name in other.stdout.readline().split())
    segment = Path("/dev/shm") / segment
    for folder in (segment.parent, tmp_path):
        remove_abandoned(folder)
    assert segment.exists()
    assert file.exists()
    os.killpg(other.pid, signal.SIGKILL)
    other.wait()
    notes = tmp_path / "cadviewer-notes"
    notes.touch()
    with SharedPixels() as mine:
        mine.allocate((9,), np.dtype(np.int16))  # looks for leftovers first
        assert not segment.exists()
        remove_abandoned(tmp_path)
        assert not file.exists()
        assert notes.exists()
        remove_abandoned(segment.parent)
        assert Path("/dev/shm", mine.handle.name).exists()
    other.stdout.close()


@linux
def test_the_programs_end_is_quiet_even_with_pixels_still_open() -> None:
    script = (
        "import numpy as np\nfrom cadviewer.inference.shared import SharedPixels\n"
        "p = SharedPixels()\na = p.allocate((9,), np.dtype(np.int16))\nprint(p.handle.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert not Path("/dev/shm", done.stdout.strip()).exists()
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_want_of_room_in_the_other_process_is_told_from_pixels_that_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with SharedPixels() as mine:
        mine.allocate((2, 4, 4), np.dtype(np.int16))
        handle = mine.handle

        def full(name: str) -> None:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")

        with monkeypatch.context() as patched:
            patched.setattr(shared, "_Attached", full)
            patched.setattr(shared, "_OpenedFile", full)
            with pytest.raises(MemoryError), attach(handle):
                pass
    with pytest.raises(InputError, match="no longer in memory"), attach(handle):
        pass
