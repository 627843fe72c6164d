"""Which files belong to which case, and which are not looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series


def write_mhd(path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((3, 8, 8), np.int16)), str(path))


def test_the_raw_of_an_mhd_belongs_to_its_case(tmp_path: Path) -> None:
    write_mhd(tmp_path / "a.mhd")
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert (series.files, series.data_files) == ((tmp_path / "a.mhd",), (tmp_path / "a.raw",))


def test_the_raw_of_a_damaged_mhd_belongs_to_its_failure(tmp_path: Path) -> None:
    write_mhd(tmp_path / "a.mhd")
    (tmp_path / "a.raw").write_bytes(b"short")
    (rejected,) = files.scan([tmp_path])
    assert isinstance(rejected, Rejected)
    assert (rejected.source, rejected.data_files) == (tmp_path / "a.mhd", (tmp_path / "a.raw",))


def test_ignored_files_count_as_not_there(tmp_path: Path) -> None:
    write_mhd(tmp_path / "a.mhd")
    (tmp_path / "out").mkdir()
    write_mhd(tmp_path / "out" / "b.mhd")
    looked: list[tuple[int, int]] = []
    found = list(files.scan([tmp_path], ignore=lambda p: p.parent.name == "out", on_file=lambda *n: looked.append(n)))
    assert [f.source.name for f in found] == ["a.mhd"]
    assert looked[-1] == (2, 2)
    (only,) = files.scan([tmp_path / "out"], ignore=lambda p: True)
    assert isinstance(only, Rejected)


def test_an_input_inside_another_is_found_there_with_what_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_mhd(tmp_path / "in" / "a.mhd")
    for given in ([tmp_path / "in" / "a.mhd", tmp_path / "in"], [tmp_path / "in", tmp_path, tmp_path / "in" / "a.mhd"]):
        (series,) = files.scan(given)
        assert isinstance(series, Series)
        assert series.data_files == (tmp_path / "in" / "a.raw",)


def test_a_dicomdir_stands_for_the_images_of_its_folder(tmp_path: Path) -> None:
    write_mhd(tmp_path / "a.mhd")
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(200))
    found = list(files.scan([tmp_path / "DICOMDIR"]))
    assert [f.source for f in found if isinstance(f, Series)] == [tmp_path / "a.mhd"]
    assert [f.source for f in found if isinstance(f, Rejected)] == [tmp_path / "DICOMDIR"]
