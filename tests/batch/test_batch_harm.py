"""One bad file among good ones costs a batch that file and nothing else, and so when the run is gone on with."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batching import annotate, tables
from made_inputs import write_dicom, write_mhd, write_png

from cadviewer.batch import Existing
from cadviewer.imaging import contained

PATIENT = "DOE_JOHN"


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets one step of reading a file of the name "bad…" end the process that does it."""

    def make(step: str) -> None:
        real = contained._request

        def request(target: str, given: tuple[Any, ...], size: int, **kind: bool) -> Any:
            if target.endswith(step) and any(isinstance(g, Path) and g.name.startswith("bad") for g in given):
                return real("os:abort", (), size, **kind)
            return real(target, given, size, **kind)

        monkeypatch.setattr(contained, "_request", request)

    return make


@pytest.mark.parametrize("step", ["scan_image", "first_page"])
def test_two_good_images_are_done_and_the_one_that_crashes_its_decoder_is_named(
    tmp_path: Path, crashing: Callable[[str], None], step: str
) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    write_mhd(given / "a.mhd")
    write_png(given / "bad.png", 256)
    write_dicom(given / "z.dcm", "US")
    crashing(step)
    for existing in (Existing.KEEP_OUT, Existing.RESUME):
        annotate([given], out, existing=existing)
        made = tables(out)
        assert {Path(r["source"]).name: r["state"] for r in made["cases"]} == {
            "a.mhd": "done",
            "bad.png": "failed",
            "z.dcm": "done",
        }
        (error,) = made["errors"]
        assert error["error"] == "damaged: it crashes its decoder (SIGABRT)"


def test_no_name_within_a_zip_and_no_path_of_its_copy_is_in_a_reason(tmp_path: Path) -> None:
    given, out = tmp_path / "in", tmp_path / "out"
    write_mhd(given / "a.mhd")
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for suffix in ("mhd", "nrrd", "nii", "dcm", "tif", "png"):
                archive.writestr(f"{PATIENT}/{PATIENT}.{suffix}", b"ObjectType = Image\nNDims = 3\nDimSize = 1 1 1\n")
        content = bytearray(stream.getvalue())
        (given / f"{method}.zip").write_bytes(content)
        content[60:90] = bytes(30)
        (given / f"{method}_bad.zip").write_bytes(content)
    annotate([given], out)
    assert [r["state"] for r in tables(out)["cases"]].count("done") == 1
    said = [r["error"] for r in tables(out)["errors"]] + [r["reason"] for r in tables(out)["cases"]]
    assert len(said) > 20
    assert not [s for s in said if PATIENT in s or "cadviewer-zip" in s or len(s) > 300]
