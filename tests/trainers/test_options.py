"""The one table of settings: complete, true of the defaults and presets, and kept to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cadviewer.models import nets
from cadviewer.models.nets import BACKBONES
from cadviewer.models.nodules.detection import VIEWS
from trainers import config, options, tasks
from trainers.__main__ import main
from trainers.config import ConfigError

TASKS = sorted(name for name, spec in tasks.specs().items() if spec.settings)


def kind(task: str) -> Any:
    return tasks.resolve(tasks.specs()[task].settings)


def known(task: str) -> Any:
    return tasks.resolve(tasks.specs()[task].options)


@pytest.mark.parametrize("task", TASKS)
def test_every_setting_has_a_name_and_a_meaning_and_no_other_is_told(task: str) -> None:
    keys = set(config.types_of(kind(task)))
    assert keys - set(known(task)) == set()
    shared = set(options.COMMON)
    assert set(known(task)) - keys - shared == set()
    assert all(o.label and o.meaning for o in known(task).values())


@pytest.mark.parametrize("task", TASKS)
def test_defaults_and_presets_are_within_their_ranges(task: str) -> None:
    presets = tasks.resolve(tasks.specs()[task].presets)
    for name in ("default", *presets):
        merged = config.merge(kind(task), presets, assignments=[f"preset={name}"])
        for key in config.types_of(kind(task)):
            value = getattr(merged, key)
            given = value if isinstance(value, tuple) else (value,)
            assert [p for v in given if v is not None and (p := known(task)[key].problem(v))] == [], key


@pytest.mark.parametrize(
    ("task", "assignment", "said"),
    [
        ("breast", "epochs=-1", "epochs: -1 is not in the range 0 … 100000"),
        ("breast", "batch=0", "batch: 0 is not in the range 1 … 4096"),
        ("breast", "lr=3", "lr: 3.0 is not in the range 1e-08 … 1"),
        ("breast", "augmentation=weak", "augmentation: 'weak' is none of strong, paper, domain"),
        ("breast", "train_folds=1,9", "train_folds: 9 is not in the range 1 … 5"),
        ("outline", "dice=nan", "dice"),
        ("nodules", "backbone=vgg", "backbone: 'vgg' is none of"),
    ],
)
def test_a_value_out_of_its_range_is_refused_before_anything_begins(task: str, assignment: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config.merge(kind(task), {}, assignments=[assignment])


def test_choices_are_those_that_exist() -> None:
    assert set(options.NODULES["backbone"].choices) == set(BACKBONES)
    assert set(options.NODULES["views"].choices) == {"", *VIEWS}
    assert set(options.BREAST["network"].choices) == set(nets.NETWORKS) - {"outline", "ssd"}


def test_the_smallest_preset_is_there_for_every_trainer_and_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    for task in TASKS:
        assert main(["settings", task, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert [p["name"] for p in answer["presets"] if p["smallest"]] == [options.SMALLEST]
        assert all(p["meaning"] for p in answer["presets"])
        assert main(["settings", task]) == 0
        said = capsys.readouterr().out
        assert "preset=quick: the smallest" in said
        assert "seed=1\n    Of all that is drawn at random; the same one gives the same run. (≥ 0)" in said
