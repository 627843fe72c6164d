"""The JSON of a case holds everything and keeps to the published schema."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from store_cases import SHA, breast_case, breast_finding, ct, nodule_case, refused_case, ultrasound

from cadviewer.findings import BreastFinding, Call
from cadviewer.imaging.series import Shape, State
from cadviewer.store.case_report import CaseReport
from cadviewer.store.export import ExportError, case_json

CASES = {
    "nodules": nodule_case(),
    "no nodule": nodule_case(ct(), ()),
    "breast": breast_case(),
    "frames": breast_case(ultrasound(frames=2), breast_finding(0), breast_finding(1, Call.NO_LESION)),
    "out of scope": breast_case(ultrasound(), BreastFinding(0, (30, 60), Call.OUT_OF_SCOPE, reason="Doppler")),
    "failed": refused_case(),
    "skipped": refused_case(Path("a.txt"), State.SKIPPED),
    "stack": nodule_case(replace(ct(), shape=Shape.STACK, not_volume="slices are missing")),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_case_keeps_to_the_published_schema(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    assert case_json.FORMAT.write_case is not None
    case_json.FORMAT.write_case(case, None, tmp_path)
    (written,) = tmp_path.iterdir()
    assert written.name == f"{case.case}.json"
    schema = json.loads(case_json.schema_path().read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(written.read_text(encoding="utf-8")))


def test_the_result_says_where_it_came_from() -> None:
    document = case_json.document(CASES["nodules"])
    assert document["provenance"] == {
        "application": "cadviewer 0.1.0",
        "model": "ssd",
        "model_version": "1.0",
        "weights_sha256": SHA,
        "threshold": 0.3,
        "device": "cpu",
        "preprocessing": "1.0 mm, lung masked",
        "series_uid": "1.2.3",
        "sop_uids": ["1.2.3.0", "1.2.3.1", "1.2.3.2", "1.2.3.3"],
        "companions": [{"role": "outline", "model": "outliner", "model_version": "2", "weights_sha256": SHA}],
    }
    assert "research use only" in document["notice"]


def test_a_nodule_has_all_its_boxes_its_outline_and_its_estimate() -> None:
    nodule = case_json.document(CASES["nodules"])["nodules"][0]
    assert nodule["boxes"][0] == {"slice": 1, "x0": 10.25, "y0": 12.5, "x1": 20.125, "y1": 21.0, "score": 0.5}
    assert nodule["outline"] == [[10.0, 12.0], [20.0, 12.0], [15.0, 20.0]]
    assert [o["slice"] for o in nodule["outlines"]] == [1, 2]
    assert nodule["outlines"][0]["points"] == [[11.0, 13.0], [14.0, 13.0], [12.0, 15.5]]
    assert nodule["malignancy"] == {
        "value": 0.4,
        "low": 0.1,
        "high": 0.7,
        "class": 3,
        "classes": [0.1, 0.2, 0.3, 0.25, 0.15],
    }


def broken(case: CaseReport) -> list[dict[str, Any]]:
    good = case_json.document(case)
    changes: list[tuple[list[Any], Any]] = [
        (["state"], "finished"),
        (["case"], "Smith^John"),
        (["nodules", 0, "score"], 1.5),
        (["nodules", 0, "boxes"], []),
        (["provenance", "weights_sha256"], ""),
        (["provenance"], None),
        (["patient"], "Smith^John"),
    ]
    documents = []
    for path, value in changes:
        document = copy.deepcopy(good)
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        documents.append(document)
    return documents


@pytest.mark.parametrize("document", broken(CASES["nodules"]), ids=lambda d: "broken")
def test_what_breaks_the_schema_is_not_written(document: dict[str, Any]) -> None:
    with pytest.raises(ExportError, match=r"at \$"):
        case_json.check(document)
