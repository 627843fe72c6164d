"""DICOM lets each image name its own display window (PS3.3 C.11.2): none speaks for its series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from dicom_made import FLAT, item, lut, mr_slices, opened, write
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Window
from cadviewer.imaging.windowing import default_window
from cadviewer.models.breast import analysis as breast
from cadviewer.store.export import drawing

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def windows(*pairs: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"WindowCenter": c, "WindowWidth": w} for c, w in pairs]


def test_each_file_of_a_series_has_its_own(tmp_path: Path) -> None:
    series = mr_slices(tmp_path, windows((100, 50), (200, 60), (300, 70)))
    assert [default_window(series, index=k) for k in range(3)] == [Window(100, 50), Window(200, 60), Window(300, 70)]
    assert series.windows == (Window(200, 60),)


def test_a_file_without_one_has_none(tmp_path: Path) -> None:
    series = mr_slices(tmp_path, [*windows((100, 50), (100, 50)), {}])
    assert [series.windows_of(k) for k in range(3)] == [(Window(100, 50),), (Window(100, 50),), ()]


def test_so_have_tables(tmp_path: Path) -> None:
    tables = [lut(np.arange(256)[:: 1 if up else -1], 0, 8) for up in (True, False)]
    series = mr_slices(tmp_path, [{"VOILUTSequence": Sequence([table])} for table in tables])
    assert [default_window(series, index=k).curve[0] for k in range(2)] == [0, 255]


def _enhanced(path: Path, own: list[Dataset | None], shared: Dataset | None, **top: Any) -> Series:
    def group(voi: Dataset | None, **more: Any) -> Dataset:
        return item(**more, **({"FrameVOILUTSequence": Sequence([voi])} if voi is not None else {}))

    frames = [
        group(voi, PlanePositionSequence=Sequence([item(ImagePositionPatient=[0, 0, 3 * k])]))
        for k, voi in enumerate(own)
    ]
    direction = Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    measures = Sequence([item(PixelSpacing=[1, 1])])
    write(
        path,
        np.stack([FLAT] * len(own)),
        sop_class=ENHANCED_MR,
        modality="MR",
        SharedFunctionalGroupsSequence=Sequence(
            [group(shared, PlaneOrientationSequence=direction, PixelMeasuresSequence=measures)]
        ),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        **top,
    )
    return opened(path).series


def test_each_frame_has_that_of_its_functional_group(tmp_path: Path) -> None:
    voi = [item(WindowCenter=c, WindowWidth=50) for c in (100, 200, 300)]
    series = _enhanced(tmp_path / "a.dcm", list(voi), None)
    assert [default_window(series, index=k).centre for k in range(3)] == [100, 200, 300]


def test_a_frames_own_comes_before_the_shared_one(tmp_path: Path) -> None:
    own = [None, item(WindowCenter=200, WindowWidth=50), None]
    series = _enhanced(tmp_path / "a.dcm", own, item(WindowCenter=40, WindowWidth=400))
    assert [default_window(series, index=k).centre for k in range(3)] == [40, 200, 40]


def test_what_the_groups_say_comes_before_the_top_of_the_header(tmp_path: Path) -> None:
    top = {"WindowCenter": 7, "WindowWidth": 70}
    series = _enhanced(tmp_path / "a.dcm", [None, None], item(WindowCenter=40, WindowWidth=400), **top)
    assert series.windows == (Window(40, 400),)
    series = _enhanced(tmp_path / "b.dcm", [None, None], None, **top)
    assert series.windows == (Window(7, 70),)


def test_the_network_sees_each_frame_in_its_own(tmp_path: Path) -> None:
    series = mr_slices(tmp_path, windows((100, 200), (200, 200), (300, 200)))
    gray = [int(breast.to_gray(FLAT, series, k)[0, 0]) for k in range(3)]
    assert gray == [128, 0, 0]


def test_a_picture_is_of_the_image_in_its_own(tmp_path: Path) -> None:
    mr_slices(tmp_path / "mr", windows((100, 200), (200, 200), (300, 200)))
    (series,) = files.scan([tmp_path / "mr"])
    assert isinstance(series, Series)
    volume = files.read(series)
    assert [int(drawing.enlarged(volume, k)[0][0, 0, 0]) for k in range(3)] == [128, 0, 0]
