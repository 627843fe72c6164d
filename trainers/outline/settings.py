"""Settings of an outline run and its presets. No torch, so that a window can ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from trainers import options
from trainers.options import Option


@dataclass(frozen=True)
class OutlineSettings:
    """Settings of a run (`--set key=value`). dice: weight of the Dice loss; average: of the running average."""

    OPTIONS: ClassVar[Mapping[str, Option]] = options.OUTLINE

    epochs: int = 22
    patches: int = 0
    batch: int = 32
    lr: float = 3e-3
    weight_decay: float = 0.02
    warm_up: float = 0.05
    average: float = 0.99
    dice: float = 0.5
    clip: float = 5.0
    widths: tuple[int, ...] = (16, 32, 64, 112)
    seed: int = 1
    threads: int = 0
    device: str = "auto"
    precision: str = "auto"
    check_every: int = 5
    limit: int = 0
    name: str = "nodules-outline"
    version: str = "1"


PRESETS: dict[str, dict[str, Any]] = {"quick": {"epochs": 2, "limit": 64, "check_every": 1}}
