"""What the gate lets in and refuses is counted over real images, over what is made of them, and over other pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from cadviewer.phantoms.phantom import breast_ultrasound
from trainers import __main__ as command
from trainers.breast import gate as breast_gate
from trainers.data.ultrasound.cases import UltrasoundCase


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[UltrasoundCase]:
    """Six phantoms of four patients."""
    folder = tmp_path_factory.mktemp("phantoms")
    made = []
    for k in range(6):
        cv2.imwrite(str(folder / f"{k}.png"), breast_ultrasound(k)[0])
        made.append(UltrasoundCase(f"{k}", folder / f"{k}.png", (), None, f"p{k // 2 if k < 4 else k}"))
    return made


def test_single_images_pass_and_what_is_made_of_them_is_refused_for_its_reason(cases: list[UltrasoundCase]) -> None:
    given = list(breast_gate.answers("phantoms", cases, 1))
    assert {a.kind for a in given} == {*breast_gate.MADE, breast_gate.SAME}
    assert sum(a.kind == breast_gate.SAME for a in given) == 2
    found = breast_gate.figures(given, rounds=20)
    assert found["phantoms: as it is"]["refused"][0] == 0
    assert found["phantoms: as it is"]["pictures"] == 6
    assert found["phantoms: as it is"]["patients"] == 4
    for kind in ("as it is", "as a screen shot (JPEG)", "calipers and letters painted in"):
        assert found[f"phantoms: {kind}"]["refused"][0] == 0, kind
    assert found["phantoms: two without a gutter"]["for the reason that is due"][0] > 0.5
    for kind in ("two, a gutter of 4 to 20 pixels", "colour flow painted in", "turned on its side"):
        assert found[f"phantoms: {kind}"]["for the reason that is due"][0] == 1, kind
    assert "for the reason that is due" not in found["phantoms: as it is"]
    assert "| phantoms: as it is | 6 | 0.000 [0.000–0.000] |" in breast_gate.table(found)


def test_pictures_of_other_things_are_counted_and_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for k in range(5):
        noise = generator.integers(0, 255, (160, 160), np.uint8)
        cv2.imwrite(str(tmp_path / f"{k}.png"), noise)
    given = list(breast_gate.others(tmp_path, 3))
    assert len(given) == 3
    assert all("speckle" in a.reason and not a.known for a in given)
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"0\.png"):
        list(breast_gate.others(tmp_path, 5))


def test_the_command_writes_a_row_for_each_picture(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "gate"
    assert command.main(["gate", "--split", "tune", "--limit", "3", "--data", str(data), "--out", str(out)]) == 0
    with (out / "gate.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) >= 3 * len(breast_gate.MADE)
    assert all(not r["reason"] for r in rows if r["kind"] == "as it is")
