"""Results that are kept for the next time a case is opened."""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_cases import NODULES, breast_finding, provenance

from cadviewer.findings import LungPlace, Result, ScoreMap, Side, Task
from cadviewer.store import last_results
from cadviewer.store.plain import plain

KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADVIEWER_HOME", str(tmp_path))


def same(a: Any, b: Any) -> bool:
    """Equality that looks into arrays and at what dataclasses leave out of theirs."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and bool(a == b)


PLACED = replace(NODULES[0], place=LungPlace(Side.RIGHT, None, 4.5))
NODULE_RESULT = Result("case", Task.NODULES, provenance(), (PLACED,), NODULES[1:], warnings=("one",), seconds_infer=1.5)
BREAST_RESULT = Result("case", Task.BREAST, provenance("mt"), breast=(breast_finding(0), breast_finding(3)))
MAPPED = Result("case", Task.BREAST, provenance("mt"), maps=(ScoreMap(0, np.eye(3, dtype=np.float32), "made so"),))


@pytest.mark.parametrize("result", [NODULE_RESULT, BREAST_RESULT, MAPPED], ids=["nodules", "breast", "map"])
def test_a_result_comes_back_as_it_was(result: Result) -> None:
    kept = last_results.keep(KEY, result, 0.07)
    found = last_results.last(KEY, result.task)
    assert found is not None
    assert same(found, kept)
    assert same(found.result, result)
    assert found.spacing_mm == 0.07


def test_the_last_one_counts_and_tasks_stand_apart() -> None:
    last_results.keep(KEY, NODULE_RESULT)
    last_results.keep(KEY, BREAST_RESULT)
    last_results.keep(KEY, Result("case", Task.NODULES, provenance("other")))
    found = last_results.last(KEY, Task.NODULES)
    assert found is not None
    assert found.result.provenance.model == "other"
    assert last_results.last(KEY, Task.BREAST) is not None
    assert last_results.last("0" * 16, Task.NODULES) is None


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_damaged_file_counts_as_none(cut: int) -> None:
    last_results.keep(KEY, NODULE_RESULT)
    (path,) = last_results.folder().glob("*.npz")
    path.write_bytes(path.read_bytes()[:cut])
    assert last_results.last(KEY, Task.NODULES) is None


def test_what_another_version_wrote_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(last_results, "SCHEMA", 99)
        last_results.keep(KEY, NODULE_RESULT)
    assert last_results.last(KEY, Task.NODULES) is None


def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_results, "MOST_FILES", 3)
    for k in range(5):
        last_results.keep(f"{k}" * 16, NODULE_RESULT)
        (path,) = last_results.folder().glob(f"{k}*.npz")
        os.utime(path, (k, k))
    last_results.keep("9" * 16, NODULE_RESULT)
    assert sorted(p.name[0] for p in last_results.folder().glob("*.npz")) == ["3", "4", "9"]


def test_a_name_cannot_lead_out_of_the_folder() -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        last_results.keep("../out", NODULE_RESULT)


def test_a_result_of_a_version_that_knew_no_places_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(value: Any, arrays: list[Any]) -> Any:
        made = plain(value, arrays)
        for nodule in (*made["result"]["nodules"], *made["result"]["candidates"]):
            del nodule["place"]
        return made

    monkeypatch.setattr(last_results, "plain", without)
    last_results.keep(KEY, NODULE_RESULT)
    found = last_results.last(KEY, Task.NODULES)
    assert found is not None
    assert [n.place for n in found.result.nodules] == [None]
