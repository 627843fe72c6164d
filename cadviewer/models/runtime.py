"""The one seam between a model's pipeline and whatever computes its network.

`models.nodules.analysis` and `models.breast.analysis` are written against `Forward`; the inference worker and the
trainers give them one made of torch, a test gives them one made of NumPy, and a faster CPU runtime would be another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cadviewer.models.catalogue import ModelCard

Progress = Callable[[int, int], None]
"""Called with (done, total) after each step. Whatever it raises ends the run: this is where a job is cancelled."""


def no_progress(done: int, total: int) -> None:
    """A Progress that does nothing."""


class Forward(Protocol):
    """A network, ready to run."""

    batch_size: int
    """How many images it wants at a time; may fall during a run when memory gets short."""

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Network outputs, float32, for a batch (n, channels, rows, columns) of prepared images."""
        ...


@dataclass(frozen=True)
class Companion:
    """A further network that a model works with, ready to run, and its card."""

    card: ModelCard
    forward: Forward


Companions = Mapping[str, Companion]
"""By role (`ModelCard.companions`): those that are installed and could be built."""

ALONE: Companions = MappingProxyType({})
"""No companions."""
