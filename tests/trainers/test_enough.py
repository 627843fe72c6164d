"""What cannot be trained on is refused before the start, with the reason, and is no number where it was trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import drawn_bus_bra
import numpy as np
import pytest
import torch
from drawn_bus_bra import TINY

from cadviewer.messages import from_json
from cadviewer.models import catalogue, own_models
from trainers import enough
from trainers.__main__ import main
from trainers.breast import trainer as breast
from trainers.breast.settings import BreastSettings
from trainers.breast.training import Training
from trainers.config import ConfigError
from trainers.data.ct.samples import LabelledSlice

Row = tuple[str, str, str, int]
"""(image, label, patient, fold)"""


def table(folder: Path, rows: Sequence[Row], copies: dict[str, str] | None = None) -> Path:
    """A cases.csv with speckle of its own for every image, or that of another one where `copies` says so."""
    folder.mkdir()
    lines = ["image,mask,label,patient,fold"]
    for number, (name, label, patient, fold) in enumerate(rows):
        source = (copies or {}).get(name, name)
        seed = [r[0] for r in rows].index(source)
        coarse = np.random.default_rng(seed).integers(30, 200, (9, 12)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{name}.png"), cv2.resize(coarse, (96, 72), interpolation=cv2.INTER_CUBIC))
        mask = np.zeros((72, 96), np.uint8)
        cv2.circle(mask, (30 + number % 30, 36), 12, 255, cv2.FILLED)
        cv2.imwrite(str(folder / f"{name}_m.png"), mask)
        lines.append(f"{name}.png,{'' if label == 'normal' else f'{name}_m.png'},{label},{patient},{fold}")
    (folder / "cases.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def mixed(count: int = 20) -> list[Row]:
    return [(f"i{k}", ("benign", "malignant")[k % 4 == 0], f"p{k}", (1, 2, 3, 4)[k // 4 % 4]) for k in range(count)]


def one_class(rows: list[Row]) -> list[Row]:
    return [(name, "benign", patient, fold) for name, _, patient, fold in rows]


def one_class_to_tune(rows: list[Row]) -> list[Row]:
    return [(name, "malignant" if fold == 4 else label, patient, fold) for name, label, patient, fold in rows]


def none_to_tune(rows: list[Row]) -> list[Row]:
    return [(name, label, patient, min(fold, 3)) for name, label, patient, fold in rows]


def one_patient(rows: list[Row]) -> list[Row]:
    return [(name, label, "p", 1) for name, label, _, _ in rows]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (one_class, "all images to train on are benign; a model that never saw a malignant one cannot tell them apart"),
        (one_class_to_tune, "all images to calibrate on are malignant"),
        (none_to_tune, "no labelled image to calibrate on"),
        (one_patient, "all images are of one patient"),
    ],
)
def test_a_breast_set_that_teaches_nothing_is_refused_before_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: Callable[[list[Row]], list[Row]], said: str
) -> None:
    data = table(tmp_path / "set", made(mixed()))
    assert main(["inspect", "breast", "--data", str(data), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert from_json(answer["refused"]).startswith(said)
    assert answer["images"] == 20  # what is there is told all the same
    assert main(["inspect", "breast", "--data", str(data)]) == 1
    assert f"cannot be trained on: {said}" in capsys.readouterr().out
    out = tmp_path / "run"
    with pytest.raises(ConfigError, match=said):
        breast.run(None, data, out, [*TINY, "epochs=1"], False)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in log if line["kind"] in ("step", "tune")] == []
    assert from_json(log[-1]["reason"]).startswith(said)


def test_a_set_with_both_kinds_of_several_patients_is_taken(tmp_path: Path) -> None:
    assert main(["inspect", "breast", "--data", str(table(tmp_path / "set", mixed()))]) == 0


def test_the_same_image_under_two_labels_is_refused_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(tmp_path / "set", mixed(), copies={"i9": "i8"})
    assert main(["inspect", "breast", "--data", str(data), "--json"]) == 1
    assert "the same image is there with two labels: i8, i9" in from_json(
        json.loads(capsys.readouterr().out)["refused"]
    )
    again = table(
        tmp_path / "agreed", [(n, "benign" if n == "i8" else k, p, f) for n, k, p, f in mixed()], {"i9": "i8"}
    )
    assert main(["inspect", "breast", "--data", str(again), "--json"]) == 0


def test_a_limit_that_leaves_one_class_is_refused(tmp_path: Path) -> None:
    data = table(tmp_path / "set", [(f"i{k}", ("benign", "malignant")[k > 9], f"p{k}", 1 + k % 4) for k in range(20)])
    with pytest.raises(ConfigError, match="all images to train on are"):
        breast.run(None, data, tmp_path / "run", [*TINY, "epochs=1", "limit=1"], False)


def test_normal_images_are_normal_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*mixed(), *((f"n{k}", "normal", f"q{k}", 1) for k in range(6))]
    assert main(["inspect", "breast", "--data", str(table(tmp_path / "set", rows)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == {"benign": 15, "malignant": 5, "normal": 6}


def test_a_set_that_names_no_patients_is_not_said_to_be_split_by_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(40):
        kind = ("benign", "malignant")[k % 2]
        (tmp_path / kind).mkdir(exist_ok=True)
        coarse = np.random.default_rng(k).integers(30, 200, (9, 12)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / kind / f"{kind} ({k}).png"), cv2.resize(coarse, (96, 72)))
        cv2.imwrite(str(tmp_path / kind / f"{kind} ({k})_mask.png"), np.full((72, 96), 255, np.uint8))
    main(["inspect", "breast", "--data", str(tmp_path)])
    said = capsys.readouterr().out
    assert "patients unknown" in said
    assert "split: train" in said
    assert "split by patient" not in said


def test_figures_of_one_class_are_no_numbers() -> None:
    class Network(torch.nn.Module):
        encoder_name = ""

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.ones(len(image), 1, 8, 8), torch.zeros(len(image))

    def figures(labels: list[float]) -> set[str]:
        module = Training(BreastSettings(), Network())  # type: ignore[arg-type]
        told: dict[str, float] = {}
        module.log_dict = told.update  # type: ignore[assignment]
        module._report = lambda figures: None  # type: ignore[assignment,method-assign]
        module.trainer = type("Trainer", (), {"sanity_checking": False})()
        count = len(labels)
        module.validation_step((torch.zeros(count, 1, 8, 8), torch.ones(count, 1, 8, 8), torch.tensor(labels)), 0)
        module.on_validation_epoch_end()
        return set(told)

    assert figures([0.0, 1.0]) == {"auc", "balanced_accuracy", "dice"}
    assert figures([0.0, 0.0]) == {"dice"}


def labelled(image: Path, patient: str, boxes: int, content: bytes) -> LabelledSlice:
    image.write_bytes(content)
    box = np.tile(np.array([[1, 1, 5, 5]], np.float32), (boxes, 1))
    return LabelledSlice(image, patient, "", "3", box, np.full(boxes, np.nan, np.float32))


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        ([], "no slice to train on"),
        ([("a", 0, b"1"), ("b", 0, b"2")], "no slice to train on has a label"),
        ([("a", 1, b"1"), ("a", 1, b"2")], "all images are of one patient"),
        ([("a", 1, b"1"), ("b", 0, b"1")], "the same image is there with two labels: 0.png, 1.png"),
        ([("a", 1, b"1"), ("b", 1, b"2"), ("b", 0, b"3")], ""),
    ],
)
def test_slices_that_teach_nothing_are_refused(
    tmp_path: Path, slices: Sequence[tuple[str, int, bytes]], said: str
) -> None:
    made = [labelled(tmp_path / f"{k}.png", *about) for k, about in enumerate(slices)]
    assert enough.slices(made).startswith(said)
    assert bool(enough.slices(made)) is bool(said)


def test_slices_of_unknown_patients_are_not_those_of_one(tmp_path: Path) -> None:
    made = [labelled(tmp_path / f"{k}.png", "", 1, bytes([k])) for k in range(2)]
    assert enough.slices(made, patients=False) == ""


def test_a_card_says_what_was_seen_and_the_viewer_takes_it(tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "BUS-BRA")
    breast.run(None, data, tmp_path / "run", [*TINY, "epochs=1"], False)
    (card,) = (tmp_path / "run").glob("breast-*.json")
    seen = catalogue.load(card).training["seen"]
    assert sum(seen.values()) == 8
    assert min(seen.values()) > 0
    assert own_models.is_own(own_models.install(card, "mine"))
