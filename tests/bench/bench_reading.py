"""How long reading takes: `pytest tests/bench/bench_reading.py -m bench -s`. Medians of warm runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Window
from cadviewer.imaging.windowing import to_gray
from cadviewer.phantoms.files import write_mhd, write_png
from cadviewer.phantoms.phantom import breast_ultrasound, chest_ct

pytestmark = pytest.mark.bench


def median_ms(work: Callable[[], object], runs: int = 7) -> float:
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def one(path: Path) -> Series:
    (found,) = files.scan([path])
    assert isinstance(found, Series)
    return found


def first_slice_ms(series: Series) -> float:
    """From the call of `read` until the first slice can be shown."""

    class Enough(Exception):
        pass

    def stop(k: int) -> None:
        raise Enough

    def work() -> None:
        with pytest.raises(Enough):
            files.read(series, on_slice=stop)

    return median_ms(work)


def test_reading_99_slices_is_fast(chest_ct_99: Path, tmp_path: Path) -> None:
    series = one(chest_ct_99)
    memory = np.empty(series.geometry.shape, series.dtype)
    figures = {
        "99 DICOM slices: scan": median_ms(lambda: one(chest_ct_99)),
        "99 DICOM slices: read, new memory": median_ms(lambda: files.read(series)),
        "99 DICOM slices: read, given memory": median_ms(lambda: files.read(series, allocate=lambda *_: memory)),
        "99 DICOM slices: first slice": first_slice_ms(series),
    }
    volume = files.read(series)
    for name in ("ct.mhd", "ct.nii", "ct.nii.gz"):
        path = write_mhd(volume, tmp_path / name[3:] / name)
        other = one(path)
        figures[f"the same as {name}: scan"] = median_ms(lambda path=path: one(path), 3)  # type: ignore[misc]
        figures[f"the same as {name}: read, given memory"] = median_ms(
            lambda other=other: files.read(other, allocate=lambda *_: memory),  # type: ignore[misc]
            3,
        )
    for name, value in figures.items():
        print(f"{value:8.1f} ms  {name}")
    assert figures["99 DICOM slices: scan"] < 300
    assert figures["99 DICOM slices: read, given memory"] < 300


def test_a_window_is_applied_within_a_frame() -> None:
    pixels = np.random.default_rng(0).integers(-1024, 3000, (512, 512)).astype(np.int16)
    widths = iter(range(100, 100000))
    new = median_ms(lambda: to_gray(pixels, Window(-600, next(widths))), 50)
    same = median_ms(lambda: to_gray(pixels, Window(-600, 1500)), 50)
    print(f"{new:8.2f} ms  512² int16 to gray, new window\n{same:8.2f} ms  the same window")
    assert same < 20


def test_pictures_and_phantoms(tmp_path: Path) -> None:
    image, _, _ = breast_ultrasound(1)
    for k in range(100):
        write_png(image, tmp_path / f"{k}.png")
    print(f"{median_ms(lambda: list(files.scan([tmp_path])), 3) / 100:8.2f} ms  scan of one 400 × 336 PNG")
    print(f"{median_ms(lambda: chest_ct(1), 1):8.0f} ms  chest phantom, 96 × 384 × 384")
    print(f"{median_ms(lambda: breast_ultrasound(2), 3):8.0f} ms  breast phantom")


def test_imports(tmp_path: Path) -> None:
    for module in ("cadviewer.imaging.files", "cadviewer.imaging.dicom.series", "cadviewer.phantoms.phantom"):
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
        print(f"{1e3 * statistics.median(times):8.0f} ms  import {module}")
