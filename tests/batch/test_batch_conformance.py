"""Every file of the DICOM conformance set is a case with a state, and a reason where it was not done."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from batching import annotate, tables

from cadviewer.store.export import case_json


@pytest.mark.slow
def test_every_conformance_file_is_in_one_case_done_or_with_a_reason(
    dicom_conformance: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    annotate([dicom_conformance], out, formats=("csv", "json", "png"))
    rows = tables(out)
    files = [p for p in dicom_conformance.rglob("*") if p.is_file()]
    assert sum(int(r["n_files"]) for r in rows["cases"]) == len(files)
    assert Counter(r["state"] for r in rows["cases"])["done"] >= 12
    for row in rows["cases"]:
        assert row["state"] in ("done", "skipped", "refused", "failed")
        assert row["state"] == "done" or row["reason"], row
        assert "unexpected" not in row["reason"], row
        assert "Traceback" not in row["reason"], row
    troubled = [r for r in rows["cases"] if r["state"] in ("refused", "failed")]
    assert len(rows["errors"]) == len(troubled)
    assert {p.stem for p in (out / "json").iterdir()} == {r["case"] for r in rows["cases"]}
    assert case_json.schema_path().is_file()
    with (data / "dicom-conformance" / "index.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) > 0
