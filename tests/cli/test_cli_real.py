"""The command line with the models that ship: the demo finds what is in it, and a scan gives the same in any format."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cadviewer import cli
from cadviewer.findings import Task
from cadviewer.imaging import files
from cadviewer.imaging.series import Series
from cadviewer.models import catalogue
from cadviewer.phantoms import files as phantom_files
from cadviewer.phantoms import phantom

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif({c.task for c in catalogue.cards()} != set(Task), reason="no weights are installed"),
]
ROOT = Path(__file__).resolve().parents[2]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cadviewer", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_demo_finds_its_nodules_and_outlines_its_lesions_and_can_be_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        done = run("demo", "--out", tmp_path)
        assert done.returncode == 0, done.stderr
        assert str(tmp_path / "results") in done.stdout
    truth = json.loads((tmp_path / "study" / "truth.json").read_text())
    found = rows(tmp_path / "results" / "nodules.csv")
    centres = np.array([[float(r[k]) for k in ("x_mm", "y_mm", "z_mm")] for r in found])
    hits = 0
    for nodule in truth["chest-ct"]:
        distances = np.linalg.norm(centres - nodule["centre_mm"], axis=1)
        hits += bool(distances.min() <= max(nodule["diameter_mm"] / 2, 3))
    assert hits >= 3
    breasts = rows(tmp_path / "results" / "breast.csv")
    assert len(breasts) == len(truth["breast"]) == 4
    for row in breasts:
        name = Path(row["source"]).stem
        _, mask, malignant = phantom.breast_ultrasound(
            int(name.split("-")[1]), malignant=truth["breast"][name + ".png"]["malignant"]
        )
        predicted = cv2.imread(str(tmp_path / "results" / row["mask"]), cv2.IMREAD_GRAYSCALE)
        assert predicted is not None
        both = np.count_nonzero((predicted > 0) & (mask > 0))
        assert 2 * both / (np.count_nonzero(predicted) + np.count_nonzero(mask)) >= 0.7
        assert row["call"] in ("uncertain", "malignant" if malignant else "benign")


def test_the_same_scan_as_mhd_gives_the_same_findings_and_its_nodule_is_among_the_first_three(
    chest_ct_99: Path, tmp_path: Path
) -> None:
    (series,) = (s for s in files.scan([chest_ct_99]) if isinstance(s, Series))
    phantom_files.write_mhd(files.read(series), tmp_path / "scan.mhd")
    for name, given in (("dicom", chest_ct_99), ("mhd", tmp_path / "scan.mhd")):
        assert cli.main(["annotate", str(given), "--out", str(tmp_path / name), "--task", "nodules"]) == 0
    dicom, mhd = (rows(tmp_path / name / "nodules.csv") for name in ("dicom", "mhd"))
    assert len(dicom) == len(mhd) >= 3
    for one, other in zip(dicom, mhd, strict=True):
        for key in ("x_mm", "y_mm", "z_mm"):
            assert float(one[key]) == pytest.approx(float(other[key]), abs=0.1)
        for key in ("x0", "y0", "x1", "y1"):
            assert float(one[key]) == pytest.approx(float(other[key]), abs=0.1 / 0.564)
        assert float(one["score"]) == pytest.approx(float(other["score"]), abs=1e-3)
    on_nodule = [
        r
        for r in dicom[:3]
        if 63 <= int(r["instance_number"]) <= 70
        and 89 <= (float(r["x0"]) + float(r["x1"])) / 2 <= 129
        and 153 <= (float(r["y0"]) + float(r["y1"])) / 2 <= 192
    ]
    assert on_nodule
