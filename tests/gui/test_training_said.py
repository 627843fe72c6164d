"""What the trainers refuse and warn of is known to the window, and is said in the user's language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import trainers
from cadviewer.gui.i18n import language
from cadviewer.gui.training.inspection import describe
from cadviewer.gui.training.said import said

PACKAGE = Path(trainers.__file__).parent


@pytest.fixture(autouse=True)
def _german() -> Iterator[None]:
    language.use("de")
    yield
    language.use(language.ENGLISH)


def _texts(node: ast.AST) -> Iterator[str]:
    """What is said by a constant or an f-string, 7 for each value, and by both ends of a choice."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) > 2:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "7" for p in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))


def test_every_reason_for_which_a_set_is_refused_is_known() -> None:
    tree = ast.parse((PACKAGE / "enough.py").read_text(encoding="utf-8"))
    reasons = {t for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value for t in _texts(node.value)}
    spelt = {
        reason.replace("to 7", f"to {use}").replace("are 7", f"are {kind}").replace("saw a 7", f"saw a {other}")
        for reason in reasons
        for use in ("train on", "calibrate on")
        for kind, other in (("benign", "malignant"), ("malignant", "benign"))
    }
    assert len(reasons) >= 7
    assert [text for text in sorted(spelt) if said(text) == text] == []


def test_what_was_recognised_is_told_in_the_users_language() -> None:
    answer = {
        "layout": "BUSI",
        "images": 12,
        "patients": None,
        "labels": {"benign": 5, "normal": 2, "without a label": 5},
        "split": {"train": 8, "tune": 4},
        "by_patient": False,
        "warnings": ["no image to test on", "they look alike but are labelled differently: a, b"],
        "refused": "all images to train on are benign; a model that never saw a malignant one cannot tell them apart",
    }
    lines = describe(answer).splitlines()
    assert lines[0] == "BUSI: 12 Bilder, Patienten unbekannt"
    assert lines[1] == "5 gutartig, 2 normal, 5 ohne Beschriftung"
    assert lines[2] == "aufgeteilt: Training 8, Abstimmung 4"
    assert "kein Bild für: Test" in lines[3]
    assert "a, b" in lines[4]
    assert "sind gutartig" in lines[5]
    language.use(language.ENGLISH)
    assert "split by patient" not in describe(answer)
    assert "split by patient: train 8" in describe(answer | {"by_patient": True, "patients": 9})


def test_a_full_disk_is_told_with_its_numbers() -> None:
    text = (
        "/r: no room on this disk (a checkpoint needs 176 MB, and 63 MB are free); "
        "the last one is kept (/r/last.ckpt): free some space and resume the run"
    )
    told = said(text)
    assert "176 MB" in told
    assert "63 MB" in told
    assert "der letzte bleibt (/r/last.ckpt)" in told
