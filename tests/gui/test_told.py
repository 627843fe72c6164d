"""What the breast model, its gate and its maps say is known to the window, and is said in the user's language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from gui_desk import Desk

import cadviewer
from cadviewer.gui.i18n import language, wording
from cadviewer.gui.i18n.templates import TOLD, told
from cadviewer.models.breast import explanation as breast_explain
from cadviewer.models.gate import input_gate

PACKAGE = Path(cadviewer.__file__).parent
SPOKEN = (
    "models/breast/analysis.py",
    "models/gate/input_gate.py",
    "models/breast/explanation.py",
    "models/nets/saliency.py",
)
OF_PROGRAMMERS = {breast_explain.METHOD}  # kept with a map, never shown


@pytest.fixture
def german() -> Iterator[None]:
    language.use("de")
    yield
    language.use(language.ENGLISH)


def _said() -> Iterator[str]:
    """Every sentence in the code of the models, 7 for each value: what is no docstring and has three words or more."""
    for name in SPOKEN:
        tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
        silent: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                silent.add(id(node.value))  # a docstring
            if isinstance(node, ast.JoinedStr):
                silent |= {id(part) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (str(p.value) if isinstance(p, ast.Constant) else "7" for p in node.values)
                text = "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
                text = node.value
            else:
                continue
            if len(text.split()) >= 3:
                yield text


def test_every_sentence_of_the_models_is_known(german: None) -> None:
    said = set(_said()) - OF_PROGRAMMERS
    assert len(said) > 25
    # Said in two pieces in the code: how many frames, and what of them.
    pieces = {t for t in said if t in ("the image is", "7 of 7 frames are") or t.startswith("7 unlike the breast")}
    assert len(pieces) == 3
    assert [t for t in sorted(said - pieces) if told(t) == t] == []


def test_every_mode_of_a_header_and_every_colour_is_known(german: None) -> None:
    modes = {*input_gate.MODES.values(), "a Doppler spectrum"}
    same = [m for m in modes if m in told(f"{m}; the breast model reads B-mode ultrasound").split(";")[0]]
    assert set(same) <= {"Doppler"}  # the same word


def test_values_stay_and_what_stands_in_a_place_is_said_too(german: None) -> None:
    assert told("modality MR; the models read CT and breast ultrasound").startswith("Modalität MR;")
    assert told("colour Doppler; the breast model reads B-mode ultrasound").startswith("Farbdoppler;")
    assert "0.2 mm" in told("millimetres by a pixel size of 0.2 mm that was given by the user")
    assert "10%" in told("neither benign nor malignant can be ruled out at an error of 10%")
    frames = told("2 of 3 frames are unlike the breast ultrasound that the model knows: the score may mean nothing")
    assert frames.startswith("2 von 3 ")
    assert wording.sentence("no lesion stands out") == "Keine Läsion hebt sich ab."


def test_what_nobody_knows_and_english_stay_as_they_are(german: None) -> None:
    assert told("the file is damaged at byte 7") == "the file is damaged at byte 7"
    language.use(language.ENGLISH)
    for template in TOLD:
        assert told(template) == template


def test_the_breast_panel_shows_no_text_that_cannot_be_translated() -> None:
    shows = {"setText", "setToolTip", "setAccessibleName", "setPlaceholderText", "QLabel", "QToolButton", "_say"}
    bare = []
    for path in sorted((PACKAGE / "gui" / "breast").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                texts = [a for a in node.args if isinstance(a, ast.Constant | ast.JoinedStr)]
                bare += [
                    f"{path.name}:{node.lineno}" for a in texts if name in shows and getattr(a, "value", "f") != ""
                ]
    assert bare == []


def test_the_device_is_told_in_the_users_language(desk: Desk) -> None:
    language.use("de")
    try:
        desk.window.status.show_device("cpu", "no CUDA device; 2 threads")
        assert desk.window.status.device.text() == "CPU – kein CUDA-Gerät; 2 Threads"
    finally:
        language.use(language.ENGLISH)
