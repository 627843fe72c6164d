"""LUNA16 import: damaged scans and tables, interrupted and killed imports, wrong settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from luna16_made import (
    Framed,
    index,
    lungs,
    write_table,
)
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry
from trainers.__main__ import main
from trainers.config import ConfigError
from trainers.data.ct import luna16
from trainers.data.ct.luna16 import Luna16Settings, import_scans


def damage(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    lines = [after if line.startswith(before) else line for line in text.splitlines()]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("ElementSpacing", "ElementSpacing = 0 0.8 1.5", "pacing"),
        ("ElementDataFile", "ElementDataFile = nowhere.raw", "nowhere.raw"),
        ("DimSize", "DimSize = 100 90 4000", ""),
        ("TransformMatrix", "TransformMatrix = 1 0 0 1 0 0 0 0 1", ""),
    ],
)
def test_a_damaged_scan_is_listed_with_its_reason_and_the_others_go_on(
    before: str, after: str, reason: str, luna: Path, tmp_path: Path
) -> None:
    damage(luna / "subset0" / "1.2.1.mhd", before, after)
    assert import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs) == 1
    problems = {
        p["series_uid"]: p["problem"] for p in index(tmp_path / "out", "problems.csv") if "patient" not in p["problem"]
    }
    assert list(problems) == ["1.2.1"]
    assert reason in problems["1.2.1"]
    assert "\n" not in problems["1.2.1"]
    assert {r["series_uid"] for r in index(tmp_path / "out")} == {"1.2.2", "1.2.3"}


def test_voxels_that_are_not_numbers_refuse_the_scan(luna: Path, tmp_path: Path) -> None:
    path = luna / "subset0" / "1.2.1.mhd"
    image = sitk.ReadImage(str(path))
    pixels = sitk.GetArrayFromImage(image).astype(np.float32)
    pixels[3, 4, 5:8] = np.nan
    changed = sitk.GetImageFromArray(pixels)
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))
    assert import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs) == 1
    problems = [p["problem"] for p in index(tmp_path / "out", "problems.csv")]
    assert "3 voxels are not numbers" in problems


def test_a_scan_without_lungs_is_not_masked_to_nothing(luna: Path, tmp_path: Path) -> None:
    failed = import_scans(
        Luna16Settings(), luna, tmp_path / "out", find_lungs=lambda pixels, _: Framed(len(pixels), False)
    )
    assert failed == 3
    assert "no lungs" in index(tmp_path / "out", "problems.csv")[-1]["problem"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seriesuid,coordX,coordY,coordZ\n1.2.1,1,2,3\n", "needs a column diameter_mm"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.1,1,b,3,4\n", "line 2: not a finding"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.1,1,nan,3,4\n", "line 2: not a finding"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.1,1,2,3,0\n", "line 2: a diameter of 0 mm"),
        ("seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.1,1,2,3\n", "line 2: not a finding"),
        ("", "holds no annotation"),
    ],
)
def test_damaged_annotations_are_named_with_their_line(text: str, message: str, luna: Path, tmp_path: Path) -> None:
    (luna / "annotations.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        import_scans(Luna16Settings(), luna, tmp_path / "out", find_lungs=lungs)


class _Interrupted(Exception):
    pass


def test_an_interrupted_import_goes_on_and_ends_as_an_unbroken_one(luna: Path, tmp_path: Path) -> None:
    def stop(step: luna16.Step) -> None:
        if step.scan == 1:
            raise _Interrupted

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    import_scans(Luna16Settings(), luna, whole, find_lungs=lungs)
    with pytest.raises(_Interrupted):
        import_scans(Luna16Settings(), luna, broken, find_lungs=lungs, on_scan=stop)
    assert not (broken / "index.csv").exists()
    read: list[str] = []

    def counted(pixels: NDArray[np.generic], geometry: Geometry) -> Framed:
        read.append("a scan")
        return lungs(pixels, geometry)

    with pytest.raises(ConfigError, match="--resume"):
        import_scans(Luna16Settings(), luna, broken, find_lungs=lungs)
    import_scans(Luna16Settings(), luna, broken, find_lungs=counted, resume=True)
    assert len(read) == 2  # the first scan was not read again
    assert (broken / "index.csv").read_bytes() == (whole / "index.csv").read_bytes()
    assert sorted(p.name for p in (broken / "images").iterdir()) == sorted(p.name for p in (whole / "images").iterdir())


def test_going_on_with_other_settings_or_other_annotations_is_refused(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    import_scans(Luna16Settings(), luna, out, find_lungs=lungs)
    with pytest.raises(ConfigError, match=r"other settings \(negatives\)"):
        import_scans(Luna16Settings(negatives=3), luna, out, find_lungs=lungs, resume=True)
    import_scans(Luna16Settings(split="subset"), luna, out, find_lungs=lungs, resume=True)  # concerns the index alone
    assert {r["fold"] for r in index(out)} == {"0", "1"}
    write_table(luna, [("1.2.1", -20.0, 90.0, -285.0, 6.0)])
    with pytest.raises(ConfigError, match=r"other settings \(tables\)"):
        import_scans(Luna16Settings(), luna, out, find_lungs=lungs, resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_import_goes_on(luna: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from trainers.data.ct import luna16; from cadviewer import atomic\n"
        "write, count = atomic.write_bytes, [0]\n"
        "def dying(path, content):\n"
        "    count[0] += 1\n"
        "    if count[0] == 20: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write(path, content)\n"
        "atomic.write_bytes = dying\n"
        "luna16.import_scans(luna16.Luna16Settings(mode='paper'), Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    ended = subprocess.run([sys.executable, "-c", code, luna, out], env={**os.environ, "PYTHONPATH": root}, check=False)
    assert ended.returncode == -signal.SIGKILL
    import_scans(Luna16Settings(mode="paper"), luna, out, resume=True)
    import_scans(Luna16Settings(mode="paper"), luna, tmp_path / "whole")
    assert (out / "index.csv").read_bytes() == (tmp_path / "whole" / "index.csv").read_bytes()
    for path in (tmp_path / "whole" / "images").iterdir():
        assert (out / "images" / path.name).read_bytes() == path.read_bytes()


def test_the_command_imports_and_tells_how_far_it_is(
    luna: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = ["luna16", "--data", str(luna), "--out", str(out), "--set", "mode=paper"]
    assert main(line) == 0
    assert "3/3 scans" in capsys.readouterr().err
    log = (out / "log.jsonl").read_text()
    assert '"progress": 1.0' in log
    assert main(line) == 2  # it holds an import already
    assert "--resume" in capsys.readouterr().err
    assert main([*line, "--resume"]) == 0
    (luna / "subset1" / "1.2.2.raw").unlink()
    assert main([*line[:-1], "mode=paper", "--out", str(tmp_path / "damaged")]) == 1
    assert "problems.csv" in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["mode=other", "split=other", "window=400,-1000", "pixel_mm=0", "nothing=1"])
def test_wrong_settings_are_refused(setting: str, luna: Path, tmp_path: Path) -> None:
    assert main(["luna16", "--data", str(luna), "--out", str(tmp_path / "out"), "--set", setting]) == 2
