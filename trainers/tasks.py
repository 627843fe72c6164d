"""What can be trained: one `TrainerSpec` for each, registered by its package. No torch.

A task names the package of its trainer (`findings.TaskSpec.trainer`); others are in `PACKAGES`. The command line, the
window's form, `inspect`, `evaluate` and `compare` know a package's `SPEC` then.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cadviewer.findings import Task, resolve

PACKAGES = ("trainers.outline", "trainers.data.ct")
"""Of trainers that belong to no task of their own: of a companion, and an import."""


__all__ = ["TrainerSpec", "of_model", "resolve", "specs"]


@dataclass(frozen=True)
class TrainerSpec:
    """A trainer, and what belongs to it. Functions and classes are named "module:name" and imported when needed.

    name: the command. summary: one line. run: function(config file, data, out, assignments, resume).
    settings: dataclass of a run's settings, "" where `run` has its own; presets: mapping of named settings.
    options: mapping of what a dataclass cannot say of the settings (`trainers.options`).
    inspect: function(folder) → `samples.Summary`, "" where a folder cannot be looked at.
    model: key of the models that it makes, their task and role ("nodules-outline"), "" for none; evaluate:
    function(card, data, out, *, split, device) → {set: {figure: [value, low, high]}} of such a model.
    figures: (name of a figure as `evaluate` writes it, heading) for `compare`; those that a set has are shown.
    """

    name: str
    summary: str
    run: str
    settings: str = ""
    presets: str = ""
    options: str = ""
    inspect: str = ""
    model: str = ""
    evaluate: str = ""
    figures: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=1)
def specs() -> Mapping[str, TrainerSpec]:
    """Every trainer by its name."""
    packages = (*(task.spec.trainer for task in Task if task.spec.trainer), *PACKAGES)
    found = (importlib.import_module(package).SPEC for package in packages)
    return {spec.name: spec for spec in found}


def of_model(key: str) -> TrainerSpec:
    """The trainer that makes such models. Raises KeyError where there is none."""
    return {spec.model: spec for spec in specs().values() if spec.model}[key]
