"""The user's own models have names of their own: what ships is never hidden, replaced or removed."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.models import catalogue, own_models
from cadviewer.models.catalogue import CardError, ModelCard

BOTH: dict[str, Any] = {
    "calibration": {"cuts": {"specificity_90": 0.5, "sensitivity_95": 0.2}},
    "training": {"seen": {"benign": 20, "malignant": 9}},
}


def write(folder: Path, name: str, *, task: Task = Task.BREAST, content: bytes = b"w", **changes: Any) -> ModelCard:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(content)
    sha = catalogue.sha256_of(content)
    card = replace(ModelCard(name, "1", task, name, "net", {}, {}, 0.5, sha), folder=folder, **changes)
    (folder / f"{name}.json").write_text(card.to_json(), encoding="utf-8")
    return card


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    folder = tmp_path / "shipped"
    monkeypatch.setattr(paths, "shipped_weights", lambda: folder)
    write(folder, "other", content=b"o")
    return write(folder, "breast-good", content=b"good", default=True)


@pytest.mark.parametrize("name", ["breast-good", "Breast-Good"])
def test_a_file_of_the_same_name_does_not_hide_a_shipped_model(shipped: ModelCard, name: str) -> None:
    write(paths.own_weights(), name, content=b"toy", default=True)
    assert catalogue.card("breast-good").weights_sha256 == shipped.weights_sha256
    assert [c.name for c in catalogue.cards(Task.BREAST)] == ["breast-good", "other"]
    assert catalogue.default(Task.BREAST).weights_sha256 == shipped.weights_sha256
    (problem,) = catalogue.problems()
    assert str(paths.own_weights() / f"{name}.json") in problem
    assert "name of its own" in problem


def test_a_card_that_calls_itself_like_a_shipped_one_does_not_hide_it_either(shipped: ModelCard) -> None:
    card = write(paths.own_weights(), "toy", content=b"toy", default=True)
    (card.folder / "toy.json").write_text(replace(card, name="breast-good").to_json())
    assert catalogue.card("breast-good").weights_sha256 == shipped.weights_sha256
    assert len(catalogue.cards(Task.BREAST)) == 2
    assert "toy.json" in catalogue.problems()[0]


def test_an_own_model_is_the_default_only_where_none_ships(shipped: ModelCard) -> None:
    write(paths.own_weights(), "aaa", default=True)
    write(paths.own_weights(), "mine", task=Task.NODULES)
    assert catalogue.default(Task.BREAST).name == "breast-good"
    assert catalogue.default(Task.NODULES).name == "mine"


def test_a_trained_model_is_given_a_name_of_its_own_and_is_nobodys_default(shipped: ModelCard, tmp_path: Path) -> None:
    trained = write(tmp_path / "run", "breast-good", content=b"toy", default=True, **BOTH)
    card = tmp_path / "run" / "breast-good.json"
    os.utime(card, (1_700_000_000, 1_700_000_000))
    day = datetime.date.fromtimestamp(1_700_000_000).isoformat()
    assert own_models.proposed(card) == f"own-breast-{day}"
    made = own_models.install(card, own_models.proposed(card))
    assert own_models.proposed(card) == f"own-breast-{day}-2"
    found = catalogue.card(f"own-breast-{day}")
    assert own_models.is_own(found)
    assert (found.default, found.weights_sha256) == (False, trained.weights_sha256)
    assert made.weights.read_bytes() == b"toy"
    assert catalogue.default(Task.BREAST) == catalogue.card("breast-good")


@pytest.mark.parametrize("name", ["breast-good", "BREAST-good", "", "../evil", "a/b", "CON:", "x" * 61, "dot."])
def test_a_name_that_is_taken_or_that_files_cannot_have_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "run", "toy", **BOTH)
    with pytest.raises(CardError, match="name"):
        own_models.install(tmp_path / "run" / "toy.json", name)
    assert not paths.own_weights().exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({**BOTH, "training": {"seen": {"benign": 20, "malignant": 0}}}, "never saw a malignant lesion"),
        ({**BOTH, "training": {"seen": {"malignant": 20}}}, "never saw a benign lesion"),
        ({**BOTH, "calibration": {"cuts": {}}}, "not calibrated on benign and malignant"),
        ({"calibration": {"cuts": {}}}, "not calibrated on benign and malignant"),
    ],
)
def test_a_breast_model_that_never_saw_both_classes_is_not_used(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    write(tmp_path / "run", "toy", **changes)
    with pytest.raises(CardError, match=said):
        own_models.install(tmp_path / "run" / "toy.json", "toy-1")
    assert not paths.own_weights().exists()


def test_a_companion_is_not_put_beside_models_that_answer_by_themselves(tmp_path: Path) -> None:
    write(tmp_path / "run", "nodules-outline", task=Task.NODULES, role="outline")
    with pytest.raises(CardError, match="works with a model whose card names it"):
        own_models.install(tmp_path / "run" / "nodules-outline.json", "mine")


def test_weights_that_are_not_those_of_the_card_are_not_used(tmp_path: Path) -> None:
    card = write(tmp_path / "run", "toy", **BOTH)
    card.weights.write_bytes(b"others")
    with pytest.raises(CardError, match=r"toy\.safetensors: not the weights"):
        own_models.install(tmp_path / "run" / "toy.json", "toy-1")


def test_a_disk_that_is_full_leaves_no_half_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "run", "toy", **BOTH)

    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(own_models.atomic, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        own_models.install(tmp_path / "run" / "toy.json", "toy-1")
    assert list(paths.own_weights().iterdir()) == []


def test_an_own_model_is_removed_and_a_shipped_one_is_not(shipped: ModelCard, tmp_path: Path) -> None:
    write(tmp_path / "run", "toy", **BOTH)
    made = own_models.install(tmp_path / "run" / "toy.json", "toy-1")
    own_models.remove(made)
    assert list(paths.own_weights().iterdir()) == []
    with pytest.raises(CardError, match="ships with the program"):
        own_models.remove(shipped)
    assert shipped.weights.is_file()


def test_every_card_that_ships_has_the_name_of_its_file() -> None:
    folder = paths.resources() / "weights"
    assert [p.stem for p in folder.glob("*.json") if json.loads(p.read_text())["name"] != p.stem] == []
